//! A Rust source file as the rules see it: code without comments and literals, and which lines are test code.
//!
//! A rule that looks for a word must not find it in a comment or a string, and most rules do not bind test code.
//! This is a scanner, not a parser: it knows comments, literals, brackets and attributes, and nothing else of the language.
//! It must never change the number or the length of lines: findings name line numbers.

use std::ops::Range;

/// One file, split into what is code, what is literal, and what is test.
pub(crate) struct Source {
    /// Path below the root, with `/`.
    pub(crate) path: String,
    /// The file as it stands.
    pub(crate) text: String,
    /// The file with comments and the insides of literals replaced by spaces.
    pub(crate) code: String,
    /// The file with comments only replaced by spaces.
    pub(crate) code_and_literals: String,
    test_bytes: Vec<Range<usize>>,
    wholly_test: bool,
}

/// Where the scanner stands.
enum Piece {
    Code,
    Comment,
    Literal,
}

impl Source {
    /// Scans `text`. Whether the whole file is test code is decided by its path: `tests/`, `benches/`, `tests.rs`.
    pub(crate) fn new(path: &str, text: &str) -> Source {
        let (code, code_and_literals) = mask(text);
        let name = path.rsplit('/').next().unwrap_or(path);
        let wholly_test = path.starts_with("tests/")
            || path.starts_with("bench/")
            || path.contains("/tests/")
            || path.contains("/benches/")
            || name == "tests.rs"
            || name.ends_with("_tests.rs")
            || code.contains("#![cfg(test)]");
        let test_bytes = test_ranges(&code);
        Source { path: path.into(), text: text.into(), code, code_and_literals, test_bytes, wholly_test }
    }

    /// Is the byte at `offset` test code?
    pub(crate) fn is_test(&self, offset: usize) -> bool {
        self.wholly_test || self.test_bytes.iter().any(|range| range.contains(&offset))
    }

    /// Marks the whole file as test code: its `mod` item stands under `#[cfg(test)]` in another file.
    pub(crate) fn mark_as_test(&mut self) {
        self.wholly_test = true;
    }

    /// The line number of a byte, counted from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
    }

    /// Names `n` of items `#[cfg(test)] mod n;`: files that are test code though nothing in them says so.
    pub(crate) fn test_modules(&self) -> Vec<String> {
        let mut names = Vec::new();
        for range in &self.test_bytes {
            let item = self.code[range.clone()].trim_end();
            let Some(item) = item.strip_suffix(';') else { continue };
            let mut words = item.rsplit(char::is_whitespace);
            if let (Some(name), Some("mod")) = (words.next(), words.next()) {
                names.push(name.to_owned());
            }
        }
        names
    }

    /// Offsets in `code` where `word` stands alone: no letter, digit or underscore before or after it.
    pub(crate) fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
            let before = self.code[..at].chars().next_back();
            let after = self.code[at + word.len()..].chars().next();
            let edge = |c: Option<char>| c.is_none_or(|c| !is_word(c));
            edge(before) && (edge(after) || !word.ends_with(is_word))
        })
    }

    /// Every identifier with its offset.
    pub(crate) fn identifiers(&self) -> impl Iterator<Item = (usize, &str)> {
        let bytes = self.code.as_bytes();
        let mut at = 0;
        std::iter::from_fn(move || {
            while at < bytes.len() && !is_word(char::from(bytes[at])) {
                at += 1;
            }
            let start = at;
            while at < bytes.len() && is_word(char::from(bytes[at])) {
                at += 1;
            }
            (start < at).then(|| (start, &self.code[start..at]))
        })
        .filter(|(_, word)| !word.starts_with(|c: char| c.is_ascii_digit()))
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Both masked forms of a text: without comments and literals, and without comments only.
fn mask(text: &str) -> (String, String) {
    let bytes = text.as_bytes();
    let mut bare = Vec::with_capacity(bytes.len());
    let mut literal = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let (piece, end) = next_piece(bytes, at);
        for &byte in &bytes[at..end] {
            let blank = if byte == b'\n' { b'\n' } else { b' ' };
            bare.push(if matches!(piece, Piece::Code) { byte } else { blank });
            literal.push(if matches!(piece, Piece::Comment) { blank } else { byte });
        }
        at = end;
    }
    (String::from_utf8_lossy(&bare).into_owned(), String::from_utf8_lossy(&literal).into_owned())
}

