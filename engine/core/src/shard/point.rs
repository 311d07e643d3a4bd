//! Where a range may be split: a guess at the middle of what is not listed yet.
//!
//! Nothing is known of the keys to come but those that came before, so a point is only a heuristic, and every point between the
//! two ends is right: one where no key follows costs one empty page, and the range that is left has shrunk. Two ways take turns.
//! [`Way::Halve`] takes keys as numbers and cuts in the middle; it is right where keys are spread over the whole range.
//! [`Way::Depth`] asks how deep in the name keys still differ; it finds the end of a run of keys far below an end of the range
//! that says nothing, in as many steps as the logarithm of the name's length.

use std::cmp::Ordering;

use super::alphabet::Alphabet;
use crate::Key;

/// Longest border, in bytes. A border is part of requests together with the prefix of its location, and a store takes no
/// name of more than 1,024 bytes.
pub(super) const BORDER_BYTES_MAX: usize = 256;

/// Numbers that keys are taken as stay below this: then a product with a count of keys fits in 128 bits.
const NUMBER_MAX: u128 = 1 << 64;

/// A point may miss the middle by one part in so many of the range; more precision only makes longer borders.
const PRECISION: u128 = 64;

/// How a point is looked for first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// In the middle, keys being numbers.
    Halve,
    /// In the middle of the depths at which the keys to come may differ.
    Depth,
}

/// A range, and what was seen of it.
pub(super) struct Span {
    low: Vec<char>,
    high: Option<Vec<char>>,
    first: Vec<char>,
    seen: Vec<Vec<char>>,
}

/// Whether a key may be a border: a name that every store takes as the start of a listing.
pub(super) fn is_border(key: &Key) -> bool {
    let speakable = |char: char| !char.is_control() && !matches!(u32::from(char) & 0xffff, 0xfffe | 0xffff);
    !key.is_empty() && key.len() <= BORDER_BYTES_MAX && key.as_str().is_some_and(|text| text.chars().all(speakable))
}

impl Span {
    /// The keys after `low`, through `high`; `first` is the first key that was seen before `low`, `seen` are some of those
    /// between them. `None` where a key is no text, as only a file system has it.
    pub(super) fn new(low: &Key, high: Option<&Key>, first: &Key, seen: &[Key]) -> Option<Self> {
        let text = |key: &Key| Some(key.as_str()?.chars().collect());
        let high = match high {
            Some(high) => Some(text(high)?),
            None => None,
        };
        Some(Self { low: text(low)?, high, first: text(first)?, seen: seen.iter().filter_map(text).collect() })
    }

    /// How many keys lie ahead, if they are spread as the `keys` that were seen: `u64::MAX` where nothing tells.
    pub(super) fn ahead(&self, keys: u64) -> u64 {
        let Some(high) = &self.high else { return u64::MAX };
        let depth = common(&self.first, high);
        let scale = self.scale(depth);
        let [first, low, high] = [&self.first, &self.low, high].map(|key| number(key, depth, &scale));
        let (behind, ahead) = (low.saturating_sub(first), high.saturating_sub(low));
        (u128::from(keys) * ahead).checked_div(behind).map_or(u64::MAX, |keys| u64::try_from(keys).unwrap_or(u64::MAX))
    }

    /// A point: greater than `low`, less than `high`, and fit to be a border.
    pub(super) fn point(&self, way: Way) -> Option<Key> {
        match way {
            Way::Halve => self.halved().or_else(|| self.deep()).or_else(|| self.between()),
            Way::Depth => self.deep().or_else(|| self.halved()).or_else(|| self.between()),
        }
    }

    fn halved(&self) -> Option<Key> {
        let high = self.high.as_ref()?;
        let depth = common(&self.low, high);
        let scale = self.scale(depth);
        let (low, high) = (number(&self.low, depth, &scale), number(high, depth, &scale));
        let (mut rest, mut unit) = (u128::midpoint(low, high), product(&scale));
        let mut text: Vec<char> = self.low[..depth].to_vec();
        for alphabet in &scale {
            unit /= u128::from(alphabet.len());
            let digit = (rest / unit).min(u128::from(alphabet.len()) - 1);
            rest -= digit * unit;
            text.push(alphabet.at(u32::try_from(digit).ok()?)?);
            if unit <= high.saturating_sub(low).div_ceil(PRECISION)
                && let Some(point) = self.fit(&text)
            {
                return Some(point);
            }
        }
        None
    }

