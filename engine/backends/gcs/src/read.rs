//! Reads: exactly the bytes that were asked for, of exactly the version that was listed, as they are stored.
//!
//! Bytes come through the XML API, whose answers carry all metadata. `x-goog-if-generation-match` pins the version: 412 means
//! another one is there, 404 that none is. What the answer says of its generation, range and encoding is compared with what
//! was asked. An endpoint that names no generation is asked for it after the bytes have come: generations only grow, so the
//! same one then means that the bytes were of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use brigade_core::digest::{crc32c_from_base64, md5_from_base64};
use brigade_core::parts::Part;
use brigade_core::{Availability, Digests, Entry, ErrorKind, Identity, Metadata};
use brigade_store::{Collector, Head, Piece, ReadRequest, Result, StoreError};
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use jiff::Timestamp;

use crate::client::{Call, text};
use crate::errors::{About, protocol};
use crate::objects::generation;
use crate::store::GcsStore;

const IF_GENERATION_MATCH: HeaderName = HeaderName::from_static("x-goog-if-generation-match");
const META_PREFIX: &str = "x-goog-meta-";

pub(crate) async fn read(store: &GcsStore, request: &ReadRequest<'_>) -> Result<Piece> {
    let wanted = generation(request.identity)?;
    let name = store.names().full(request.key);
    let mut call = Call::new(Method::GET, store.names().xml_path(&name), About::Object)
        // Without it, objects stored as gzip come decompressed ("Transcoding of gzip-compressed files").
        .header(ACCEPT_ENCODING, HeaderValue::from_static("gzip"))
        .header(IF_GENERATION_MATCH, HeaderValue::from(wanted));
    if let Some(part) = request.part {
        let last = part.offset + part.size.saturating_sub(1);
        call = call.header(RANGE, HeaderValue::try_from(format!("bytes={}-{last}", part.offset)).expect("digits fit a header"));
    }
    let response = store.client().open(&call).await.map_err(pinned)?;
    let (status, headers, mut body) = response.into_parts();
    let named = text(&headers, "x-goog-generation").and_then(|text| text.parse::<u64>().ok());
    if named.is_some_and(|named| named != wanted) {
        return Err(changed("the endpoint answered with another generation"));
    }
    let size = checked_size(status, &headers, request)?;
    same_encoding(&headers)?;
    let mut collector = Collector::new(request.size, request.wanted);
    while let Some(chunk) = body.next_chunk().await {
        collector.push(chunk?)?;
    }
    let (bytes, sum) = collector.finish()?;
    let head = match named {
        Some(_) => head(&headers, size, request.identity.clone()),
        None => present(store, &name, wanted).await?,
    };
    if head.size != size {
        return Err(protocol(format!("the object has {} bytes, and its read said {size}", head.size)));
    }
    Ok(Piece { head, bytes, sum })
}

/// The whole-object digests of the version that was listed.
pub(crate) async fn digests(store: &GcsStore, entry: &Entry) -> Result<Digests> {
    if entry.digests.crc32c.is_some() {
        return Ok(entry.digests);
    }
    let head = present(store, &store.names().full(&entry.key), generation(&entry.identity)?).await?;
    Ok(head.digests)
}

/// The facts of an object that must still be this version.
async fn present(store: &GcsStore, name: &[u8], wanted: u64) -> Result<Head> {
    let stored = store.stored(name).await.map_err(pinned)?;
    if stored.generation == wanted { Ok(stored.head) } else { Err(changed("another generation is there now")) }
}

/// A pinned request that found another version, or none.
fn pinned(error: StoreError) -> StoreError {
    match error.kind {
        ErrorKind::Conflict => StoreError { kind: ErrorKind::Changed, ..error },
        ErrorKind::NotFound => StoreError { kind: ErrorKind::Vanished, ..error },
        _ => error,
    }
}

fn changed(message: &str) -> StoreError {
    StoreError::new(ErrorKind::Changed, message)
}

