//! Resumable uploads: a session takes chunks in order, tells how far it has come, and publishes with the last byte.
//!
//! Source: Cloud Storage "Resumable uploads" and "Perform resumable uploads". What of a broken chunk is whole quanta is kept; the
//! rest must be sent again. Sessions end with the server.

use super::Inside;
use super::digest::Announced;
use super::failure::Failure;
use super::insert::Planned;
use super::wire::{Answer, Call};
use crate::fault::Op;
use crate::world::Intake;
use bytes::{Bytes, BytesMut};
use http::Method;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Mutex as AsyncMutex;

/// Every chunk but the last is a multiple of so many bytes.
const QUANTUM_BYTES: u64 = 256 * 1024;

/// The sessions of a server.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Arc<Session>>>);

#[derive(Debug)]
struct Session {
    planned: Planned,
    /// Announced at the start by `X-Upload-Content-Length`.
    total: Option<u64>,
    state: AsyncMutex<State>,
}

enum State {
    Open(Box<Intake>),
    /// The answer's body, given again to whoever asks.
    Done(Bytes),
    Cancelled,
    /// The publication was refused; the session is worth nothing any more.
    Failed(Failure),
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open(_) => "Open",
            Self::Done(_) => "Done",
            Self::Cancelled => "Cancelled",
            Self::Failed(_) => "Failed",
        })
    }
}

impl Sessions {
    /// Bucket and key of a session, for the door.
    pub(super) fn subject(&self, id: &str) -> (String, Vec<u8>) {
        self.find(id).map(|session| (session.planned.bucket.clone(), session.planned.key.clone())).unwrap_or_default()
    }

    fn find(&self, id: &str) -> Option<Arc<Session>> {
        self.0.lock().get(id).cloned()
    }
}

/// What a call to a session does, for counters and faults.
pub(super) fn op(call: &Call) -> Op {
    let asks = call.header("content-range").is_some_and(|range| range.starts_with("bytes */"));
    match call.method {
        Method::DELETE => Op::AbortUpload,
        _ if asks => Op::ResumableStatus,
        _ => Op::ResumableChunk,
    }
}

/// Begins a session; its address is in `Location`.
pub(super) async fn start(inside: &mut Inside<'_>, bucket: &str) -> Result<Answer, Failure> {
    let resource = inside.call.json().await?;
    let mut planned = Planned::new(inside, bucket, &resource)?;
    let field = &mut planned.described.attributes.content_type;
    *field = field.take().or(inside.call.owned_header("x-upload-content-type"));
    let total = inside.call.number("x-upload-content-length")?;
    let id = inside.world().unique_id();
    let origin = &inside.call.origin;
    let name = super::names::encode(&planned.key);
    let location = format!("{origin}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&name={name}&upload_id={id}");
    let state = AsyncMutex::new(State::Open(Box::new(inside.world().intake(&[]))));
    inside.shared.sessions.0.lock().insert(id.clone(), Arc::new(Session { planned, total, state }));
    Ok(Answer::empty(200).with("location", location).with("x-guploader-uploadid", id))
}

/// A chunk, a question about the state, or the end of a session.
pub(super) async fn session(inside: &mut Inside<'_>, id: &str) -> Result<Answer, Failure> {
    let session = inside.shared.sessions.find(id);
    let session = session.ok_or_else(|| Failure::new(404, "notFound", "NoSuchUpload", "The upload session was not found."))?;
    let mut state = session.state.lock().await;
    match &*state {
        State::Open(_) => {}
        State::Done(resource) => {
            inside.call.body.drain().await;
            return Ok(Answer::bytes(200, "application/json; charset=UTF-8", resource.clone()));
        }
        State::Cancelled => return Err(cancelled()),
        State::Failed(failure) => return Err(failure.clone()),
    }
    if inside.call.method == Method::DELETE {
        *state = State::Cancelled;
        return Ok(Answer::empty(499));
    }
    let State::Open(intake) = &mut *state else { return Err(cancelled()) };
    let chunk = Chunk::parse(inside.call.header("content-range"))?;
    let total = match (chunk.total, session.total) {
        (Some(one), Some(other)) if one != other => return Err(Failure::invalid("The total size is not the one announced.")),
        (one, other) => one.or(other),
    };
    let end = match chunk.bytes {
        Bounds::None => intake.size(),
        bounds => take(inside.call, intake, bounds).await?,
    };
    let is_last = total == Some(end) || matches!(chunk.bytes, Bounds::Everything);
    if !is_last {
        return Ok(incomplete(inside.call, intake.size()));
    }
    if total.is_some_and(|total| total != end) {
        return Err(Failure::invalid("The size is not the one announced."));
    }
    let announced = Announced::from_headers(inside.call)?.or(session.planned.announced.clone());
    let planned = Planned { announced, ..session.planned.clone() };
    let arrived = std::mem::replace(&mut **intake, inside.world().intake(&[])).finish();
    match planned.publish(inside, arrived) {
        Ok(answer) => {
            if let super::wire::Outbound::Whole(resource) = &answer.body {
                *state = State::Done(resource.clone());
            }
            Ok(answer)
        }
        Err(failure) => {
            *state = State::Failed(failure.clone());
            Err(failure)
        }
    }
}

