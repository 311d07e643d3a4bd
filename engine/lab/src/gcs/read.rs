//! Reads of both interfaces: metadata, and bytes with ranges, preconditions and decompression on the way.
//!
//! Source: Cloud Storage "objects: get", "Transcoding of gzip-compressed files", RFC 9110 for ranges and conditions.

use super::digest::{crc32c_base64, md5_base64};
use super::failure::Failure;
use super::resource::{STANDARD, etag};
use super::route::Named;
use super::wire::{Answer, Call, Outbound};
use super::{Inside, conditions};
use crate::world::{Conditions, Object, Tag, Which};
use flate2::read::MultiGzDecoder;
use http::header::CONTENT_RANGE;
use std::io::Read as _;
use std::sync::Arc;
use std::time::SystemTime;

/// `storage.objects.get` without media.
pub(super) fn metadata(inside: &Inside<'_>, named: &Named) -> Result<Answer, Failure> {
    let object = find(inside, named, conditions::from_query(&inside.call.query)?, etag)?;
    inside.resource(&named.bucket, &named.key, &object)
}

/// `storage.objects.get` with `alt=media`.
pub(super) fn media(inside: &Inside<'_>, named: &Named) -> Result<Answer, Failure> {
    let object = find(inside, named, conditions::from_query(&inside.call.query)?, etag)?;
    let answer = content(inside, &object)?;
    Ok(answer.with("etag", etag(&object)))
}

/// The version that is meant, if its conditions hold. `tag` writes its entity tag as the client knows it.
pub(super) fn find(inside: &Inside<'_>, named: &Named, conditions: Conditions, tag: fn(&Object) -> String) -> Result<Arc<Object>, Failure> {
    let which = conditions::which(&inside.call.query, "generation")?;
    let mut conditions = inside.passage.conditions(conditions::with_http_headers(inside.call, conditions));
    // Google's entity tags are not those of the world: they are compared here.
    let (if_match, if_none_match) = (conditions.if_match.take(), conditions.if_none_match.take());
    let object = get(inside, named, which, &conditions)?;
    if !inside.world().honours().conditional_get {
        return Ok(object);
    }
    let is = |tags: &Tag| match tags {
        Tag::Any => true,
        Tag::Listed(listed) => listed.contains(&tag(&object)),
    };
    if if_match.as_ref().is_some_and(|tags| !is(tags)) {
        return Err(Failure::precondition());
    }
    if if_none_match.as_ref().is_some_and(is) { Err(Failure::not_modified()) } else { Ok(object) }
}

/// A version, or a 404 that names it.
pub(super) fn get(inside: &Inside<'_>, named: &Named, which: Which, conditions: &Conditions) -> Result<Arc<Object>, Failure> {
    inside.world().get(&named.bucket, &named.key, which, conditions).map_err(Inside::absent(&named.bucket, &named.key))
}

/// The bytes of an object, or of the range that is asked for, with the headers that both interfaces give.
pub(super) fn content(inside: &Inside<'_>, object: &Object) -> Result<Answer, Failure> {
    let mut answer = described(object);
    if is_to_be_decompressed(inside.call, object)
        && let Some(bytes) = decompressed(object)
    {
        answer.body = Outbound::Unannounced(bytes.into());
        return Ok(answer.with("warning", "214 UploadServer gunzipped"));
    }
    if let Some(encoding) = &object.attributes.content_encoding {
        answer = answer.with("content-encoding", encoding);
    }
    let asked = inside.call.header("range").filter(|_| !inside.passage.ignores_range());
    match asked.map_or(Span::Whole, |range| Span::parse(range, object.size())) {
        Span::Whole => answer.body = Outbound::stored(object.body()),
        Span::Part { first, len } => {
            let range = format!("bytes {first}-{}/{}", first + len - 1, object.size());
            answer.status = http::StatusCode::PARTIAL_CONTENT;
            answer.add(CONTENT_RANGE, range);
            answer.body = Outbound::stored(&object.body().slice(first, len));
        }
        Span::Outside => return Err(unsatisfiable(object.size())),
    }
    if object.body().is_readable() { Ok(answer) } else { Err(crate::world::WorldError::Discarded.into()) }
}

/// What a HEAD of the XML interface answers.
pub(super) fn head(call: &Call, object: &Object) -> Answer {
    let mut answer = described(object);
    if is_to_be_decompressed(call, object) {
        return answer;
    }
    if let Some(encoding) = &object.attributes.content_encoding {
        answer = answer.with("content-encoding", encoding);
    }
    answer.add_length(object.size());
    answer
}

