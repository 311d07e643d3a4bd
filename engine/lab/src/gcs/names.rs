//! Names of objects and buckets: decoded and encoded byte for byte, and refused where Google Cloud Storage refuses them.
//!
//! Source: Cloud Storage "About objects", object name requirements, and "Bucket naming guidelines".

use super::failure::Failure;
use crate::world::KEY_BYTES_MAX;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// Everything but the unreserved characters of RFC 3986: `/` is encoded too, as the JSON interface wants it.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// As [`ENCODED`], with `/` kept, as in a path of the XML interface.
const ENCODED_PATH: &AsciiSet = &ENCODED.remove(b'/');

/// The bytes that percent-encoded text means; a stray `%` means itself.
pub(super) fn decode(text: &str) -> Vec<u8> {
    percent_decode_str(text).collect()
}

/// A name as one path segment.
pub(super) fn encode(name: &[u8]) -> String {
    percent_encode(name, ENCODED).to_string()
}

/// A name as a path.
pub(super) fn encode_path(name: &[u8]) -> String {
    percent_encode(name, ENCODED_PATH).to_string()
}

/// Whether an object may get this name.
pub(super) fn check_object(name: &[u8]) -> Result<(), Failure> {
    let refused = |message: String| Failure::new(400, "invalid", "InvalidObjectName", message);
    if name.is_empty() {
        return Err(Failure::new(400, "required", "InvalidObjectName", "Required"));
    }
    if name.len() > KEY_BYTES_MAX {
        let len = name.len();
        return Err(refused(format!("The maximum object length is {KEY_BYTES_MAX} characters, but got a name with {len} characters.")));
    }
    let Ok(text) = std::str::from_utf8(name) else {
        return Err(refused("Object names must be valid UTF-8.".to_owned()));
    };
    if text.contains(['\r', '\n', '\u{fffe}', '\u{ffff}']) {
        return Err(refused(format!("Disallowed unicode characters present in object name '{}'", text.escape_debug())));
    }
    if text == "." || text == ".." || text.starts_with(".well-known/acme-challenge/") {
        return Err(refused(format!("Invalid object name: '{text}'")));
    }
    Ok(())
}

/// Whether a bucket may get this name.
pub(super) fn check_bucket(name: &str) -> Result<(), Failure> {
    let allowed = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(byte);
    let inside = (3..=222).contains(&name.len()) && name.as_bytes().iter().all(allowed);
    let ends = [name.as_bytes().first(), name.as_bytes().last()];
    let ends_well = ends.into_iter().flatten().all(u8::is_ascii_alphanumeric);
    if inside && ends_well && !name.starts_with("goog") {
        return Ok(());
    }
    Err(Failure::new(400, "invalid", "InvalidBucketName", format!("Invalid bucket name: '{name}'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded_and_encoded_byte_for_byte() {
        for name in ["a//b", "/a", "a/", "a+b c%20&#?", "\u{1}\t", "e\u{301}", "\u{1f9fa}", "a/../b", "./a"] {
            assert_eq!(decode(&encode(name.as_bytes())), name.as_bytes());
            assert_eq!(decode(&encode_path(name.as_bytes())), name.as_bytes());
            assert!(check_object(name.as_bytes()).is_ok(), "{name:?}");
        }
        assert_eq!(encode(b"a/b c"), "a%2Fb%20c");
        assert_eq!(decode("100%"), b"100%");
        assert_eq!(decode("a+b"), b"a+b");
    }

    #[test]
    fn names_that_google_refuses() {
        let long = "x".repeat(1025);
        for name in ["", ".", "..", "a\nb", "a\rb", ".well-known/acme-challenge/x", "\u{ffff}", &long] {
            assert!(check_object(name.as_bytes()).is_err(), "{name:?}");
        }
        assert!(check_object(b"\xff").is_err());
        assert!(check_object("x".repeat(1024).as_bytes()).is_ok());
        assert!(check_bucket("my-bucket.7").is_ok());
        for name in ["ab", "-abc", "ABC", "google-x", "a/b"] {
            assert!(check_bucket(name).is_err(), "{name}");
        }
    }
}
