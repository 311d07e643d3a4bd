//! Just enough XML: the few documents that clients send are flat, and are searched rather than parsed.

use std::borrow::Cow;

use memchr::memmem;

/// The contents of all elements of a name, in order.
pub(super) fn blocks<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = memmem::find(rest.as_bytes(), open.as_bytes()) {
        rest = &rest[start + open.len()..];
        let Some(end) = memmem::find(rest.as_bytes(), close.as_bytes()) else { break };
        found.push(&rest[..end]);
        rest = &rest[end + close.len()..];
    }
    found
}

/// The text of the first element of a name.
pub(super) fn leaf<'a>(text: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let start = text.find(&open)? + open.len();
    let end = start + text[start..].find(&close)?;
    Some(unescaped(&text[start..end]))
}

fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some(end) = rest.find(';') else { break };
        match character(&rest[1..end]) {
            Some(character) => out.push(character),
            None => out.push_str(&rest[..=end]),
        }
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn character(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

/// Writes text so that it reads back the same.
pub(super) fn escape(out: &mut Vec<u8>, text: &[u8]) {
    for byte in text {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            0..=31 => out.extend_from_slice(format!("&#{byte};").as_bytes()),
            plain => out.push(*plain),
        }
    }
}

/// The same as text.
pub(super) fn escaped(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    escape(&mut out, text.as_bytes());
    String::from_utf8(out).expect("escaping keeps UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_searched() {
        let text =
            "<Delete><Object><Key>a&amp;b&#13;&#x41;&odd;</Key><ETag>&quot;e&quot;</ETag></Object><Object><Key>c</Key></Object></Delete>";
        let objects = blocks(text, "Object");
        assert_eq!(objects.len(), 2);
        assert_eq!(leaf(objects[0], "Key").as_deref(), Some("a&b\rA&odd;"));
        assert_eq!((leaf(objects[0], "ETag").as_deref(), leaf(objects[1], "ETag")), (Some("\"e\""), None));
        assert_eq!(unescaped(&escaped("<a & \"b\"\r\u{e9}>")), "<a & \"b\"\r\u{e9}>");
    }
}
