//! Single objects: GET, HEAD, PUT, DELETE.

use super::failure::Failure;
use super::headers;
use super::request::{Answer, Request};
use crate::door::ObjectBody;
use crate::world::{Checksum, Conditions, Deleted, NewObject, Object, ObjectKind, ObjectPart, WorldError};
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, EXPIRES,
};
use http::{HeaderMap, HeaderName, Response, StatusCode};
use s3s::Body;
use std::sync::Arc;

/// The largest object of one PUT, bytes.
const PUT_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;
/// User metadata of one object, bytes of names and values together.
const METADATA_BYTES_MAX: usize = 2 * 1024;

/// Whether an answer carries the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Bytes,
    HeadersOnly,
}

pub(crate) fn get(request: &Request, wanted: Wanted) -> Answer {
    let world = request.world();
    let which = request.which()?;
    let conditions = request.passage.conditions(headers::conditions(&request.headers));
    let found = world.get(request.bucket(), request.key(), which, &conditions);
    let object = found.map_err(|error| read_failure(error, request))?;
    if wanted == Wanted::Bytes {
        refuse_archived(&object)?;
    }
    let selection = select(request, &object)?;
    let mut response = Response::new(Body::empty());
    let out = response.headers_mut();
    headers::describe(&object, world.versioning(request.bucket())?, out);
    overrides(request, out);
    if request.header("x-amz-checksum-mode").is_some_and(|mode| mode.eq_ignore_ascii_case("ENABLED"))
        && let Some(checksum) = shown_checksum(&object, &selection)
    {
        headers::checksum(&checksum, out);
    }
    if selection.kind == Selected::PartNumber
        && let Some(parts) = &object.parts
    {
        headers::set_named(out, "x-amz-mp-parts-count", parts.len().to_string());
    }
    headers::set(out, CONTENT_LENGTH, selection.len.to_string());
    if selection.kind != Selected::All {
        let last = selection.start + selection.len.saturating_sub(1);
        headers::set(out, CONTENT_RANGE, format!("bytes {}-{last}/{}", selection.start, object.size()));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    if wanted == Wanted::Bytes {
        let body = object.body().slice(selection.start, selection.len);
        *response.body_mut() = Body::http_body(ObjectBody::new(&body)?);
    }
    Ok(response)
}

fn read_failure(error: WorldError, request: &Request) -> Failure {
    match error {
        WorldError::DeleteMarker(version) if request.query().has("versionId") => {
            Failure::new(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
                .header("x-amz-delete-marker", "true")
                .header("x-amz-version-id", &version.to_string())
        }
        WorldError::NoSuchKey => Failure::from(error).detail("Key", String::from_utf8_lossy(request.key()).into_owned()),
        other => other.into(),
    }
}

/// Objects in the archive classes must be restored before they can be read; the lab never restores.
pub(crate) fn refuse_archived(object: &Object) -> Result<(), Failure> {
    match object.attributes.storage_class.as_deref() {
        Some(class @ ("GLACIER" | "DEEP_ARCHIVE")) => {
            let failure = Failure::new(403, "InvalidObjectState", "The operation is not valid for the object's storage class");
            Err(failure.detail("StorageClass", class.to_owned()))
        }
        _ => Ok(()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Selected {
    All,
    Range,
    PartNumber,
}

#[derive(Clone, Copy, Debug)]
struct Selection {
    kind: Selected,
    start: u64,
    len: u64,
}

fn select(request: &Request, object: &Object) -> Result<Selection, Failure> {
    let all = Selection { kind: Selected::All, start: 0, len: object.size() };
    let range = request.header("range");
    if let Some(number) = request.query().number::<u32>("partNumber")? {
        if range.is_some() {
            return Err(Failure::invalid("Cannot specify both Range header and partNumber query parameter"));
        }
        return select_part(object, number);
    }
    if request.passage.ignores_range() {
        return Ok(all);
    }
    let Some(range) = range.as_deref().and_then(parse_range) else { return Ok(all) };
    let selected = resolve_range(range, object.size());
    selected.map(|(start, len)| Selection { kind: Selected::Range, start, len }).ok_or_else(|| {
        Failure::new(416, "InvalidRange", "The requested range is not satisfiable")
            .header("content-range", &format!("bytes */{}", object.size()))
            .detail("ActualObjectSize", object.size().to_string())
    })
}

fn select_part(object: &Object, number: u32) -> Result<Selection, Failure> {
    let wrong = || Failure::new(416, "InvalidPartNumber", "The requested partnumber is not satisfiable");
    let Some(parts) = &object.parts else {
        let whole = Selection { kind: Selected::PartNumber, start: 0, len: object.size() };
        return if number == 1 { Ok(whole) } else { Err(wrong()) };
    };
    let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1)).filter(|index| *index < parts.len());
    let index = index.ok_or_else(wrong)?;
    let start = parts[..index].iter().map(|part| part.size).sum();
    Ok(Selection { kind: Selected::PartNumber, start, len: parts[index].size })
}

/// A byte range as it was asked for (RFC 9110, 14.1.2). Several ranges, and malformed ones, are ignored as S3 does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AskedRange {
    From(u64),
    Between(u64, u64),
    Last(u64),
}

fn parse_range(header: &str) -> Option<AskedRange> {
    let (first, last) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
    match (first.trim(), last.trim()) {
        ("", last) => last.parse().ok().map(AskedRange::Last),
        (first, "") => first.parse().ok().map(AskedRange::From),
        (first, last) => {
            let (first, last) = (first.parse().ok()?, last.parse().ok()?);
            (first <= last).then_some(AskedRange::Between(first, last))
        }
    }
}

/// Start and length inside an object; `None` when nothing of it lies inside.
fn resolve_range(range: AskedRange, size: u64) -> Option<(u64, u64)> {
    match range {
        AskedRange::From(start) => (start < size).then(|| (start, size - start)),
        AskedRange::Between(start, last) => (start < size).then(|| (start, (last - start + 1).min(size - start))),
        AskedRange::Last(count) => (count > 0 && size > 0).then(|| (size - count.min(size), count.min(size))),
    }
}

/// `bytes=first-last` of a copied part: both ends are given and lie inside the source.
pub(crate) fn copy_range(header: &str, size: u64) -> Result<(u64, u64), Failure> {
    let wrong = || Failure::argument("The x-amz-copy-source-range value must be of the form bytes=first-last within the source");
    match parse_range(header) {
        Some(AskedRange::Between(start, last)) if last < size => Ok((start, last - start + 1)),
        _ => Err(wrong()),
    }
}

/// Whole objects show their checksum; a range only when it is exactly a part that has one.
fn shown_checksum(object: &Object, selection: &Selection) -> Option<Checksum> {
    let whole = object.checksum.as_deref();
    match selection.kind {
        Selected::All => whole.cloned(),
        Selected::PartNumber if object.parts.is_none() => whole.cloned(),
        Selected::PartNumber | Selected::Range => {
            let part = exact_part(object.parts.as_deref()?, selection)?;
            let kind = whole?.kind;
            part.checksum.clone().map(|checksum| Checksum { kind, ..checksum })
        }
    }
}

fn exact_part<'a>(parts: &'a [ObjectPart], selection: &Selection) -> Option<&'a ObjectPart> {
    let mut start = 0;
    parts.iter().find(|part| {
        let here = start == selection.start && part.size == selection.len;
        start += part.size;
        here
    })
}

