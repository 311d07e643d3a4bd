//! Batch requests: each part is a request of its own, and is answered in a part of its own.

use std::io::Write as _;

use super::{BAD_REQUEST, answer as answer_one};
use crate::service::Service;
use crate::stats::Operation;
use crate::wire::body::Body;
use crate::wire::reply::{Content, Reply};
use crate::wire::request::Request;

/// Calls of one batch ("Sending batch requests").
const CALLS_MAX: usize = 100;
const BOUNDARY: &str = "batch_bench";

/// Answers all calls of a batch.
pub(super) fn answer(service: &Service, request: &Request<'_>, body: &Body) -> Reply {
    let boundary = request.header("content-type").and_then(|kind| kind.split("boundary=").nth(1));
    let Some(boundary) = boundary.map(|text| text.split(';').next().unwrap_or_default().trim().trim_matches('"')) else {
        return BAD_REQUEST.reply(Operation::DeleteBatch);
    };
    let delimiter = format!("--{boundary}");
    let pieces: Vec<&str> = body.text().split(delimiter.as_str()).skip(1).filter(|piece| !piece.starts_with("--")).collect();
    if pieces.is_empty() || pieces.len() > CALLS_MAX {
        return BAD_REQUEST.reply(Operation::DeleteBatch);
    }
    let mut out = Vec::with_capacity(pieces.len() * 256);
    for piece in pieces {
        one(service, piece, &mut out);
    }
    write!(out, "--{BOUNDARY}--\r\n").expect("writing to memory never fails");
    let mut reply = Reply::new(Operation::DeleteBatch, 200).with("Content-Type", format_args!("multipart/mixed; boundary={BOUNDARY}"));
    reply.content = Content::Bytes(out);
    reply
}

/// One part: its own headers, an empty line, and a request.
fn one(service: &Service, piece: &str, out: &mut Vec<u8>) {
    let (outer, inner) = piece.trim_start().split_once("\r\n\r\n").unwrap_or((piece, ""));
    let id = outer.lines().find_map(|line| line.split_once(':').filter(|(name, _)| name.trim().eq_ignore_ascii_case("content-id")));
    let id = id.map(|(_, value)| value.trim().trim_matches(['<', '>']).to_owned()).unwrap_or_default();
    let text = format!("{}\r\n\r\n", inner.trim_end());
    let reply = match Request::parse(text.as_bytes()) {
        Ok((request, length)) => {
            let kept = Some(text.as_bytes()[length..].to_vec());
            // The parser ends at the first empty line; what follows is the body of a call that has one.
            answer_one(service, &request, Body { kept, ..Body::default() })
        }
        Err(_) => BAD_REQUEST.reply(Operation::Other),
    };
    write!(out, "--{BOUNDARY}\r\nContent-Type: application/http\r\nContent-ID: <response-{id}>\r\n\r\n")
        .expect("writing to memory never fails");
    reply.write_head(out);
    if let Content::Bytes(bytes) = &reply.content {
        out.extend_from_slice(bytes);
    }
    out.extend_from_slice(b"\r\n");
}