    /// Between the depth at which the ends differ and the one at which the keys of a page do. Where there is no upper end the first
    /// character is as good as any: either much lies above it, or an end is found.
    fn deep(&self) -> Option<Key> {
        let shallow = self.high.as_ref().map_or(0, |high| common(&self.low, high));
        let deepest = common(&self.first, &self.low).max(shallow);
        let wanted = if self.high.is_some() { usize::midpoint(shallow, deepest) } else { 0 };
        let mut depths: Vec<usize> = (shallow..=deepest).collect();
        let divides = |depth: &usize| self.low.get(*depth).is_some_and(|char| !char.is_alphanumeric());
        depths.sort_by_key(|depth| (divides(depth), depth.abs_diff(wanted)));
        depths.into_iter().find_map(|depth| self.greater_at(depth))
    }

    /// The same beginning as `low`, and then a greater character.
    fn greater_at(&self, depth: usize) -> Option<Key> {
        let here = *self.low.get(depth)?;
        let end = self.high.as_ref().filter(|high| common(&self.low, high) == depth).and_then(|high| high.get(depth));
        let middle = |alphabet: &Alphabet| {
            let rank = alphabet.rank(here) + u32::from(alphabet.has(here));
            let top = end.map_or(alphabet.len(), |end| alphabet.rank(*end));
            alphabet.at(u32::midpoint(rank, top)).filter(|char| *char > here)
        };
        let guesses = [middle(&self.alphabet(depth)), middle(&Alphabet::widest()), char::from_u32(u32::from(here) + 1)];
        guesses.into_iter().flatten().find_map(|char| self.fit(&[&self.low[..depth], &[char]].concat()))
    }

    /// The last resort: any character between the two ends at their first difference.
    fn between(&self) -> Option<Key> {
        let high = self.high.as_ref()?;
        let depth = common(&self.low, high);
        let low = self.low.get(depth).map_or(0, |char| u32::from(*char));
        let char = char::from_u32(u32::midpoint(low, u32::from(*high.get(depth)?)))?;
        self.fit(&[&self.low[..depth], &[char]].concat())
    }

    /// The point, where it lies between the two ends and every store takes it. It is never longer than the keys are.
    fn fit(&self, text: &[char]) -> Option<Key> {
        let inside =
            text.cmp(&self.low[..]) == Ordering::Greater && self.high.as_ref().is_none_or(|high| text.cmp(&high[..]) == Ordering::Less);
        let key = Key::from(text.iter().collect::<String>().as_str());
        (inside && text.len() <= self.low.len().max(1) && is_border(&key)).then_some(key)
    }

    /// The alphabets from this depth down, as far as their numbers can be held.
    fn scale(&self, depth: usize) -> Vec<Alphabet> {
        let mut held = 1;
        let alphabets = (depth..self.low.len().max(depth + 1)).map(|depth| self.alphabet(depth));
        let fits = |alphabet: &Alphabet| {
            held *= u128::from(alphabet.len());
            held <= NUMBER_MAX
        };
        alphabets.take_while(fits).collect()
    }

    fn texts(&self) -> impl Iterator<Item = &[char]> {
        [&self.low, &self.first].into_iter().chain(&self.seen).map(Vec::as_slice)
    }

    /// What characters keys seem to have at this depth: those of the whole word that it stands in, as far as they vary. The first
    /// digit of a hash is the same for a thousand keys, and the later ones show what it may be.
    fn alphabet(&self, depth: usize) -> Alphabet {
        let depth = depth.min(self.low.len().saturating_sub(1));
        let at = |depth: usize| self.texts().filter_map(move |text| text.get(depth).copied());
        let is_word = |depth: &usize| self.low.get(*depth).is_some_and(char::is_ascii_alphanumeric);
        if !is_word(&depth) {
            return Alphabet::of(at(depth));
        }
        let varies = |depth: &usize| self.texts().any(|text| text.get(*depth) != self.low.get(*depth));
        let start = (0..depth).rev().take_while(is_word).last().unwrap_or(depth);
        let word: Vec<usize> = (start..).take_while(is_word).collect();
        let varying: Vec<usize> = word.iter().copied().filter(varies).collect();
        let shown = if varying.is_empty() { word } else { varying };
        Alphabet::of(shown.into_iter().flat_map(at).filter(char::is_ascii_alphanumeric).chain(at(depth)))
    }
}

/// How long the common beginning of two keys is, in characters.
fn common(one: &[char], other: &[char]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

/// The key as a number below the product of all alphabets, by its characters from `depth` on. Between two characters of an
/// alphabet there is nothing.
fn number(key: &[char], depth: usize, scale: &[Alphabet]) -> u128 {
    let (mut number, mut unit) = (0, product(scale));
    for (char, alphabet) in key.iter().skip(depth).zip(scale) {
        unit /= u128::from(alphabet.len());
        number += u128::from(alphabet.rank(*char)) * unit;
        if !alphabet.has(*char) {
            break;
        }
    }
    number
}

fn product(scale: &[Alphabet]) -> u128 {
    scale.iter().map(|alphabet| u128::from(alphabet.len())).product()
}