/// The size of the whole object, if status and range are what was asked for.
fn checked_size(status: StatusCode, headers: &HeaderMap, request: &ReadRequest<'_>) -> Result<u64> {
    let length = text(headers, CONTENT_LENGTH.as_str()).and_then(|text| text.parse::<u64>().ok());
    match (status, request.part) {
        (StatusCode::OK, None) => match length {
            Some(length) if length != request.size => {
                Err(protocol(format!("the object has {length} bytes instead of the {} that were listed", request.size)))
            }
            _ => Ok(request.size),
        },
        (StatusCode::PARTIAL_CONTENT, Some(part)) => {
            let range = text(headers, CONTENT_RANGE.as_str()).and_then(parse_content_range);
            match range {
                Some((first, last, total)) if first == part.offset && last - first + 1 == part.size => Ok(total),
                _ => Err(protocol("the endpoint answered with another range than asked for")),
            }
        }
        // A part that is the whole object may come as such.
        (StatusCode::OK, Some(Part { offset: 0, size, .. })) if length == Some(size) => Ok(size),
        (StatusCode::OK, Some(_)) => Err(protocol("the endpoint ignored the range and answered with the whole object")),
        (status, _) => Err(protocol(format!("the endpoint answered a read with status {}", status.as_u16()))),
    }
}

/// `bytes first-last/total`.
fn parse_content_range(text: &str) -> Option<(u64, u64, u64)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, total) = (first.parse().ok()?, last.parse().ok()?, total.parse().ok()?);
    (first <= last && last < total).then_some((first, last, total))
}

/// Bytes must come as they are stored, neither compressed nor decompressed on the way.
fn same_encoding(headers: &HeaderMap) -> Result<()> {
    let Some(stored) = text(headers, "x-goog-stored-content-encoding") else {
        return Ok(());
    };
    let sent = text(headers, CONTENT_ENCODING.as_str()).unwrap_or("identity");
    let is_gzip = |encoding: &str| encoding.eq_ignore_ascii_case("gzip");
    if is_gzip(stored) == is_gzip(sent) {
        return Ok(());
    }
    Err(protocol(format!("the object is stored with the encoding `{stored}` and came as `{sent}`: something on the way transforms it")))
}

fn head(headers: &HeaderMap, size: u64, identity: Identity) -> Head {
    let own = |name: HeaderName| headers.get(name).and_then(utf8);
    let metadata = Metadata {
        content_type: own(CONTENT_TYPE),
        content_encoding: own(CONTENT_ENCODING),
        content_disposition: own(CONTENT_DISPOSITION),
        content_language: own(CONTENT_LANGUAGE),
        cache_control: own(CACHE_CONTROL),
        expires: None,
        user: user_metadata(headers),
        tags: Vec::new(),
    };
    Head {
        size,
        identity,
        modified: text(headers, LAST_MODIFIED.as_str()).and_then(parse_date),
        digests: digests_of(headers),
        metadata: Arc::new(metadata),
        tags: 0,
        storage_class: text(headers, "x-goog-storage-class").map(Arc::from),
        availability: Availability::Ready,
    }
}