/// `crc32c=...` and, where there is one, `md5=...`.
pub(super) fn hashes(object: &Object) -> String {
    let crc32c = crc32c_base64(&object.content);
    md5_base64(object).map_or_else(|| format!("crc32c={crc32c}"), |md5| format!("crc32c={crc32c},md5={md5}"))
}

fn described(object: &Object) -> Answer {
    let attributes = &object.attributes;
    let mut answer = Answer::empty(200)
        .with("content-type", attributes.content_type.as_deref().unwrap_or("application/octet-stream"))
        .with("accept-ranges", "bytes")
        .with("last-modified", httpdate::fmt_http_date(SystemTime::from(object.updated)))
        .with("x-goog-hash", hashes(object))
        .with("x-goog-generation", object.generation.to_string())
        .with("x-goog-metageneration", object.metageneration.to_string())
        .with("x-goog-storage-class", attributes.storage_class.as_deref().unwrap_or(STANDARD))
        .with("x-goog-stored-content-encoding", attributes.content_encoding.as_deref().unwrap_or("identity"))
        .with("x-goog-stored-content-length", object.size().to_string());
    let optional = [
        ("content-disposition", &attributes.content_disposition),
        ("content-language", &attributes.content_language),
        ("cache-control", &attributes.cache_control),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            answer = answer.with(name, value);
        }
    }
    if object.components > 0 {
        answer = answer.with("x-goog-component-count", object.components.to_string());
    }
    answer
}

/// Objects stored as gzip are decompressed for clients that do not say they take gzip, unless `no-transform` forbids it.
fn is_to_be_decompressed(call: &Call, object: &Object) -> bool {
    let stored = object.attributes.content_encoding.as_deref() == Some("gzip");
    let accepted = call.header("accept-encoding").is_some_and(|accepted| accepted.contains("gzip"));
    let forbidden = object.attributes.cache_control.as_deref().is_some_and(|control| control.contains("no-transform"));
    stored && !accepted && !forbidden
}

/// `None` when the bytes are no gzip, whatever their metadata say: they are then given as they are.
fn decompressed(object: &Object) -> Option<Vec<u8>> {
    let stored = object.body().to_bytes().ok()?;
    let mut bytes = Vec::new();
    MultiGzDecoder::new(&*stored).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Which bytes a `Range` header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Span {
    Whole,
    Part { first: u64, len: u64 },
    Outside,
}

impl Span {
    /// What is no single well-formed range of bytes is ignored (RFC 9110, 14.2).
    fn parse(header: &str, size: u64) -> Self {
        let Some((first, last)) = header.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
            return Self::Whole;
        };
        let (first, last) = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
            (Ok(first), Ok(last)) if first <= last => (first, last.min(size.saturating_sub(1))),
            (Ok(first), Err(_)) if last.trim().is_empty() => (first, size.saturating_sub(1)),
            (Err(_), Ok(0)) if first.trim().is_empty() => return Self::Outside,
            (Err(_), Ok(suffix)) if first.trim().is_empty() => (size.saturating_sub(suffix), size.saturating_sub(1)),
            _ => return Self::Whole,
        };
        if first >= size { Self::Outside } else { Self::Part { first, len: last - first + 1 } }
    }
}

fn unsatisfiable(size: u64) -> Failure {
    let message = "The requested range cannot be satisfied.";
    Failure::new(416, "requestedRangeNotSatisfiable", "InvalidRange", message).with("content-range", format!("bytes */{size}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let part = |first, len| Span::Part { first, len };
        for (header, expected) in [
            ("bytes=0-0", part(0, 1)),
            ("bytes=2-", part(2, 8)),
            ("bytes=-3", part(7, 3)),
            ("bytes=-30", part(0, 10)),
            ("bytes=8-100", part(8, 2)),
            ("bytes=10-", Span::Outside),
            ("bytes=-0", Span::Outside),
            ("bytes=3-2", Span::Whole),
            ("bytes=0-1,4-5", Span::Whole),
            ("lines=0-1", Span::Whole),
        ] {
            assert_eq!(Span::parse(header, 10), expected, "{header}");
        }
        assert_eq!(Span::parse("bytes=0-", 0), Span::Outside);
    }
}
