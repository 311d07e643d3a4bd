//! What the filter promises, beside the cases that were recorded from rclone (`tests/recorded_filters.rs`).

#![allow(clippy::unwrap_used)]

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::units::Age;

fn rules(text: &str) -> Filter {
    Filter::from_rules("rules.txt", text.as_bytes(), Case::Exact).unwrap()
}

fn sees(filter: &Filter, key: &[u8]) -> bool {
    filter.includes(key, 1, None)
}

#[test]
fn the_first_rule_that_matches_decides() {
    let filter = rules("- secret*.jpg\n+ *.jpg\n+ *.png\n- *\n");
    assert!(sees(&filter, b"a/b.jpg"));
    assert!(sees(&filter, b"b.png"));
    assert!(!sees(&filter, b"a/secret1.jpg"));
    assert!(!sees(&filter, b"a/b.txt"));
}

#[test]
fn an_excluded_directory_hides_what_a_later_rule_would_include() {
    let filter = rules("- /a/**\n+ /a/b/keep.txt\n");
    assert_eq!(filter.hides(b"a/b/keep.txt", 1, None), Some(Hidden::Directory));
    assert_eq!(filter.hidden_directory(b"a/b/keep.txt"), Some(&b"a/"[..]));
    assert!(!filter.may_contain(b"a/b/"));
    assert!(filter.may_contain(b"a"));
    assert!(sees(&filter, b"b/keep.txt"));
}

#[test]
fn odd_keys_belong_to_the_directories_that_a_walk_would_show() {
    let filter = rules("- a/\n");
    for hidden in [&b"a//b"[..], b"a/", b"x/a//b", b"//a/b", b"a/\xff"] {
        assert!(!sees(&filter, hidden), "{hidden:?}");
    }
    for seen in [&b"a"[..], b"/b", b"//", b"", b"ab/c"] {
        assert!(sees(&filter, seen), "{seen:?}");
    }
    assert_eq!(directory(b"//a//"), b"a/");
    assert_eq!(directory(b"//"), b"/");
    assert_eq!(directory(b"a/b/"), b"a/b/");
}

#[test]
fn stray_bytes_match_as_one_replacement_character_each() {
    let filter = rules("+ ??\n- *\n");
    assert!(sees(&filter, b"\xe3\x80"));
    assert!(sees(&filter, b"\xff\xc3\xa9"));
    assert!(!sees(&filter, b"\xff"));
    assert!(!sees(&filter, b"\xf0\x9f\x98"));
}

#[test]
fn control_characters_are_matched_by_their_pictures() {
    assert!(!sees(&rules("- /**\n"), b"a\nb"));
    assert!(!sees(&rules("- a/**\n"), b"a/x\ny/z"));
    assert!(sees(&rules("- *\\t*\n- *[[:cntrl:]]*\n"), b"a\tb"));
    assert!(!sees(&rules("- *␉*\n"), b"a\tb"));
    assert!(sees(&rules("- .\n- ./\n- ../**\n"), b"./../."), "dot segments are spelt full width");
}

#[test]
fn errors_name_the_file_the_line_and_the_cause() {
    let error = Filter::from_rules("rules.txt", b"# fine\n+ a\n+ b[\n", Case::Exact).unwrap_err();
    assert_eq!(error.to_string(), "bad filter rule \"+ b[\" (--filter-from rules.txt, line 3)");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "`[` without `]`; write `\\[` for the character itself");
    let options = FilterOptions { include: vec!["[a--b]".to_owned()], ..FilterOptions::default() };
    let error = options.build(Timestamp::UNIX_EPOCH).unwrap_err();
    assert_eq!(error.to_string(), "bad filter rule \"[a--b]\" (--include)");
    assert!(Filter::from_rules("f", b"a.jpg", Case::Exact).is_err());
    let unset = FilterOptions { include: vec![String::new()], ..FilterOptions::default() };
    assert_eq!(unset.build(Timestamp::UNIX_EPOCH).unwrap_err().to_string(), "bad filter rule \"\" (--include)");
    assert!(Filter::from_rules("f", b"+ a[/]b", Case::Exact).is_err());
}

#[test]
fn sizes_include_both_ends() {
    let options = FilterOptions { min_size: Some(2), max_size: Some(3), ..FilterOptions::default() };
    let filter = options.build(Timestamp::UNIX_EPOCH).unwrap();
    let seen: Vec<bool> = (1..=4).map(|size| filter.includes(b"a", size, None)).collect();
    assert_eq!(seen, [false, true, true, false]);
}

#[test]
fn ages_include_both_ends_and_hide_what_has_none() {
    let now: Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
    let ago = |seconds| now - SignedDuration::from_secs(seconds);
    let age = |seconds| Some(Age::Ago(SignedDuration::from_secs(seconds)));
    let options = FilterOptions { min_age: age(10), max_age: age(20), ..FilterOptions::default() };
    let filter = options.build(now).unwrap();
    let seen: Vec<bool> = [9, 10, 20, 21].into_iter().map(|s| filter.includes(b"a", 1, Some(ago(s)))).collect();
    assert_eq!(seen, [false, true, true, false]);
    assert_eq!(filter.hides(b"a", 1, None), Some(Hidden::Age));
    let crossed = FilterOptions { min_age: age(20), max_age: age(10), ..FilterOptions::default() };
    assert_eq!(crossed.build(now).unwrap_err(), FilterError::AgesCross);
}

