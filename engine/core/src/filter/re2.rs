//! From Go's regular expressions (RE2) to those of the `regex` crate.
//!
//! Both are RE2 by descent and differ in detail: Go's `\d`, `\s`, `\w` and `\b` know ASCII only, `\Q...\E` quotes, a
//! brace that counts nothing is a character, counts end at 1,000, a class has no `&&`; the crate accepts stacked
//! operators and flags that Go refuses. So the expression is parsed by Go's rules ("RE2 regular expression syntax",
//! package `regexp/syntax`) and written anew in the common core: every character as itself or as `\x{...}`, every class as ranges.
//! Only the yes or no of a match is kept: groups do not capture, and greed is dropped.
//!
//! What Go refuses is refused here. What differs: names in `\p{...}` may also be the short script names of Unicode, and the size of
//! an expression is limited (see `PROGRAM_BYTES_MAX` and `NESTING_MAX` of the rule set).

mod class;

use std::collections::HashSet;

/// Largest count of one `{n,m}`, and of nested ones multiplied (Go, `regexp/syntax`).
const REPEAT_MAX: u32 = 1_000;

/// A group that never matches: no character is outside of the whole range.
const NEVER: &str = r"[^\x{0}-\x{10FFFF}]";

/// What is wrong with a regular expression, and where it begins to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at `{near}`")]
pub struct RegexpError {
    problem: &'static str,
    near: String,
}