/// The piece that starts at `at`, and where it ends.
fn next_piece(bytes: &[u8], at: usize) -> (Piece, usize) {
    let rest = &bytes[at..];
    let word_before = at > 0 && is_word(char::from(bytes[at - 1]));
    if rest.starts_with(b"//") {
        return (Piece::Comment, at + find(rest, b"\n").unwrap_or(rest.len()));
    }
    if rest.starts_with(b"/*") {
        return (Piece::Comment, at + block_comment(rest));
    }
    if rest[0] == b'"' {
        return (Piece::Literal, at + quoted(rest));
    }
    if !word_before
        && matches!(rest[0], b'r' | b'b' | b'c')
        && let Some(length) = raw_or_bytes(rest)
    {
        return (Piece::Literal, at + length);
    }
    if rest[0] == b'\'' {
        return match char_literal(rest) {
            Some(length) => (Piece::Literal, at + length),
            None => (Piece::Code, at + 1),
        };
    }
    (Piece::Code, at + 1)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// Length of a block comment; they nest.
fn block_comment(bytes: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// Length of a literal in double quotes with backslash escapes.
fn quoted(bytes: &[u8]) -> usize {
    let mut at = 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// Length of `r"..."`, `r#"..."#`, `b"..."`, `b'.'`, `br"..."`, `c"..."`, `cr"..."`; none if it is a word.
fn raw_or_bytes(bytes: &[u8]) -> Option<usize> {
    let prefix = bytes.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    let (letters, rest) = bytes.split_at(prefix);
    match (letters, rest.first()?) {
        (b"b" | b"c", b'"') => Some(prefix + quoted(rest)),
        (b"b", b'\'') => char_literal(rest).map(|length| prefix + length),
        (b"r" | b"br" | b"cr", b'"' | b'#') => {
            let hashes = rest.iter().take_while(|byte| **byte == b'#').count();
            if rest.get(hashes) != Some(&b'"') {
                return None;
            }
            let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
            let inner = &rest[hashes + 1..];
            Some(prefix + hashes + 1 + find(inner, &close).map_or(inner.len(), |end| end + close.len()))
        }
        _ => None,
    }
}

/// Length of a character literal; none if the quote starts a lifetime.
fn char_literal(bytes: &[u8]) -> Option<usize> {
    if bytes.get(1) == Some(&b'\\') {
        let escaped = 3;
        return find(bytes.get(escaped..)?, b"'").map(|end| escaped + end + 1);
    }
    let first = std::str::from_utf8(bytes.get(1..bytes.len().min(5))?)
        .map_or_else(|error| bytes.get(1..1 + error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok()), Some)?;
    let width = first.chars().next()?.len_utf8();
    (bytes.get(1 + width) == Some(&b'\'')).then_some(width + 2)
}

/// The bytes of items under `#[cfg(test)]`, `#[test]` and the like.
fn test_ranges(code: &str) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (start, _) in code.match_indices("#[") {
        if ranges.last().is_some_and(|last| last.contains(&start)) {
            continue;
        }
        let end = closing(code, start + 1);
        let attribute: String = code[start + 2..end].chars().filter(|c| !c.is_whitespace()).collect();
        let path = attribute.split('(').next().unwrap_or_default();
        let is_test = attribute.starts_with("cfg(test")
            || attribute.starts_with("cfg(all(test")
            || path == "test"
            || path.ends_with("::test")
            || path == "rstest";
        if is_test {
            ranges.push(start..item_end(code, end + 1));
        }
    }
    ranges
}

/// Where the item ends that starts at `at`: after its block, or after its semicolon. Further attributes are stepped over.
fn item_end(code: &str, at: usize) -> usize {
    let bytes = code.as_bytes();
    let mut at = at;
    while at < bytes.len() {
        match bytes[at] {
            b';' => return at + 1,
            b'{' => return (closing(code, at) + 1).min(bytes.len()),
            b'(' | b'[' => at = closing(code, at) + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The offset of the bracket that closes the one at `open`; the end of the text if none does.
fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::Source;

    fn code(text: &str) -> String {
        Source::new("engine/x/src/a.rs", text).code
    }

    #[test]
    fn comments_and_literals_are_blanked_and_lengths_kept() {
        let text = "let a = \"src // no\"; // unwrap()\n/* x /* y */ z */ let b = 'c'; fn f<'a>(x: &'a str) {}";
        let masked = code(text);
        assert_eq!(masked.len(), text.len());
        assert!(!masked.contains("src") && !masked.contains("unwrap") && !masked.contains('z'));
        assert!(masked.contains("fn f<'a>(x: &'a str) {}"), "{masked}");
    }

    #[test]
    fn raw_and_byte_literals_are_blanked() {
        let masked = code("a(r#\"x \" y\"#, b\"z\", br\"w\", b'\\'', '\\u{1F600}', '\u{e9}', c\"v\"); for r in row {}");
        for word in ["x", "y", "z", "w\"", "v"] {
            assert!(!masked.contains(word), "{word}: {masked}");
        }
        assert!(masked.ends_with("for r in row {}"), "{masked}");
    }

    #[test]
    fn test_items_are_known() {
        let text = "fn a() {}\n#[cfg(test)]\n#[allow(x)]\nmod tests {\n fn b() { [1]; }\n}\nfn c() {}\n#[tokio::test(start_paused = true)]\nasync fn d() {}\n";
        let source = Source::new("engine/x/src/a.rs", text);
        let at = |name: &str| text.find(name).unwrap_or_default();
        assert!(!source.is_test(at("fn a")) && source.is_test(at("fn b")));
        assert!(!source.is_test(at("fn c")) && source.is_test(at("fn d")));
    }

    #[test]
    fn test_modules_in_files_of_their_own_are_known() {
        let source = Source::new("engine/x/src/a.rs", "#[cfg(test)]\nmod samples;\nmod real;");
        assert_eq!(source.test_modules(), ["samples"]);
        assert!(Source::new("engine/x/src/a/tests.rs", "").is_test(0));
    }

    #[test]
    fn words_stand_alone() {
        let source = Source::new("engine/x/src/a.rs", "todo!(); my_todo!(); x.unwrap(); x.unwrap_or(1);");
        assert_eq!(source.words("todo!").count(), 1);
        assert_eq!(source.words("unwrap").count(), 1);
    }
}
