//! `multipart/related` of an insert and `multipart/mixed` of a batch (RFC 2046).
//!
//! Python's e-mail library ends lines with a bare line feed, so both endings are taken.

use super::failure::Failure;
use bytes::Bytes;

/// A part: its headers and its bytes.
#[derive(Clone, Debug)]
pub(super) struct MimePart {
    pub(super) headers: Vec<(String, String)>,
    pub(super) content: Bytes,
}

impl MimePart {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// The boundary that a content type names.
pub(super) fn boundary(content_type: &str) -> Result<String, Failure> {
    let found = content_type.split(';').find_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then(|| value.trim_matches(['"', '\'']).to_owned())
    });
    found.filter(|boundary| !boundary.is_empty()).ok_or_else(malformed)
}

/// All parts. For small bodies: every byte is compared with the boundary.
pub(super) fn parts(body: &Bytes, boundary: &str) -> Result<Vec<MimePart>, Failure> {
    let delimiter = format!("--{boundary}");
    let mut at = find(body, delimiter.as_bytes(), 0).ok_or_else(malformed)? + delimiter.len();
    let mut found = Vec::new();
    loop {
        if body[at..].starts_with(b"--") {
            return Ok(found);
        }
        let (headers, start) = head(body, next_line(body, at)?)?;
        let next = find(body, delimiter.as_bytes(), start).ok_or_else(malformed)?;
        found.push(MimePart { headers, content: body.slice(start..without_line_end(body, start, next)) });
        at = next + delimiter.len();
    }
}

/// The two parts of an insert. The end of the second is looked for from the back, so large media cost nothing.
pub(super) fn pair(body: &Bytes, boundary: &str) -> Result<(MimePart, MimePart), Failure> {
    let delimiter = format!("--{boundary}");
    let first = find(body, delimiter.as_bytes(), 0).ok_or_else(malformed)? + delimiter.len();
    let (headers, start) = head(body, next_line(body, first)?)?;
    let second = find(body, delimiter.as_bytes(), start).ok_or_else(malformed)?;
    let metadata = MimePart { headers, content: body.slice(start..without_line_end(body, start, second)) };
    let (headers, start) = head(body, next_line(body, second + delimiter.len())?)?;
    let closing = format!("{delimiter}--");
    let last = body[start..].windows(closing.len()).rposition(|window| window == closing.as_bytes()).ok_or_else(malformed)? + start;
    Ok((metadata, MimePart { headers, content: body.slice(start..without_line_end(body, start, last)) }))
}

/// Headers from `at` on, and where what follows the empty line starts.
pub(super) fn head(body: &[u8], mut at: usize) -> Result<(Vec<(String, String)>, usize), Failure> {
    let mut headers = Vec::new();
    loop {
        let end = find(body, b"\n", at).ok_or_else(malformed)?;
        let line = std::str::from_utf8(&body[at..end]).map_err(|_| malformed())?.trim_end_matches('\r');
        at = end + 1;
        if line.is_empty() {
            return Ok((headers, at));
        }
        let (name, value) = line.split_once(':').ok_or_else(malformed)?;
        headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
}

fn next_line(body: &[u8], at: usize) -> Result<usize, Failure> {
    find(body, b"\n", at).map(|end| end + 1).ok_or_else(malformed)
}

/// The line end before a delimiter belongs to the delimiter.
fn without_line_end(body: &[u8], start: usize, end: usize) -> usize {
    let slice = &body[start..end];
    let cut = if slice.ends_with(b"\r\n") { 2 } else { usize::from(slice.ends_with(b"\n")) };
    end - cut
}

fn find(body: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    body[from..].windows(wanted.len()).position(|window| window == wanted).map(|at| at + from)
}

fn malformed() -> Failure {
    Failure::new(400, "badContent", "MalformedRequest", "Malformed multipart body.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_insert_keeps_the_media_byte_for_byte() {
        let body = b"--x\r\ncontent-type: application/json\r\n\r\n{}\r\n--x\r\nContent-Type: text/plain\r\n\r\na\r\n--\nb\n\r\n--x--\r\n";
        let (metadata, media) = pair(&Bytes::from_static(body), "x").unwrap();
        assert_eq!(metadata.content, "{}");
        assert_eq!(media.header("content-type"), Some("text/plain"));
        assert_eq!(media.content, "a\r\n--\nb\n");
    }

    #[test]
    fn empty_media_and_bare_line_feeds() {
        let body = Bytes::from_static(b"--x\nA: 1\n\n{}\n--x\nA: 2\n\n\n--x--\n");
        assert_eq!(pair(&body, "x").unwrap().1.content, "");
        assert_eq!(parts(&body, "x").unwrap().len(), 2);
    }

    #[test]
    fn a_body_without_its_end_is_refused() {
        assert!(parts(&Bytes::from_static(b"--x\r\nA: 1\r\n\r\n{}"), "x").is_err());
        assert!(pair(&Bytes::from_static(b"--x\r\nA: 1\r\n\r\n{}\r\n--x\r\nA: 1\r\n\r\nabc"), "x").is_err());
        assert!(boundary("multipart/related").is_err());
        assert_eq!(boundary("multipart/related; boundary=\"==1==\"").unwrap(), "==1==");
    }
}