/// Values of user metadata may be any UTF-8, which the `http` crate calls opaque bytes.
fn utf8(value: &HeaderValue) -> Option<String> {
    std::str::from_utf8(value.as_bytes()).ok().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn user_metadata(headers: &HeaderMap) -> BTreeMap<String, String> {
    let named = |(name, value): (&HeaderName, &HeaderValue)| {
        let name = name.as_str().strip_prefix(META_PREFIX)?.to_owned();
        Some((name, std::str::from_utf8(value.as_bytes()).ok()?.to_owned()))
    };
    headers.iter().filter_map(named).collect()
}

/// `x-goog-hash`: `crc32c=...,md5=...`, in one header or in two, always of the whole object as stored.
pub(crate) fn digests_of(headers: &HeaderMap) -> Digests {
    let mut digests = Digests::default();
    let values = headers.get_all("x-goog-hash").iter().filter_map(|value| value.to_str().ok());
    for (name, value) in values.flat_map(|value| value.split(',')).filter_map(|pair| pair.trim().split_once('=')) {
        match name {
            "crc32c" => digests.crc32c = crc32c_from_base64(value),
            "md5" => digests.md5 = md5_from_base64(value),
            _ => {}
        }
    }
    digests
}

fn parse_date(text: &str) -> Option<Timestamp> {
    let date: SystemTime = httpdate::parse_http_date(text).ok()?;
    Timestamp::try_from(date).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use brigade_core::Key;
    use brigade_core::digest::Wanted;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn size(status: u16, pairs: &[(&'static str, &'static str)], part: Option<Part>, size: u64) -> Result<u64> {
        let (key, identity) = (Key::from("k"), Identity::Generation(1));
        let request = ReadRequest { key: &key, part, size, identity: &identity, wanted: Wanted::default() };
        checked_size(StatusCode::from_u16(status).expect("a status"), &headers(pairs), &request)
    }

    #[test]
    fn p07_an_ignored_or_shifted_range_is_noticed() {
        let part = Some(Part { number: 2, offset: 5, size: 5 });
        assert_eq!(size(206, &[("content-range", "bytes 5-9/20")], part, 5).expect("right"), 20);
        for wrong in ["bytes 5-8/20", "bytes 4-8/20", "bytes 5-9/*", "bytes 5-9/9", "nonsense"] {
            assert_eq!(size(206, &[("content-range", wrong)], part, 5).expect_err(wrong).kind, ErrorKind::Protocol);
        }
        assert_eq!(size(200, &[("content-length", "20")], part, 5).expect_err("ignored").kind, ErrorKind::Protocol);
        let whole = Some(Part { number: 1, offset: 0, size: 5 });
        assert_eq!(size(200, &[("content-length", "5")], whole, 5).expect("it is the whole"), 5);
        assert_eq!(size(200, &[("content-length", "6")], None, 5).expect_err("other size").kind, ErrorKind::Protocol);
        assert_eq!(size(206, &[("content-range", "bytes 0-4/5")], None, 5).expect_err("not asked for").kind, ErrorKind::Protocol);
    }

    #[test]
    fn content_transformed_on_the_way_is_refused() {
        let check = |stored, sent: Option<&'static str>| {
            let mut pairs = vec![("x-goog-stored-content-encoding", stored)];
            pairs.extend(sent.map(|sent| ("content-encoding", sent)));
            same_encoding(&headers(&pairs)).is_ok()
        };
        assert!(check("gzip", Some("gzip")) && check("identity", None) && check("x-own", Some("x-own")));
        assert!(!check("gzip", None) && !check("identity", Some("gzip")));
    }

    #[test]
    fn digests_come_in_one_header_or_two() {
        let one = digests_of(&headers(&[("x-goog-hash", "crc32c=mnG7TA==,md5=XUFAKrxLKna5cZ2REBfFkg==")]));
        let two = digests_of(&headers(&[("x-goog-hash", "crc32c=mnG7TA=="), ("x-goog-hash", "md5=XUFAKrxLKna5cZ2REBfFkg==")]));
        assert!(one == two && one.crc32c.is_some() && one.md5.is_some());
    }

    #[test]
    fn metadata_come_with_the_bytes() {
        let head = head(
            &headers(&[("x-goog-meta-a-b", "v, w"), ("content-type", "a/b"), ("last-modified", "Fri, 20 Nov 2026 03:00:00 GMT")]),
            3,
            Identity::Generation(1),
        );
        assert_eq!(head.metadata.user, [("a-b".to_owned(), "v, w".to_owned())].into());
        assert_eq!(head.modified.expect("a time").to_string(), "2026-11-20T03:00:00Z");
    }
}