/// `response-content-type` and its like.
fn overrides(request: &Request, out: &mut HeaderMap) {
    for (name, header) in [
        ("response-content-type", CONTENT_TYPE),
        ("response-content-encoding", CONTENT_ENCODING),
        ("response-content-disposition", CONTENT_DISPOSITION),
        ("response-content-language", CONTENT_LANGUAGE),
        ("response-cache-control", CACHE_CONTROL),
        ("response-expires", EXPIRES),
    ] {
        if let Some(value) = request.query().bytes(name) {
            headers::set(out, header, value);
        }
    }
}

pub(crate) async fn put(request: &mut Request) -> Answer {
    let attributes = headers::attributes(&request.headers)?;
    let metadata_bytes: usize = attributes.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if metadata_bytes > METADATA_BYTES_MAX {
        return Err(Failure::new(400, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size"));
    }
    let conditions = headers::write_conditions(&request.headers)?;
    let length = request.header("x-amz-decoded-content-length").or_else(|| request.header("content-length"));
    if length.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > PUT_BYTES_MAX) {
        return Err(Failure::new(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size"));
    }
    request.world().versioning(request.bucket())?;
    let received = request.receive(None).await?;
    let new = NewObject {
        checksum: Some(received.kept.clone()),
        attributes: Arc::new(attributes),
        holds: headers::holds(&request.headers),
        ..NewObject::of(request.passage.stored(received.arrived.content))
    };
    let world = request.world();
    let object = world.put(request.bucket(), request.key(), new, &request.passage.conditions(conditions))?;
    let mut response = Response::new(Body::empty());
    written(&object, request, response.headers_mut())?;
    headers::checksum(&received.kept, response.headers_mut());
    Ok(response)
}

/// What every answer to a write says.
pub(crate) fn written(object: &Object, request: &Request, out: &mut HeaderMap) -> Result<(), Failure> {
    headers::set(out, ETAG, format!("\"{}\"", object.etag));
    headers::version(object.version, request.world().versioning(request.bucket())?, out);
    if let Some(encryption) = &object.attributes.encryption {
        headers::set_named(out, "x-amz-server-side-encryption", encryption);
    }
    Ok(())
}

pub(crate) fn delete(request: &Request) -> Answer {
    let conditions = Conditions { if_match: headers::conditions(&request.headers).if_match, ..Conditions::NONE };
    let conditions = request.passage.conditions(conditions);
    let deleted = match request.world().delete(request.bucket(), request.key(), request.which()?, &conditions) {
        Err(WorldError::NoSuchKey | WorldError::NoSuchVersion) if conditions.is_empty() => Deleted::Absent,
        other => other?,
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let out = response.headers_mut();
    match deleted {
        Deleted::Absent => {}
        Deleted::MarkerAdded(version) => {
            headers::set(out, MARKER, "true");
            headers::set_named(out, "x-amz-version-id", version.to_string());
        }
        Deleted::Removed { version, kind } => {
            if kind == ObjectKind::Marker {
                headers::set(out, MARKER, "true");
            }
            headers::version(version, request.world().versioning(request.bucket())?, out);
        }
    }
    Ok(response)
}

const MARKER: HeaderName = HeaderName::from_static("x-amz-delete-marker");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        for (header, size, expected) in [
            ("bytes=0-0", 10, Some((0, 1))),
            ("bytes=2-5", 10, Some((2, 4))),
            ("bytes=2-500", 10, Some((2, 8))),
            ("bytes=9-", 10, Some((9, 1))),
            ("bytes=10-", 10, None),
            ("bytes=-3", 10, Some((7, 3))),
            ("bytes=-30", 10, Some((0, 10))),
            ("bytes=-0", 10, None),
            ("bytes=0-", 0, None),
        ] {
            let range = parse_range(header).expect("well-formed");
            assert_eq!(resolve_range(range, size), expected, "{header} of {size}");
        }
        for ignored in ["bytes=5-2", "items=0-1", "bytes=0-1,3-4", "bytes=a-b", "bytes=-"] {
            assert_eq!(parse_range(ignored), None, "{ignored}");
        }
        assert!(copy_range("bytes=0-9", 10).is_ok());
        assert!(copy_range("bytes=0-10", 10).is_err());
        assert!(copy_range("bytes=5-", 10).is_err());
    }
}
