//! Object keys in URIs, byte for byte.
//!
//! A key is bytes, and a server sees exactly the key that was meant only if everything outside of RFC 3986's unreserved
//! set is percent-encoded once, and nothing is ever normalised: `a/../b`, `a//b` and `./` are keys like any other. This is
//! also the encoding that AWS Signature Version 4 signs for S3 ("URI-encode every byte except the unreserved characters;
//! do not encode `/` in the object key name").

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::error::{Kind, TransportError};

/// Everything but RFC 3986 unreserved.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The same, and `/` is kept.
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// A key as a URI path, without a leading `/`: unreserved characters and `/` are kept, every other byte is `%XX`.
pub fn encode_path(key: &[u8]) -> String {
    percent_encode(key, PATH).to_string()
}

/// A key as one path segment, as the GCS JSON API wants it: `/` is encoded too.
pub fn encode_segment(key: &[u8]) -> String {
    percent_encode(key, QUERY).to_string()
}

/// A query name or value: only unreserved characters are kept.
pub fn encode_query(value: &[u8]) -> String {
    percent_encode(value, QUERY).to_string()
}

/// `name=value` pairs, encoded, in the order given. An empty value keeps its `=`, as signatures want it.
pub fn encode_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut query = String::new();
    for (name, value) in pairs {
        if !query.is_empty() {
            query.push('&');
        }
        query.extend(percent_encode(name.as_bytes(), QUERY));
        query.push('=');
        query.extend(percent_encode(value.as_bytes(), QUERY));
    }
    query
}

/// Puts an absolute URI together. `path_and_query` is encoded already, begins with `/`, and is carried verbatim.
pub fn absolute(scheme: Scheme, authority: Authority, path_and_query: &str) -> Result<Uri, TransportError> {
    if !path_and_query.starts_with('/') {
        return Err(TransportError::new(Kind::Request, format!("the path for {authority} does not begin with a slash")));
    }
    let malformed = |error: http::Error| TransportError::new(Kind::Request, "the request path is malformed").with_source(error);
    let path = PathAndQuery::try_from(path_and_query).map_err(|error| malformed(error.into()))?;
    Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build().map_err(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p14_keys_are_encoded_byte_for_byte_and_never_normalised() {
        let cases: [(&[u8], &str); 14] = [
            (b"a/../b", "a/../b"),
            (b"..", ".."),
            (b"./x/.", "./x/."),
            (b"a//b", "a//b"),
            (b"/lead", "/lead"),
            (b"trail/", "trail/"),
            (b"100%", "100%25"),
            (b"%2F", "%252F"),
            (b"a+b c", "a%2Bb%20c"),
            (b"line\nfeed\r\x00", "line%0Afeed%0D%00"),
            (b"q?x=1&y#z", "q%3Fx%3D1%26y%23z"),
            (b"\xff\xfe", "%FF%FE"),
            ("e\u{301} \u{1f600}".as_bytes(), "e%CC%81%20%F0%9F%98%80"),
            (b"-._~!'()*;:@$,", "-._~%21%27%28%29%2A%3B%3A%40%24%2C"),
        ];
        for (key, encoded) in cases {
            assert_eq!(encode_path(key), encoded);
            let uri = absolute(Scheme::HTTP, Authority::from_static("h:1"), &format!("/b/{encoded}?x=1")).expect("valid");
            assert_eq!(uri.path_and_query().map(PathAndQuery::as_str), Some(format!("/b/{encoded}?x=1").as_str()));
        }
    }

    #[test]
    fn every_byte_survives_encoding_and_decoding() {
        let all: Vec<u8> = (0..=255).collect();
        for encoded in [encode_path(&all), encode_query(&all), encode_segment(&all)] {
            assert!(encoded.is_ascii());
            assert_eq!(percent_encoding::percent_decode_str(&encoded).collect::<Vec<u8>>(), all);
        }
    }

    #[test]
    fn queries_keep_their_order_and_encode_the_slash() {
        assert_eq!(encode_pairs([("prefix", "a/b c"), ("uploads", ""), ("k+", "~")]), "prefix=a%2Fb%20c&uploads=&k%2B=~");
        assert_eq!(encode_segment(b"a/b"), "a%2Fb");
    }

    #[test]
    fn p11_a_malformed_path_is_refused_without_being_shown() {
        for path in ["no-slash?X-Amz-Signature=secret", "/sp ace?X-Amz-Signature=secret"] {
            let error = absolute(Scheme::HTTP, Authority::from_static("h"), path).expect_err("refused");
            assert_eq!((error.kind(), error.to_string().contains("secret")), (Kind::Request, false));
        }
    }
}
