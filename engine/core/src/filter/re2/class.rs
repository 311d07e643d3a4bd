//! Character classes and escapes of Go's regular expressions, written as explicit ranges.

use regex::Regex;

use super::{NEVER, RegexpError};

/// Every scalar value.
const ANY: &str = r"[\x{0}-\x{10FFFF}]";

/// The POSIX classes: ASCII only, `[:word:]` included (Go, `regexp/syntax`).
const POSIX: [(&str, &str); 14] = [
    ("alnum", "0-9A-Za-z"),
    ("alpha", "A-Za-z"),
    ("ascii", r"\x{0}-\x{7F}"),
    ("blank", r"\x{9}\x{20}"),
    ("cntrl", r"\x{0}-\x{1F}\x{7F}"),
    ("digit", "0-9"),
    ("graph", r"\x{21}-\x{7E}"),
    ("lower", "a-z"),
    ("print", r"\x{20}-\x{7E}"),
    ("punct", r"\x{21}-\x{2F}\x{3A}-\x{40}\x{5B}-\x{60}\x{7B}-\x{7E}"),
    ("space", r"\x{9}-\x{D}\x{20}"),
    ("upper", "A-Z"),
    ("word", "0-9A-Za-z_"),
    ("xdigit", "0-9A-Fa-f"),
];

/// Translates `[...]` at the start of `text`; gives the class and what follows.
pub(super) fn bracket(text: &str) -> Result<(String, &str), RegexpError> {
    let missing = || RegexpError::new("missing closing ]", text);
    let mut rest = text.strip_prefix('[').ok_or_else(missing)?;
    let negated = rest.starts_with('^');
    if negated {
        rest = rest.get(1..).unwrap_or_default();
    }
    let mut items = String::new();
    let mut first = true;
    loop {
        if let Some(after) = rest.strip_prefix(']').filter(|_| !first) {
            return Ok((written(&items, negated), after));
        }
        first = false;
        if let Some((set, after)) = posix_set(rest)? {
            items.push_str(&set);
            rest = after;
            continue;
        }
        if let Some((set, after)) = escaped_set(rest)? {
            items.push_str(&set);
            rest = after;
            continue;
        }
        let start = rest;
        let (low, after) = class_character(rest).unwrap_or_else(|| Err(missing()))?;
        rest = after;
        let mut high = low;
        if let Some(after) = rest.strip_prefix('-').filter(|after| !after.is_empty() && !after.starts_with(']')) {
            (high, rest) = class_character(after).unwrap_or_else(|| Err(missing()))?;
        }
        if high < low {
            return Err(RegexpError::new("a character range that runs backwards", start));
        }
        push_range(&mut items, low, high);
    }
}

fn written(items: &str, negated: bool) -> String {
    match (items.is_empty(), negated) {
        (true, true) => ANY.to_owned(),
        (true, false) => NEVER.to_owned(),
        (false, true) => format!("[^{items}]"),
        (false, false) => format!("[{items}]"),
    }
}

/// Writes a range without the surrogates, which no text holds and which the `regex` crate refuses.
fn push_range(items: &mut String, low: u32, high: u32) {
    const SURROGATES: std::ops::RangeInclusive<u32> = 0xD800..=0xDFFF;
    let low = if SURROGATES.contains(&low) { SURROGATES.end() + 1 } else { low };
    let high = if SURROGATES.contains(&high) { SURROGATES.start() - 1 } else { high };
    if low == high {
        items.push_str(&format!(r"\x{{{low:X}}}"));
    } else if low < high {
        items.push_str(&format!(r"\x{{{low:X}}}-\x{{{high:X}}}"));
    }
}

/// `[:name:]` or `[:^name:]` inside of brackets.
fn posix_set(text: &str) -> Result<Option<(String, &str)>, RegexpError> {
    let Some((name, rest)) = text.strip_prefix("[:").and_then(|inside| inside.split_once(":]")) else {
        return Ok(None);
    };
    let plain = name.strip_prefix('^').unwrap_or(name);
    let ranges = POSIX.iter().find(|(known, _)| *known == plain).map(|(_, ranges)| *ranges);
    let ranges = ranges.ok_or_else(|| RegexpError::new("an unknown character class", text))?;
    Ok(Some((if plain == name { ranges.to_owned() } else { format!("[^{ranges}]") }, rest)))
}

