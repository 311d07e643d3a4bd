//! Which characters keys seem to have at a depth, so that a key can be taken as a number.
//!
//! Keys are compared by bytes, and valid UTF-8 sorts by bytes as it sorts by characters, so everything here is about characters.
//! All of it is a guess from a few keys: a wrong one makes a poor split point, never a wrong shard.

/// Classes of letters and digits, the narrowest first: an alphabet is the first that holds all of what was seen.
const CLASSES: [&[(char, char)]; 8] = [
    &[('0', '9')],
    &[('a', 'z')],
    &[('A', 'Z')],
    &[('0', '9'), ('a', 'f')],
    &[('0', '9'), ('A', 'F')],
    &[('0', '9'), ('a', 'z')],
    &[('0', '9'), ('A', 'Z')],
    &[('0', '9'), ('A', 'Z'), ('a', 'z')],
];

/// Characters beyond ASCII are taken in blocks of so many: about what a script has.
const BLOCK: u32 = 256;

/// Sorted characters, as ranges that include both ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alphabet(Vec<(char, char)>);

impl Alphabet {
    /// The narrowest alphabet that holds what was seen; the widest where nothing was, so that none is empty.
    pub(super) fn of(seen: impl IntoIterator<Item = char>) -> Self {
        let (mut plain, mut ranges) = (Vec::new(), Vec::new());
        for char in seen {
            match char {
                _ if char.is_ascii_alphanumeric() => plain.push(char),
                _ if char.is_ascii() => ranges.push((char, char)),
                _ => ranges.push(block(char)),
            }
        }
        if !plain.is_empty() {
            let holds = |class: &&&[(char, char)]| plain.iter().all(|char| class.iter().any(|(low, high)| (low..=high).contains(&char)));
            ranges.extend_from_slice(CLASSES.iter().find(holds).expect("the last class has every letter and digit"));
        }
        ranges.sort_unstable();
        ranges.dedup();
        if ranges.is_empty() { Self::widest() } else { Self(ranges) }
    }

    /// Every letter and digit of ASCII.
    pub(super) fn widest() -> Self {
        Self(CLASSES[CLASSES.len() - 1].to_vec())
    }

    /// How many characters it has.
    pub(super) fn len(&self) -> u32 {
        self.0.iter().map(size).sum()
    }

    /// How many of its characters come before this one.
    pub(super) fn rank(&self, char: char) -> u32 {
        self.0.iter().map(|(low, high)| if *high < char { size(&(*low, *high)) } else { distance(*low, char) }).sum()
    }

    /// Whether it has this character.
    pub(super) fn has(&self, char: char) -> bool {
        self.0.iter().any(|(low, high)| (*low..=*high).contains(&char))
    }

    /// The character of this rank.
    pub(super) fn at(&self, mut rank: u32) -> Option<char> {
        for range in &self.0 {
            if rank < size(range) {
                return (range.0..=range.1).nth(usize::try_from(rank).ok()?);
            }
            rank -= size(range);
        }
        None
    }
}

/// The block of a character beyond ASCII, without what is no character.
fn block(char: char) -> (char, char) {
    let start = u32::from(char) / BLOCK * BLOCK;
    let low = char::from_u32(start.max(0xa1)).unwrap_or(char);
    (low.min(char), char::from_u32(start + BLOCK - 1).unwrap_or(char).max(char))
}

fn size((low, high): &(char, char)) -> u32 {
    u32::from(*high) - u32::from(*low) + 1
}

fn distance(low: char, char: char) -> u32 {
    u32::from(char).saturating_sub(u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_class_is_taken() {
        for (seen, characters) in [("03", 10), ("0a", 16), ("0F", 16), ("az", 26), ("0g", 36), ("aB", 62), ("0-", 11), ("/", 1)] {
            assert_eq!(Alphabet::of(seen.chars()).len(), characters, "{seen}");
        }
        assert_eq!(Alphabet::of("\u{4e2d}".chars()).len(), BLOCK);
        assert_eq!(Alphabet::of([]), Alphabet::widest());
    }

    #[test]
    fn ranks_and_characters_agree() {
        let hex = Alphabet::of("0f".chars());
        assert_eq!((hex.rank('0'), hex.rank('9'), hex.rank('a'), hex.rank('f'), hex.rank('z')), (0, 9, 10, 15, 16));
        assert_eq!(hex.rank('/'), 0);
        assert_eq!(hex.rank('B'), 10);
        for seen in ["0f", "0-_", "\u{e9}\u{4e2d}", "\u{10ffff}", "\u{d7ff}\u{e000}"] {
            let alphabet = Alphabet::of(seen.chars());
            for rank in 0..alphabet.len() {
                if let Some(char) = alphabet.at(rank) {
                    assert!(alphabet.has(char), "{seen}: {char:?}");
                }
            }
            assert_eq!(alphabet.at(alphabet.len()), None);
        }
    }
}
