//! rclone's filter language: a file of rules up to the first NUL byte, then keys, each up to the next.
//!
//! Beyond not panicking: all questions to a filter agree with each other; comments and line ends change nothing; the first
//! rule that matches alone decides, however rules are packed into expressions; a name that is written out matches itself only.
#![no_main]

use brigade_core::filter::{Case, Filter, FilterOptions, Hidden};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

/// Keys and rules that are looked at one by one: each rule is compiled again for it.
const KEYS_MAX: usize = 6;
const RULES_MAX: usize = 6;

fuzz_target!(|data: &[u8]| {
    let mut pieces = data.split(|byte| *byte == 0);
    let rules = pieces.next().unwrap_or_default();
    let keys: Vec<&[u8]> = pieces.take(KEYS_MAX).collect();
    let case = if rules.len() % 2 == 0 { Case::Exact } else { Case::Ignore };
    match Filter::from_rules("rules", rules, case) {
        Ok(filter) => {
            keys.iter().for_each(|key| answers_agree(&filter, key));
            other_line_ends_change_nothing(rules, case, &filter);
            first_match_decides(rules, case, &filter, &keys);
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "an error is one line"),
    }
    keys.iter().filter_map(|key| std::str::from_utf8(key).ok()).for_each(a_name_matches_itself);
});

fn answers_agree(filter: &Filter, key: &[u8]) {
    let hidden = filter.hides(key, 0, None);
    assert_eq!(filter.includes(key, 0, None), hidden.is_none());
    assert_eq!(filter.includes_key(key), hidden.is_none());
    assert!(filter.includes_size_and_age(u64::MAX, None), "no rule speaks of size or age");
    assert!(hidden.is_none() || !filter.is_empty());
    let directory = filter.hidden_directory(key);
    assert_eq!(directory.is_some(), hidden == Some(Hidden::Directory));
    if let Some(directory) = directory {
        assert!(key.starts_with(directory) && directory.ends_with(b"/"));
        assert!(!filter.may_contain(directory));
        assert!(!filter.includes_key(&[directory, b"x"].concat()), "a hidden directory hides everything below it");
    }
    if hidden.is_none() {
        let mut prefixes = (0..=key.len()).map(|end| &key[..end]);
        assert!(prefixes.all(|prefix| filter.may_contain(prefix)), "a key that is seen may be in each of its prefixes");
    }
}

fn other_line_ends_change_nothing(rules: &[u8], case: Case, filter: &Filter) {
    let mut other = Vec::new();
    for line in rules.split(|byte| *byte == b'\n') {
        other.extend_from_slice(b"# a comment\r\n\r\n \t");
        other.extend_from_slice(line);
        other.extend_from_slice(b" \r\n");
    }
    let other = Filter::from_rules("other", &other, case).expect("the same rules compile");
    assert_eq!(other.dump(), filter.dump());
}

/// Judges keys without directories by compiling each rule alone.
fn first_match_decides(rules: &[u8], case: Case, filter: &Filter, keys: &[&[u8]]) {
    let lines: Vec<&[u8]> = rules.split(|byte| *byte == b'\n').collect();
    if lines.len() > RULES_MAX {
        return;
    }
    for key in keys.iter().filter(|key| !key.contains(&b'/')) {
        let mut verdict = None;
        for line in &lines {
            if String::from_utf8_lossy(line).trim() == "!" {
                verdict = None;
            } else if verdict.is_none() {
                verdict = verdict_alone(line, case, key);
            }
        }
        assert_eq!(filter.includes_key(key), verdict.unwrap_or(true), "{:?}", String::from_utf8_lossy(key));
    }
}

/// Whether a rule that matches the key includes it; `None` where it does not match.
fn verdict_alone(line: &[u8], case: Case, key: &[u8]) -> Option<bool> {
    let alone = Filter::from_rules("alone", line, case).expect("each rule compiles alone");
    let (files, _) = alone.dump();
    let rule = files.first()?;
    if rule.starts_with('-') {
        return (!alone.includes_key(key)).then_some(false);
    }
    let only = Filter::from_rules("only", &[line, b"\n- **"].concat(), case).expect("a rule compiles before another");
    only.includes_key(key).then_some(true)
}

/// A key with all that is special to globs quoted is a rule for this key and no other.
fn a_name_matches_itself(key: &str) {
    let dotted = key.split('/').any(|segment| matches!(segment, "." | ".."));
    // Rules see control characters, `‛` and their kin in rclone's own spelling, and cannot name a directory as a file.
    if dotted || key.is_empty() || key.ends_with('/') || key.bytes().any(|byte| byte.is_ascii_control() || matches!(byte, 0xE2 | 0xEF)) {
        return;
    }
    let mut glob = String::from("/");
    for character in key.chars() {
        if matches!(character, '\\' | '*' | '?' | '[' | ']' | '{' | '}') {
            glob.push('\\');
        }
        glob.push(character);
    }
    // White space at the end of the last value would be cut off, as rclone does.
    let options = FilterOptions { exclude: vec![glob, "/never".into()], ..FilterOptions::default() };
    let filter = options.build(Timestamp::UNIX_EPOCH).expect("a quoted name is a glob");
    assert_eq!(filter.hides(key.as_bytes(), 0, None), Some(Hidden::Path), "{key:?} by {:?}", filter.dump());
    for other in [format!("{key}x"), format!("x{key}")] {
        assert!(filter.includes_key(other.as_bytes()) || other == "never", "{other:?} by {:?}", filter.dump());
    }
}