impl RegexpError {
    fn new(problem: &'static str, near: &str) -> Self {
        Self { problem, near: near.chars().take(24).collect() }
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Flags {
    /// `i`
    fold_case: bool,
    /// `m`
    multi_line: bool,
    /// `s`
    dot_newline: bool,
}

impl Flags {
    fn write(self, out: &mut String) {
        let all = [(self.fold_case, 'i'), (self.multi_line, 'm'), (self.dot_newline, 's')];
        out.extend(all.iter().filter(|(on, _)| *on).map(|(_, letter)| letter));
        if all.iter().any(|(on, _)| !on) {
            out.push('-');
            out.extend(all.iter().filter(|(on, _)| !on).map(|(_, letter)| letter));
        }
    }
}

/// What must be restored when a group closes.
struct Group {
    flags: Flags,
    written: Flags,
    weight: u32,
}

struct Translator<'a> {
    rest: &'a str,
    out: String,
    /// The flags in force, and those that `out` says so far: flags are written before the next atom, never on their
    /// own, because Go lets an operator behind `(?i)` count what stands before it.
    flags: Flags,
    written: Flags,
    groups: Vec<Group>,
    names: HashSet<&'a str>,
    /// The counts inside of the last atom, multiplied; `None` where there is no atom to repeat.
    operand: Option<u32>,
    /// The largest weight seen in the group that is open.
    weight: u32,
    after_repeat: bool,
}

/// Translates an expression of Go's syntax. The result matches the same valid UTF-8 texts.
pub fn translate(regexp: &str) -> Result<String, RegexpError> {
    let mut translator = Translator {
        rest: regexp,
        out: String::with_capacity(regexp.len() * 2),
        flags: Flags::default(),
        written: Flags::default(),
        groups: Vec::new(),
        names: HashSet::new(),
        operand: None,
        weight: 1,
        after_repeat: false,
    };
    while let Some(character) = translator.rest.chars().next() {
        translator.step(character)?;
    }
    if translator.groups.is_empty() { Ok(translator.out) } else { Err(RegexpError::new("missing closing )", regexp)) }
}

impl<'a> Translator<'a> {
    fn step(&mut self, character: char) -> Result<(), RegexpError> {
        let after_repeat = std::mem::take(&mut self.after_repeat);
        match character {
            '(' if self.rest.starts_with("(?") => self.perl_group(),
            '(' => {
                self.skip(1);
                self.open(self.flags);
                Ok(())
            }
            ')' => self.close(),
            '|' => {
                self.skip(1);
                self.out.push('|');
                self.operand = None;
                Ok(())
            }
            '^' | '$' | '.' => {
                self.skip(1);
                self.atom(character.encode_utf8(&mut [0; 4]));
                Ok(())
            }
            '[' => self.bracket(),
            '*' | '+' | '?' => {
                let before = self.rest;
                self.skip(1);
                let operator = character.encode_utf8(&mut [0; 4]).to_owned();
                self.repeat(before, &operator, 1, after_repeat)
            }
            '{' => self.counted(after_repeat),
            '\\' => self.escape(),
            other => {
                self.skip(other.len_utf8());
                self.literal(u32::from(other));
                Ok(())
            }
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn atom(&mut self, text: &str) {
        if self.written != self.flags {
            self.out.push_str("(?");
            self.flags.write(&mut self.out);
            self.out.push(')');
            self.written = self.flags;
        }
        self.out.push_str(text);
        self.operand = Some(1);
    }

    fn literal(&mut self, code: u32) {
        match char::from_u32(code) {
            Some(plain) if plain.is_ascii_alphanumeric() || plain == '/' => self.atom(plain.encode_utf8(&mut [0; 4])),
            Some(_) => self.atom(&format!(r"\x{{{code:X}}}")),
            // A surrogate: no valid text holds one.
            None => self.atom(NEVER),
        }
    }

    fn open(&mut self, inside: Flags) {
        self.groups.push(Group { flags: self.flags, written: self.written, weight: self.weight });
        self.out.push_str("(?:");
        self.flags = inside;
        self.weight = 1;
        self.operand = None;
    }

    fn close(&mut self) -> Result<(), RegexpError> {
        let Some(group) = self.groups.pop() else {
            return Err(RegexpError::new("unexpected )", self.rest));
        };
        self.skip(1);
        self.out.push(')');
        self.operand = Some(self.weight);
        self.flags = group.flags;
        self.written = group.written;
        self.weight = group.weight.max(self.weight);
        Ok(())
    }

    fn repeat(&mut self, before: &str, operator: &str, factor: u32, after_repeat: bool) -> Result<(), RegexpError> {
        if self.rest.starts_with('?') {
            self.skip(1);
        }
        if after_repeat {
            return Err(RegexpError::new("a repetition operator behind another", before));
        }
        let Some(inner) = self.operand else {
            return Err(RegexpError::new("nothing to repeat", before));
        };
        let weight = inner.saturating_mul(factor);
        if weight > REPEAT_MAX {
            return Err(RegexpError::new("a repeat count above 1000", before));
        }
        self.out.push_str(operator);
        self.operand = Some(weight);
        self.weight = self.weight.max(weight);
        self.after_repeat = true;
        Ok(())
    }

    /// `{n}`, `{n,}` or `{n,m}`; any other brace is a character.
    fn counted(&mut self, after_repeat: bool) -> Result<(), RegexpError> {
        let before = self.rest;
        let Some((min, max, rest)) = count(before) else {
            self.skip(1);
            self.literal(u32::from('{'));
            return Ok(());
        };
        let fits = |n: u32| n <= REPEAT_MAX;
        if !fits(min) || max.is_some_and(|max| !fits(max) || max < min) {
            return Err(RegexpError::new("a repeat count that is wrong or above 1000", before));
        }
        self.rest = rest;
        let operator = match max {
            Some(max) => format!("{{{min},{max}}}"),
            None => format!("{{{min},}}"),
        };
        self.repeat(before, &operator, max.unwrap_or(min).max(1), after_repeat)
    }

    /// `(?flags)`, `(?flags:`, `(?P<name>` and `(?<name>`.
    fn perl_group(&mut self) -> Result<(), RegexpError> {
        let start = self.rest;
        let name_at = ["(?P<", "(?<"].into_iter().find_map(|opening| start.strip_prefix(opening));
        if let Some(named) = name_at.filter(|rest| !rest.is_empty()) {
            let (name, rest) = named.split_once('>').ok_or_else(|| RegexpError::new("an unfinished group name", start))?;
            let is_word = !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
            if !is_word || !self.names.insert(name) {
                return Err(RegexpError::new("a bad or repeated group name", start));
            }
            self.rest = rest;
            self.open(self.flags);
            return Ok(());
        }
        self.skip(2);
        let mut flags = self.flags;
        let mut turn_on = true;
        let mut seen = false;
        loop {
            let Some(character) = self.rest.chars().next() else {
                return Err(RegexpError::new("missing closing )", start));
            };
            self.skip(character.len_utf8());
            match character {
                'i' => flags.fold_case = turn_on,
                'm' => flags.multi_line = turn_on,
                's' => flags.dot_newline = turn_on,
                'U' => {}
                '-' if turn_on => {
                    turn_on = false;
                    seen = false;
                    continue;
                }
                ':' if turn_on || seen => {
                    self.open(flags);
                    return Ok(());
                }
                ')' if turn_on || seen => {
                    self.flags = flags;
                    return Ok(());
                }
                _ => return Err(RegexpError::new("an unknown flag or group", start)),
            }
            seen = true;
        }
    }

    fn escape(&mut self) -> Result<(), RegexpError> {
        let start = self.rest;
        let kind = start.get(1..).and_then(|rest| rest.chars().next());
        match kind {
            Some('A' | 'z') => {
                self.skip(2);
                self.atom(start.get(..2).unwrap_or_default());
            }
            Some('b' | 'B') => {
                self.skip(2);
                let boundary = format!("(?-u:{})", start.get(..2).unwrap_or_default());
                self.atom(&boundary);
            }
            Some('Q') => {
                let quoted = start.get(2..).unwrap_or_default();
                let (text, rest) = quoted.split_once(r"\E").unwrap_or((quoted, ""));
                text.chars().for_each(|character| self.literal(u32::from(character)));
                self.rest = rest;
            }
            _ => {
                if let Some((set, rest)) = class::escaped_set(start)? {
                    self.atom(&format!("[{set}]"));
                    self.rest = rest;
                } else {
                    let (code, rest) = class::escaped_character(start)?;
                    self.literal(code);
                    self.rest = rest;
                }
            }
        }
        Ok(())
    }

    fn bracket(&mut self) -> Result<(), RegexpError> {
        let (text, rest) = class::bracket(self.rest)?;
        self.atom(&text);
        self.rest = rest;
        Ok(())
    }
}

/// Reads a count at the opening brace: the least, the most (`None`: no end), and what follows.
fn count(text: &str) -> Option<(u32, Option<u32>, &str)> {
    let (min, rest) = count_number(text.strip_prefix('{')?)?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((min, Some(min), rest));
    }
    let rest = rest.strip_prefix(',')?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((min, None, rest));
    }
    let (max, rest) = count_number(rest)?;
    Some((min, Some(max), rest.strip_prefix('}')?))
}

/// A number without leading zeros; one that does not fit is `u32::MAX`.
fn count_number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    Some((digits.parse().unwrap_or(u32::MAX), rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn matches(regexp: &str, text: &str) -> bool {
        regex::bytes::Regex::new(&translate(regexp).unwrap()).unwrap().is_match(text.as_bytes())
    }

    #[test]
    fn go_and_this_translation_accept_the_same_texts() {
        for (regexp, yes, no) in [
            (r"^\d$", "7", "\u{665}"),
            (r"^\w$", "_", "\u{e9}"),
            (r"^\s$", "\u{c}", "\u{b}"),
            (r"^\S$", "\u{b}", " "),
            (r"^\W\D$", "\u{e9}\u{665}", "a1"),
            (r"\bcat\b", "\u{e9}cat!", "cats"),
            (r"^\Qa.b*\E+$", "a.b**", "axb*"),
            (r"^a{,2}$", "a{,2}", "aa"),
            (r"^a{2,}$", "aaa", "a"),
            (r"^a{01}$", "a{01}", "a"),
            (r"^x{2}$", "xx", "x"),
            (r"^{$", "{", "{{"),
            (r"^]}$", "]}", "]"),
            (r"^a(?i)*b$", "aaB", "Ab"),
            (r"^(?i:a)b$", "Ab", "AB"),
            (r"^(?i)a(?-i)b$", "Ab", "AB"),
            (r"^(?ii)a(?)B$", "ab", "c"),
            (r"^(?s).$", "\n", "ab"),
            (r"^.$", "a", "\n"),
            (r"(?m)^b$", "a\nb\nc", "ab"),
            (r"^(?P<n>a)(?<m>b)$", "ab", "a"),
            (r"^[[:^digit:]][[:alpha:]\d-]$", "x-", "1a"),
            (r"^[]a]$", "]", "b"),
            (r"^[^]a]$", "b", "]"),
            (r"^[a&&b]$", "&", "c"),
            (r"^[a~~b]$", "~", "-"),
            (r"^[\x41-\x{43}\101]$", "B", "D"),
            (r"^\x{1F600}\060\a$", "\u{1f600}0\u{7}", "0"),
            (r"^[\x{D7FF}-\x{E000}]$", "\u{e000}", "\u{e001}"),
            (r"^(\x{D800}|b)$", "b", "\u{fffd}"),
            (r"^[^\x{D800}]$", "a", "ab"),
            (r"^\pL\p{Greek}\p{^Lu}\P{Lu}$", "\u{e9}\u{3b1}aa", "1aaa"),
            (r"^\p{Letter}\p{uppercase_letter}$", "aB", "ab"),
            (r"^(?i)\W$", "!", "\u{212a}"),
            (r"^(?U)a+?$", "aa", "b"),
            (r"^\#\ \-\_$", "# -_", "#"),
            (r"^*a$", "a", "b"),
            (r"^()*a$", "a", "b"),
            (r"^a*\Q\E*$", "aa", "b"),
        ] {
            assert!(matches(regexp, yes), "{regexp} must match {yes:?}: {}", translate(regexp).unwrap());
            assert!(!matches(regexp, no), "{regexp} must not match {no:?}: {}", translate(regexp).unwrap());
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for regexp in [
            "(",
            ")",
            "a)",
            "(a",
            "[",
            "[a",
            "[]",
            "[^]",
            "*",
            "|*",
            "(*)",
            "a**",
            "a+*",
            "a{2}{3}",
            "a*{2}",
            "(?i)*",
            "a{1001}",
            "a{2,1}",
            "a{1,1001}",
            "a{999999999999}",
            "(a{100}){11}",
            "((a{10}){10}){11}",
            r"\",
            r"\C",
            r"\Z",
            r"\8",
            r"\1",
            r"\_\é",
            r"\y",
            r"\x",
            r"\x4",
            r"\xg1",
            r"\x{}",
            r"\x{110000}",
            r"\x{41",
            r"\p",
            r"\p{",
            r"\p{Nope}",
            r"\p{Alphabetic}",
            r"\p{gc=L}",
            r"\p{IsGreek}",
            "[[:nope:]]",
            "[b-a]",
            "[a--b]",
            r"[a-\d]",
            r"[\",
            "(?x)a",
            "(?u)a",
            "(?-)a",
            "(?i-:a)",
            "(?--i)a",
            "(?",
            "(?i",
            "(?P<>a)",
            "(?P<a",
            "(?P=a)",
            "(?P<a>)(?P<a>)",
            "(?<a-b>)",
            "(?=a)",
            "(?!a)",
            "(?<=a)",
            "(?#c)",
            "(?>a)",
        ] {
            assert!(translate(regexp).is_err(), "{regexp} gave {:?}", translate(regexp));
        }
    }
}
