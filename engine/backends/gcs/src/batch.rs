//! Batch requests: up to 100 calls in one `multipart/mixed` body ("Sending batch requests", Cloud Storage JSON API).
//!
//! Each call is an HTTP request of its own inside a part; so is each answer. Answers are matched to calls by `Content-ID`, and
//! by order where a server gives none; a call without an answer is an error of its own, never a success.

use bytes::Bytes;

/// One inner answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchAnswer {
    /// The call that it belongs to, from 0, where the answer says so.
    pub call: Option<usize>,
    /// HTTP status.
    pub status: u16,
    /// The inner body.
    pub body: Bytes,
}

/// Writes a batch of deletes: path and query of each.
pub(crate) fn deletes_body(boundary: &str, calls: &[String]) -> Vec<u8> {
    let mut body = String::with_capacity(calls.iter().map(|call| call.len() + 200).sum());
    for (number, call) in calls.iter().enumerate() {
        body.push_str(&format!(
            "--{boundary}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <brigade+{number}>\r\n\r\nDELETE {call} HTTP/1.1\r\n\r\n\r\n"
        ));
    }
    body.push_str(&format!("--{boundary}--\r\n"));
    body.into_bytes()
}

/// The boundary of a `multipart/mixed` content type.
pub(crate) fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/mixed") {
        return None;
    }
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    (!value.is_empty() && value.len() <= 70).then_some(value)
}

/// Reads the answers of a batch. `None` where the body is no such thing at all.
pub fn parse_batch(boundary: &str, body: &[u8]) -> Option<Vec<BatchAnswer>> {
    let text = std::str::from_utf8(body).ok()?;
    let delimiter = format!("--{boundary}");
    let mut pieces = text.split(delimiter.as_str());
    pieces.next()?;
    let mut answers = Vec::new();
    for piece in pieces {
        if piece.starts_with("--") {
            return Some(answers);
        }
        answers.push(parse_answer(piece)?);
    }
    // A body that was cut off has no closing delimiter: nothing in it is believed.
    None
}

/// One part: its own headers, then an HTTP answer. Some servers leave the empty line between the two out.
fn parse_answer(piece: &str) -> Option<BatchAnswer> {
    let start = if piece.starts_with("HTTP/") { 0 } else { piece.find("\nHTTP/")? + 1 };
    let (outer, inner) = piece.split_at(start);
    let call = outer.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        if !name.trim().eq_ignore_ascii_case("content-id") {
            return None;
        }
        value.trim().trim_matches(['<', '>']).rsplit_once('+')?.1.parse().ok()
    });
    let status = inner.lines().next()?.split_ascii_whitespace().nth(1)?.parse().ok()?;
    let body = body_of(inner);
    Some(BatchAnswer { call, status, body: Bytes::copy_from_slice(body.trim().as_bytes()) })
}

/// What follows the first empty line, whichever kind of line end the server writes: the body may hold the other.
fn body_of(answer: &str) -> &str {
    let ends = ["\r\n\r\n", "\n\n"].into_iter().filter_map(|end| answer.find(end).map(|at| at + end.len()));
    ends.min().and_then(|start| answer.get(start..)).unwrap_or_default()
}

/// Puts answers in the order of the calls; `None` where a call has no answer of its own.
pub(crate) fn in_order(answers: Vec<BatchAnswer>, calls: usize) -> Vec<Option<BatchAnswer>> {
    let mut slots: Vec<Option<BatchAnswer>> = vec![None; calls];
    let numbered = answers.iter().all(|answer| answer.call.is_some());
    // Without numbers, order is all there is; it means something only when nothing is missing.
    if !numbered && answers.len() != calls {
        return slots;
    }
    for (position, answer) in answers.into_iter().enumerate() {
        let index = if numbered { answer.call.unwrap_or(position) } else { position };
        if let Some(slot) = slots.get_mut(index) {
            *slot = Some(answer);
        }
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: &str = "--b_1\r\nContent-Type: application/http\r\nContent-ID: <response-brigade+1>\r\n\r\nHTTP/1.1 412 Precondition Failed\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"error\": {}}\r\n\
        --b_1\r\nContent-Type: application/http\r\nContent-ID: <response-brigade+0>\r\n\r\nHTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n\r\n--b_1--\r\n";

    #[test]
    fn answers_belong_to_their_calls_whatever_their_order() {
        let answers = in_order(parse_batch("b_1", REAL.as_bytes()).expect("a batch"), 3);
        let statuses: Vec<Option<u16>> = answers.iter().map(|answer| answer.as_ref().map(|answer| answer.status)).collect();
        assert_eq!(statuses, [Some(204), Some(412), None]);
        assert_eq!(answers[1].as_ref().map(|answer| &answer.body[..]), Some(&b"{\"error\": {}}"[..]));
    }

    #[test]
    fn a_server_without_ids_and_empty_lines_is_understood_only_when_every_call_is_answered() {
        let body = "--x\r\nContent-Type: application/http\r\nHTTP/1.1 204 No Content\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n\
            --x\r\nContent-Type: application/http\r\nHTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n\r\n{}\r\n\r\n--x--";
        let answers = parse_batch("x", body.as_bytes()).expect("a batch");
        let statuses =
            |calls| in_order(answers.clone(), calls).into_iter().map(|answer| answer.map(|answer| answer.status)).collect::<Vec<_>>();
        assert_eq!(statuses(2), [Some(204), Some(404)]);
        assert_eq!(statuses(3), [None, None, None]);
    }

    #[test]
    fn a_body_begins_at_the_first_empty_line_of_either_kind() {
        let body = "--x\nContent-Type: application/http\n\nHTTP/1.1 404 Not Found\nA: b\n\none\r\n\r\ntwo\n--x--";
        let answers = parse_batch("x", body.as_bytes()).expect("a batch");
        assert_eq!(&answers[0].body[..], b"one\r\n\r\ntwo");
    }

    #[test]
    fn a_cut_body_is_no_answer() {
        assert_eq!(parse_batch("b_1", &REAL.as_bytes()[..REAL.len() - 10]), None);
        assert_eq!(parse_batch("b_1", b"not found"), None);
    }

    #[test]
    fn boundaries_are_found() {
        assert_eq!(boundary("multipart/mixed; boundary=batch_x"), Some("batch_x"));
        assert_eq!(boundary("multipart/mixed; charset=x; Boundary=\"a b\""), Some("a b"));
        assert_eq!(boundary("application/json; boundary=x"), None);
    }

    #[test]
    fn each_call_stands_in_a_part_of_its_own() {
        let body = String::from_utf8(deletes_body("B", &["/storage/v1/b/x/o/y?ifGenerationMatch=1".into()])).expect("text");
        assert!(body.starts_with("--B\r\n") && body.ends_with("--B--\r\n"));
        assert!(body.contains("\r\n\r\nDELETE /storage/v1/b/x/o/y?ifGenerationMatch=1 HTTP/1.1\r\n"));
    }
}
