//! `/batch/storage/v1`: up to 100 calls of the JSON interface in one request, each with an answer of its own.
//!
//! Source: Cloud Storage "Batch requests". A batch of deletes counts as one request at the door; other batches count as one
//! request of another kind, and their calls as what they are.

use super::failure::{Dialect, Failure};
use super::mime::{MimePart, boundary, head, parts};
use super::route::Route;
use super::wire::{Answer, Call, Inbound, Outbound, Query};
use super::{Shared, leave_nested, perform};
use crate::door::{ConnectionCut, DoorBody, Entry};
use crate::fault::Op;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use std::fmt::Write as _;

/// At most so many calls in a batch.
const CALLS_MAX: usize = 100;

/// The payload of a batch is less than 10 MB.
const BATCH_BYTES_MAX: usize = 10 * 1000 * 1000;

pub(super) async fn serve(shared: &Shared, call: &mut Call) -> Result<Response<DoorBody<Outbound>>, ConnectionCut> {
    let batch = match shared.authorize(&Route::Batch, call) {
        Ok(()) => nested_calls(call).await,
        Err(failure) => Err(failure),
    };
    let op = match &batch {
        Ok(calls) if calls.iter().all(|nested| nested.op == Op::DeleteEntry) => Op::DeleteBatch,
        _ => Op::Other,
    };
    let passage = match shared.door.enter(op, "", b"").await {
        Entry::Through(passage) => passage,
        Entry::Cut(cut) => return Err(cut),
        Entry::Refused(refusal) => {
            call.body.drain().await;
            return Ok(shared.door.answer(Failure::from(refusal).answer(Dialect::Json).into_response()));
        }
    };
    let answer = match batch {
        Ok(calls) => answers(shared, calls).await?,
        Err(failure) => {
            call.body.drain().await;
            failure.answer(Dialect::Json)
        }
    };
    passage.leave(answer.into_response())
}

/// A call inside the batch.
struct Nested {
    id: Option<String>,
    op: Op,
    route: Route,
    call: Call,
}

async fn nested_calls(call: &mut Call) -> Result<Vec<Nested>, Failure> {
    let boundary = boundary(call.header("content-type").unwrap_or_default())?;
    let body = call.body.collect(BATCH_BYTES_MAX).await?;
    let parts = parts(&body, &boundary)?;
    if parts.is_empty() || parts.len() > CALLS_MAX {
        return Err(Failure::new(400, "badRequest", "InvalidArgument", format!("A batch holds 1 to {CALLS_MAX} calls.")));
    }
    parts.iter().map(|part| nested(call, part)).collect()
}

fn nested(outer: &Call, part: &MimePart) -> Result<Nested, Failure> {
    let malformed = || Failure::new(400, "badRequest", "InvalidArgument", "Failed to parse a call of the batch.");
    let text = &part.content;
    let line_end = text.iter().position(|byte| *byte == b'\n').ok_or_else(malformed)?;
    let line = std::str::from_utf8(&text[..line_end]).map_err(|_| malformed())?;
    let mut words = line.split_ascii_whitespace();
    let method = words.next().and_then(|method| Method::from_bytes(method.as_bytes()).ok()).ok_or_else(malformed)?;
    let address = words.next().ok_or_else(malformed)?;
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let (headers, start) = nested_headers(text, line_end + 1)?;
    let call = Call {
        method,
        path: without_origin(path).to_owned(),
        query: Query::parse(query),
        headers: inherit(headers, outer),
        origin: outer.origin.clone(),
        body: Inbound::Whole(Some(text.slice(start..))),
    };
    let route = Route::of(&call);
    if matches!(route, Route::Media(_) | Route::Upload(_) | Route::Session { .. } | Route::Batch) {
        return Err(Failure::new(400, "badRequest", "InvalidArgument", "A batch cannot upload or download media."));
    }
    let op = match route.op(&call) {
        Op::Delete => Op::DeleteEntry,
        other => other,
    };
    Ok(Nested { id: part.header("content-id").map(str::to_owned), op, route, call })
}

/// A call without headers and body may end with its first line.
fn nested_headers(text: &[u8], start: usize) -> Result<(Vec<(String, String)>, usize), Failure> {
    if text[start..].trim_ascii().is_empty() { Ok((Vec::new(), text.len())) } else { head(text, start) }
}

/// Outer headers hold for every call, unless it has its own.
fn inherit(own: Vec<(String, String)>, outer: &Call) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(authorization) = outer.headers.get("authorization") {
        headers.insert("authorization", authorization.clone());
    }
    for (name, value) in own {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes())) {
            headers.insert(name, value);
        }
    }
    headers
}

/// Some clients give whole addresses.
fn without_origin(address: &str) -> &str {
    match address.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => address,
    }
}

async fn answers(shared: &Shared, calls: Vec<Nested>) -> Result<Answer, ConnectionCut> {
    let boundary = format!("batch_{}", shared.world().unique_id());
    let mut body = String::new();
    for mut nested in calls {
        let (answer, passage) = Box::pin(perform(shared, &nested.route, nested.op, &mut nested.call)).await?;
        leave_nested(passage)?;
        let Answer { status, headers, body: document } = answer;
        let document = document.into_document().unwrap_or_else(Bytes::new);
        let id = nested.id.as_deref().unwrap_or_default().trim_matches(['<', '>']);
        let lines = [
            format!("--{boundary}\r\nContent-Type: application/http\r\n"),
            if id.is_empty() { String::new() } else { format!("Content-ID: <response-{id}>\r\n") },
            format!("\r\nHTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or_default()),
        ];
        body.extend(lines);
        for (name, value) in &headers {
            write_line(&mut body, format_args!("{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes())));
        }
        write_line(&mut body, format_args!("Content-Length: {}\r\n\r\n{}\r\n", document.len(), String::from_utf8_lossy(&document)));
    }
    write_line(&mut body, format_args!("--{boundary}--\r\n"));
    let mut answer = Answer::empty(200).with("content-type", format!("multipart/mixed; boundary={boundary}"));
    answer.body = Outbound::Whole(body.into());
    Ok(answer)
}

fn write_line(body: &mut String, line: std::fmt::Arguments<'_>) {
    body.write_fmt(line).expect("a string takes every write");
}
