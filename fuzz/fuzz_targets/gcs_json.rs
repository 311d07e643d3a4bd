//! The JSON API of GCS: listing pages and error bodies.
//!
//! Beyond not panicking: no cut or doubled page is read; names come back byte for byte and in order, less exactly the prefix;
//! a name outside of the prefix fails the page; what reaches an error message is one bounded line.
#![no_main]

use brigade_core::Entry;
use brigade_fuzz::{assert_harmless, assert_readable, assert_whole, text_keys};
use brigade_gcs::{parse_error, parse_list_page};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

fuzz_target!(|data: &[u8]| {
    any_page(data);
    names_come_back(&text_keys(data));
    let body = parse_error(data);
    for text in [body.code, body.message].into_iter().flatten() {
        assert_harmless(&text);
    }
});

fn any_page(data: &[u8]) {
    assert_whole(data, |document| parse_list_page(document, b"").ok().map(|page| (page.entries, page.next)));
    let page = match parse_list_page(data, b"") {
        Ok(page) => page,
        Err(error) => return assert_readable(&error.message),
    };
    assert_ne!(page.next.as_deref(), Some(""), "an empty token is the end");
    assert!(page.entries.iter().all(|entry| entry.identity.as_generation().is_some()), "every object has its generation");
    let Some(first) = page.entries.first() else { return };
    let prefix = &first.key.as_bytes()[..first.key.len() / 2];
    let expected: Option<Vec<&[u8]>> = page.entries.iter().map(|entry| entry.key.as_bytes().strip_prefix(prefix)).collect();
    match (parse_list_page(data, prefix), expected) {
        (Ok(below), Some(expected)) => assert!(below.entries.iter().map(key).eq(expected)),
        (Err(error), None) => assert_readable(&error.message),
        (below, expected) => panic!("with the prefix {prefix:?}: {below:?} instead of {expected:?}"),
    }
}

fn names_come_back(names: &[&str]) {
    let items: Vec<_> = names
        .iter()
        .zip(0_u64..)
        .map(|(name, number)| match number % 2 {
            // As GCS writes numbers, and as some emulators do.
            0 => json!({"name": name, "generation": number.to_string(), "size": u64::MAX.to_string()}),
            _ => json!({"size": u64::MAX, "generation": number, "name": name, "metadata": {*name: null, "k": name}}),
        })
        .collect();
    let body = json!({"kind": "storage#objects", "items": items, "nextPageToken": names.first()}).to_string();
    let page = parse_list_page(body.as_bytes(), b"").expect("a right page is read");
    assert!(page.entries.iter().map(key).eq(names.iter().map(|name| name.as_bytes())));
    for (entry, number) in page.entries.iter().zip(0..) {
        assert_eq!((entry.size, entry.identity.as_generation()), (u64::MAX, Some(number)));
    }
    assert_eq!(page.next.as_deref(), names.first().copied().filter(|token| !token.is_empty()));
}

fn key(entry: &Entry) -> &[u8] {
    entry.key.as_bytes()
}