/// Takes the bytes of a chunk and gives where it ended. Bytes that are kept already are skipped.
async fn take(call: &mut Call, intake: &mut Intake, bounds: Bounds) -> Result<u64, Failure> {
    let first = if let Bounds::Range { first, .. } = bounds { first } else { 0 };
    let kept = intake.size();
    // Google answers a gap with an error that makes clients ask for the state.
    let mut skip = kept.checked_sub(first).ok_or_else(|| Failure::new(503, "backendError", "ServiceUnavailable", "Bytes are missing."))?;
    let mut at = first;
    let mut rest = BytesMut::new();
    while let Some(mut chunk) = call.body.next().await? {
        let len = length(&chunk);
        at += len;
        let skipped = usize::try_from(skip.min(len)).expect("at most the length of a buffer");
        skip -= skip.min(len);
        drop(chunk.split_to(skipped));
        rest.extend_from_slice(&chunk);
        push_whole_quanta(intake, &mut rest);
    }
    match bounds {
        Bounds::Range { last, .. } if at != last + 1 => return Err(Failure::invalid("The chunk is not as long as its range.")),
        Bounds::Range { last, size_known: SizeKnown::No, .. } if (last + 1) % QUANTUM_BYTES != 0 => {
            return Err(Failure::invalid("Every chunk but the last must be a multiple of 256 KiB."));
        }
        Bounds::Range { last, size_known: SizeKnown::Yes(total), .. } if last + 1 < total && (last + 1) % QUANTUM_BYTES != 0 => {
            return Err(Failure::invalid("Every chunk but the last must be a multiple of 256 KiB."));
        }
        _ => {}
    }
    intake.push(rest.freeze());
    Ok(at)
}

/// Only whole quanta survive a broken connection, as with Google.
fn push_whole_quanta(intake: &mut Intake, rest: &mut BytesMut) {
    let whole = length(rest) / QUANTUM_BYTES * QUANTUM_BYTES;
    if whole > 0 {
        intake.push(rest.split_to(usize::try_from(whole).expect("at most the length of a buffer")).freeze());
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("a buffer's length fits in 64 bits")
}

/// 308, or 200 with the status in a header for clients whose HTTP library would follow a 308.
fn incomplete(call: &Call, kept: u64) -> Answer {
    let no_308 = call.header("x-guploader-no-308").is_some_and(|value| value.eq_ignore_ascii_case("yes"));
    let answer = if no_308 { Answer::empty(200).with("x-http-status-code-override", "308") } else { Answer::empty(308) };
    match kept.checked_sub(1) {
        Some(last) => answer.with("range", format!("bytes=0-{last}")),
        None => answer,
    }
}

fn cancelled() -> Failure {
    Failure::new(499, "clientClosedRequest", "ClientClosedRequest", "The upload was cancelled.")
}

/// What `Content-Range` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Chunk {
    bytes: Bounds,
    total: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bounds {
    /// `*`: no bytes, a question.
    None,
    /// No header: the whole object at once.
    Everything,
    Range {
        first: u64,
        last: u64,
        size_known: SizeKnown,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SizeKnown {
    No,
    Yes(u64),
}

impl Chunk {
    fn parse(header: Option<&str>) -> Result<Self, Failure> {
        let Some(header) = header else { return Ok(Self { bytes: Bounds::Everything, total: None }) };
        let malformed = || Failure::invalid(format!("Failed to parse Content-Range header: {header}"));
        let (range, total) = header.strip_prefix("bytes ").and_then(|rest| rest.split_once('/')).ok_or_else(malformed)?;
        let total = match total {
            "*" => None,
            total => Some(total.parse().map_err(|_| malformed())?),
        };
        if range == "*" {
            return Ok(Self { bytes: Bounds::None, total });
        }
        let (first, last) = range.split_once('-').ok_or_else(malformed)?;
        let (first, last): (u64, u64) = first.parse().ok().zip(last.parse().ok()).ok_or_else(malformed)?;
        if first > last || total.is_some_and(|total| last >= total) {
            return Err(malformed());
        }
        let size_known = total.map_or(SizeKnown::No, SizeKnown::Yes);
        Ok(Self { bytes: Bounds::Range { first, last, size_known }, total })
    }
}
