//! What people type and what goes into URIs: locations, sizes, rates, durations, ages, keys in paths and queries.
//!
//! Beyond not panicking: what was parsed prints as something that parses to the same; a key in a URI is the same bytes on
//! the other side; numbers are exact or refused, never wrapped.
#![no_main]

use brigade_core::Location;
use brigade_core::location::{Overlap, Place, overlap};
use brigade_core::units::{Age, parse_age, parse_duration, parse_rate, parse_size, parse_size_limit};
use brigade_fuzz::keys;
use brigade_http::uri::{absolute, encode_pairs, encode_path, encode_segment};
use http::uri::{Authority, PathAndQuery, Scheme};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;

/// Bytes of a path that `http` carries; it refuses more than 64 KiB less one.
const PATH_BYTES_MAX: usize = 16 * 1024;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        location(text);
        sizes(text);
        times(text);
        query(text);
    }
    path(data);
    places(&keys(data));
});

fn location(text: &str) {
    let Ok(location) = Location::parse(text) else { return };
    assert_eq!(Location::parse(&location.to_string()).as_ref(), Ok(&location), "{location} does not parse to itself");
    let (Location::S3(path) | Location::Gcs(path) | Location::Named { path, .. }) = &location else {
        // A path is what was typed, or all of it behind the scheme.
        return assert_eq!(location.to_string(), text.strip_prefix("file://").unwrap_or(text));
    };
    let prefix = path.key_prefix();
    assert!(!path.bucket.is_empty() && !path.bucket.contains('/'));
    assert!(text.ends_with(&path.prefix), "the prefix is kept byte for byte");
    assert!(prefix.is_empty() || prefix.ends_with('/'));
    assert_eq!(prefix.strip_suffix('/').unwrap_or(&prefix), path.prefix.strip_suffix('/').unwrap_or(&path.prefix));
}

fn sizes(text: &str) {
    let size = parse_size(text);
    if let Ok(bytes) = size {
        assert!(i64::try_from(bytes).is_ok(), "a size fits 63 bits");
        assert_eq!(parse_size(&format!("{bytes}B")), Ok(bytes));
        assert_eq!(parse_size_limit(text), Ok(Some(bytes)));
        assert_eq!(parse_rate(text), Ok((bytes > 0).then_some(bytes)));
        assert_eq!(parse_rate(&format!("{text}/s")), Ok((bytes > 0).then_some(bytes)));
    }
}

fn times(text: &str) {
    let duration = parse_duration(text);
    let age = parse_age(text, &TimeZone::UTC);
    if let Ok(duration) = duration {
        assert_eq!(parse_duration(&format!("{}ns", duration.as_nanos())), Ok(duration));
        assert!(matches!(age, Ok(Some(Age::Ago(ago))) if ago.unsigned_abs() == duration), "a duration is that age");
    }
    if let Ok(Some(age)) = age {
        for now in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
            let _ = age.instant(now);
        }
    }
}

fn path(key: &[u8]) {
    let key = &key[..key.len().min(PATH_BYTES_MAX)];
    let encoded = encode_path(key);
    let uri = absolute(Scheme::HTTP, Authority::from_static("h:1"), &format!("/b/{encoded}?x")).expect("an encoded key fits a URI");
    let carried = uri.path_and_query().map(PathAndQuery::as_str).unwrap_or_default();
    assert_eq!(carried, format!("/b/{encoded}?x"), "nothing is normalised");
    assert_eq!(decode(&encoded), key);
    let segment = encode_segment(key);
    assert!(!segment.contains('/'));
    assert_eq!(decode(&segment), key);
}

fn query(value: &str) {
    let pairs = encode_pairs([("prefix", value), ("uploads", "")]);
    let carried = pairs.strip_prefix("prefix=").and_then(|rest| rest.strip_suffix("&uploads=")).expect("two pairs in order");
    assert!(!carried.contains(['&', '=', '+', '#', '/']));
    assert_eq!(decode(carried), value.as_bytes());
}

fn decode(text: &str) -> Vec<u8> {
    percent_encoding::percent_decode_str(text).collect()
}

/// How two places lie to each other is the same question from both sides, and agrees with the keys that they hold.
fn places(prefixes: &[&[u8]]) {
    let place = |prefix: &[u8]| {
        let text = String::from_utf8_lossy(prefix).into_owned();
        Place { endpoint: "e".into(), bucket: "b".into(), prefix: if text.is_empty() { text } else { text + "/" } }
    };
    let [one, other, ..] = prefixes else { return };
    let (one, other) = (place(one), place(other));
    let mirrored = match overlap(&other, &one) {
        Overlap::Inside => Overlap::Contains,
        Overlap::Contains => Overlap::Inside,
        same => same,
    };
    assert_eq!(overlap(&one, &other), mirrored);
    let share = one.prefix.starts_with(&other.prefix) || other.prefix.starts_with(&one.prefix);
    assert_eq!(overlap(&one, &other) != Overlap::None, share);
}