#[test]
fn listed_files_are_exact_sorted_and_alone() {
    let list = RuleFile::new("list.txt", &b"# c\n/b/a.txt\n  a \n\xff/\nb/a.txt\n"[..]);
    let options = FilterOptions { files_from: vec![list], case: Case::Ignore, ..FilterOptions::default() };
    let filter = options.build(Timestamp::UNIX_EPOCH).unwrap();
    let files: Vec<&[u8]> = filter.files().unwrap().collect();
    assert_eq!(files, [&b"a"[..], b"b/a.txt", b"\xff"]);
    assert!(sees(&filter, b"b/a.txt"));
    assert_eq!(filter.hides(b"b/A.txt", 1, None), Some(Hidden::NotListed));
    assert!(filter.may_contain(b"b/") && !filter.may_contain(b"c"));

    let mixed = FilterOptions { exclude: vec!["x".to_owned()], ..options.clone() };
    assert_eq!(mixed.build(Timestamp::UNIX_EPOCH).unwrap_err(), FilterError::FilesFromNotAlone { option: "--files-from" });
    let cleared = FilterOptions { filter: vec!["- x".to_owned(), "!".to_owned()], ..options };
    assert!(cleared.build(Timestamp::UNIX_EPOCH).is_ok());
}

#[test]
fn thousands_of_rules_keep_their_order_and_their_meaning() {
    let mut text = String::new();
    for n in 0..3000 {
        text.push_str(&format!("{} f{n}.txt\n", if n % 1000 < 900 { "-" } else { "+" }));
    }
    text.push_str("- f*\n- f5.txt\n");
    let filter = rules(&text);
    assert!(!sees(&filter, b"d/f5.txt"));
    assert!(sees(&filter, b"d/f1950.txt"));
    assert!(!sees(&filter, b"f3000.txt"));
    assert!(sees(&filter, b"g"));
    assert_eq!(filter.dump().0.len(), 3001);
}

#[test]
fn a_pattern_that_is_too_large_is_refused_by_name() {
    let error = Filter::from_rules("f", br"- {{(\pL{1000}){1}(\pL{1000}\pL{1000}\pL{1000}){1}}}", Case::Exact).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"bad filter rule "- {{(\\pL{1000}){1}(\\pL{1000}\\pL{1000}\\pL{1000}){1}}}" (--filter-from f, line 1)"#
    );
    let deep = format!("- {}a{}", "{b,".repeat(400), "}".repeat(400));
    assert!(Filter::from_rules("f", deep.as_bytes(), Case::Exact).is_err());
}

#[test]
fn an_empty_filter_hides_nothing() {
    assert!(Filter::default().is_empty());
    assert!(sees(&Filter::default(), b"any\nthing\xff"));
    assert!(!rules("- a").is_empty());
}

proptest! {
    #[test]
    fn no_rule_file_panics(contents in proptest::collection::vec(prop_oneof![any::<u8>(), proptest::sample::select(&b"+- *?[]{}\\/.,a!\n\n"[..])], 0..40)) {
        if let Ok(filter) = Filter::from_rules("f", &contents, Case::Ignore) {
            filter.includes(&contents, 0, None);
        }
    }

    #[test]
    fn every_accepted_expression_compiles(regexp in r"[ab(){}\[\]|*+?.^$\\,:<>0-9iPdwpLQEAzb-]{0,16}") {
        if let Ok(translated) = re2::translate(&regexp) {
            let compiled = regex::bytes::RegexBuilder::new(&translated).size_limit(64 << 20).build();
            prop_assert!(compiled.is_ok(), "{} became {}: {:?}", regexp, translated, compiled);
        }
    }

    #[test]
    fn plain_names_match_themselves_at_any_depth(name in "[a-z0-9é_-][a-z0-9 é_-]{0,7}", above in "([a-z]{1,3}/){0,3}") {
        let filter = Filter::from_rules("f", format!("- {name}\n").as_bytes(), Case::Exact).unwrap();
        let key = format!("{above}{}", name.trim_end());
        prop_assert!(!sees(&filter, key.as_bytes()));
        let other = format!("{key}-");
        prop_assert!(sees(&filter, other.as_bytes()));
    }

    #[test]
    fn may_contain_never_hides_a_visible_key(
        text in "([+-] /?(a|b|\\*|\\*\\*|a/\\*\\*|b/|a/b)\n){0,5}",
        key in "(a|b|c)(/(a|b|c)){0,3}",
        cut in 0usize..8,
    ) {
        let filter = rules(&text);
        let prefix = key.as_bytes().get(..cut).unwrap_or(key.as_bytes());
        prop_assert!(!sees(&filter, key.as_bytes()) || filter.may_contain(prefix));
    }
}
