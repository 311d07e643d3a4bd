//! A request's head, borrowed from the connection's buffer.

use std::borrow::Cow;

use crate::limits::HEADERS_MAX;

/// A request without its body.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// `GET`, `PUT`, ...
    pub(crate) method: &'a str,
    /// As sent, still encoded, beginning with `/`.
    pub(crate) path: &'a str,
    /// What stands behind the question mark.
    pub(crate) query: &'a str,
    /// HTTP/1.0 and earlier close after each answer.
    pub(crate) minor_version: u8,
    headers: Vec<(&'a str, &'a [u8])>,
}

/// A head that is no HTTP, or not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadHead;

impl<'a> Request<'a> {
    /// Reads the head at the beginning of `bytes` and says how long it is.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<(Self, usize), BadHead> {
        let mut storage = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut parsed = httparse::Request::new(&mut storage);
        let Ok(httparse::Status::Complete(length)) = parsed.parse(bytes) else { return Err(BadHead) };
        let (Some(method), Some(target), Some(minor_version)) = (parsed.method, parsed.path, parsed.version) else {
            return Err(BadHead);
        };
        // A proxy-style target names the whole URL.
        let target = target.strip_prefix("http://").and_then(|rest| Some(&rest[rest.find('/')?..])).unwrap_or(target);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers = parsed.headers.iter().map(|header| (header.name, header.value)).collect();
        Ok((Self { method, path, query, minor_version, headers }, length))
    }

    /// The value of a header; `name` is in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok().map(str::trim)
    }

    /// All headers whose name starts with `prefix`, without it and in lower case.
    pub(crate) fn headers_with<'p>(&'p self, prefix: &'p str) -> impl Iterator<Item = (String, String)> + 'p {
        self.headers.iter().filter_map(move |(name, value)| {
            let start = name.get(..prefix.len()).filter(|start| start.eq_ignore_ascii_case(prefix))?;
            Some((name[start.len()..].to_ascii_lowercase(), String::from_utf8_lossy(value).trim().to_owned()))
        })
    }

    /// Whether a header holds a word.
    pub(crate) fn says(&self, name: &str, word: &str) -> bool {
        self.header(name).is_some_and(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
    }

    /// The decoded value of a query parameter; empty where it has none.
    pub(crate) fn param(&self, name: &str) -> Option<Cow<'a, str>> {
        let pair = self.query.split('&').find(|pair| pair.split('=').next() == Some(name))?;
        let value = pair.split_once('=').map_or("", |(_, value)| value);
        Some(decoded(value, Plus::IsSpace))
    }

    /// Whether the query has a parameter.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.query.split('&').any(|pair| pair.split('=').next() == Some(name))
    }
}

/// What a plus sign means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plus {
    /// Itself, in a path.
    IsPlus,
    /// A space, in a query.
    IsSpace,
}

/// Undoes percent-encoding. What is no UTF-8 then is replaced: no client measured here sends such names.
pub(crate) fn decoded(text: &str, plus: Plus) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || (byte == b'+' && plus == Plus::IsSpace)) {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = bytes.get(at + 1..at + 3).filter(|_| *byte == b'%').and_then(|pair| Some(digit(pair[0])? * 16 + digit(pair[1])?));
        match escaped {
            Some(value) => {
                out.push(value);
                at += 3;
            }
            None => {
                out.push(if *byte == b'+' && plus == Plus::IsSpace { b' ' } else { *byte });
                at += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Percent-encodes everything but what is unreserved (RFC 3986) and `/`.
pub(crate) fn encode(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(byte) {
            out.push(*byte);
        } else {
            out.push(b'%');
            out.extend_from_slice(&[b"0123456789ABCDEF"[usize::from(byte >> 4)], b"0123456789ABCDEF"[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_and_what_follows_is_left() {
        let bytes = b"PUT /b/a%20b+c?x=1+2&uploads HTTP/1.1\r\nHost: h\r\nX-Amz-Meta-A: v \r\nConnection: Keep-Alive, x\r\n\r\nbody";
        let (request, length) = Request::parse(bytes).expect("a head");
        assert_eq!(&bytes[length..], b"body");
        assert_eq!((request.method, &*decoded(request.path, Plus::IsPlus)), ("PUT", "/b/a b+c"));
        assert_eq!((request.param("x").as_deref(), request.has("uploads"), request.has("upload")), (Some("1 2"), true, false));
        assert_eq!(request.headers_with("x-amz-meta-").collect::<Vec<_>>(), [("a".to_owned(), "v".to_owned())]);
        assert!(request.says("connection", "keep-alive"));
        assert_eq!(Request::parse(&bytes[..40]).expect_err("cut"), BadHead);
        assert_eq!(Request::parse(b"\x16\x03\x01").expect_err("TLS"), BadHead);
    }

    #[test]
    fn odd_escapes_stay_as_they_are() {
        assert_eq!(&*decoded("%zz%4", Plus::IsPlus), "%zz%4");
        let mut out = Vec::new();
        encode(&mut out, "a/\u{e9} +".as_bytes());
        assert_eq!(out, b"a/%C3%A9%20%2B");
    }
}