/// `\d`, `\s`, `\w`, `\pN`, `\p{Name}` and their opposites, as the inside of a class.
pub(super) fn escaped_set(text: &str) -> Result<Option<(String, &str)>, RegexpError> {
    let Some(kind) = text.strip_prefix('\\').and_then(|rest| rest.chars().next()) else {
        return Ok(None);
    };
    let rest = text.get(1 + kind.len_utf8()..).unwrap_or_default();
    let set = match kind {
        'd' => "0-9",
        'D' => "[^0-9]",
        's' => r"\x{9}\x{A}\x{C}\x{D}\x{20}",
        'S' => r"[^\x{9}\x{A}\x{C}\x{D}\x{20}]",
        'w' => "0-9A-Za-z_",
        'W' => "[^0-9A-Za-z_]",
        'p' | 'P' => return unicode_set(text, rest, kind == 'P').map(Some),
        _ => return Ok(None),
    };
    Ok(Some((set.to_owned(), rest)))
}

/// A general category or a script. The `regex` crate knows more kinds of property; Go does not, so the kind is written out.
fn unicode_set<'a>(text: &str, rest: &'a str, negated: bool) -> Result<(String, &'a str), RegexpError> {
    let unknown = || RegexpError::new("an unknown Unicode class", text);
    let (name, rest) = match rest.strip_prefix('{') {
        Some(braced) => braced.split_once('}').ok_or_else(unknown)?,
        None => rest.split_at(rest.chars().next().map_or(0, char::len_utf8)),
    };
    let plain = name.strip_prefix('^').unwrap_or(name);
    let is_name = plain.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '-'));
    let prefixed = plain.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("is"));
    if plain.is_empty() || !is_name || prefixed {
        return Err(unknown());
    }
    let letter = if negated == (plain == name) { 'P' } else { 'p' };
    ["gc", "sc"]
        .into_iter()
        .map(|kind| format!(r"\{letter}{{{kind}={plain}}}"))
        .find(|set| Regex::new(set).is_ok())
        .map(|set| (set, rest))
        .ok_or_else(unknown)
}

/// One character inside of brackets, escaped or not; `None` at the end of the text.
fn class_character(text: &str) -> Option<Result<(u32, &str), RegexpError>> {
    let character = text.chars().next()?;
    if character == '\\' {
        return Some(escaped_character(text));
    }
    Some(Ok((u32::from(character), text.get(character.len_utf8()..).unwrap_or_default())))
}

/// The code point that an escape stands for, and what follows. It can be a surrogate.
pub(super) fn escaped_character(text: &str) -> Result<(u32, &str), RegexpError> {
    let bad = || RegexpError::new("a bad escape", text);
    let kind = text.strip_prefix('\\').and_then(|rest| rest.chars().next());
    let kind = kind.ok_or_else(|| RegexpError::new("a backslash at the end", text))?;
    let rest = text.get(1 + kind.len_utf8()..).unwrap_or_default();
    let code = match kind {
        '0'..='7' => return octal(text, kind).ok_or_else(bad),
        'x' => return hexadecimal(rest).ok_or_else(bad),
        'a' => 0x07,
        't' => 0x09,
        'n' => 0x0A,
        'v' => 0x0B,
        'f' => 0x0C,
        'r' => 0x0D,
        other if other.is_ascii() && !other.is_ascii_alphanumeric() => u32::from(other),
        _ => return Err(bad()),
    };
    Ok((code, rest))
}

/// `\0`, `\012`, `\123`: up to three octal digits. A single one that is not zero would be a back-reference, which RE2 has not.
fn octal(text: &str, first: char) -> Option<(u32, &str)> {
    let digits = text.get(1..)?;
    let end = digits.find(|c: char| !('0'..='7').contains(&c)).unwrap_or(digits.len()).min(3);
    if end == 1 && first != '0' {
        return None;
    }
    let (number, rest) = digits.split_at(end);
    Some((u32::from_str_radix(number, 8).ok()?, rest))
}

/// Behind `\x`: two digits, or any number of them in braces.
fn hexadecimal(text: &str) -> Option<(u32, &str)> {
    let (number, rest) = match text.strip_prefix('{') {
        Some(braced) => braced.split_once('}')?,
        None => text.split_at_checked(2)?,
    };
    if number.is_empty() || !number.chars().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    let code = u32::from_str_radix(number, 16).ok()?;
    (code <= u32::from(char::MAX)).then_some((code, rest))
}
