//! Multipart uploads of the XML API ("XML API multipart uploads").
//!
//! Each part travels with its CRC-32C, which the store compares. Completion honours no condition, so it happens under the
//! staging name only. The answer to it carries the CRC-32C of the whole, computed by the store.

use brigade_core::digest::{Sum, crc32c_to_base64};
use brigade_core::parts::Part;
use brigade_core::{ErrorKind, Metadata};
use brigade_store::{Complete, Honoured, PartReceipt, Result, Rope, StoreError, WriteSpec};
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, ETAG, HeaderName, HeaderValue};
use http::{HeaderMap, Method};

use crate::client::{Call, target, text};
use crate::errors::{About, Access, Refusal, parse_error, protocol, refused};
use crate::limits::{BOOKKEEPING_PAGES_MAX, LIST_ANSWER_BYTES_MAX};
use crate::objects::Stored;
use crate::read::digests_of;
use crate::resource::NewResource;
use crate::store::GcsStore;
use crate::xml::{complete_body, parse_complete, parse_initiate, parse_parts, parse_uploads};

const HASH: HeaderName = HeaderName::from_static("x-goog-hash");
const STORAGE_CLASS: HeaderName = HeaderName::from_static("x-goog-storage-class");

/// Items of a page of parts or uploads: the most that GCS gives.
const PAGE_ITEMS: &str = "1000";

/// Begins an upload. `None` where the endpoint knows no such thing.
pub(crate) async fn initiate(store: &GcsStore, name: &[u8], spec: &WriteSpec) -> Result<Option<String>> {
    let mut call = Call::new(Method::POST, target(&store.names().xml_path(name), &[("uploads", "")]), About::Bucket);
    for (header, value) in header_metadata(&spec.metadata).unwrap_or_default() {
        call = call.header(header, value);
    }
    if let Some(class) = spec.storage_class.as_deref().and_then(|class| HeaderValue::try_from(class).ok()) {
        call = call.header(STORAGE_CLASS, class);
    }
    match store.client().fetch(&call).await {
        Ok((_, body)) => Ok(parse_initiate(&body)),
        Err(error) if is_unknown(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the endpoint does not know what was asked. A 404 that does not name the bucket is that of an unknown path.
pub(super) fn is_unknown(error: &StoreError) -> bool {
    let named = error.code.as_deref() == Some("NoSuchBucket") || error.message.contains("bucket does not exist");
    error.kind == ErrorKind::Unsupported || (error.status == Some(404) && !named)
}

/// Metadata as headers; `None` where a name or value cannot be one. Such metadata is set on the staged object instead.
fn header_metadata(metadata: &Metadata) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let plain = |text: &str| {
        let fits = text.trim() == text && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        HeaderValue::try_from(text).ok().filter(|_| fits && !text.is_empty())
    };
    let fields = [
        (CONTENT_TYPE, &metadata.content_type),
        (CONTENT_ENCODING, &metadata.content_encoding),
        (CONTENT_DISPOSITION, &metadata.content_disposition),
        (CONTENT_LANGUAGE, &metadata.content_language),
        (CACHE_CONTROL, &metadata.cache_control),
    ];
    let mut headers = Vec::new();
    for (name, value) in fields {
        if let Some(value) = value {
            headers.push((name, plain(value)?));
        }
    }
    for (name, value) in &metadata.user {
        let name = HeaderName::try_from(format!("x-goog-meta-{name}")).ok()?;
        headers.push((name, plain(value)?));
    }
    Some(headers)
}

pub(super) async fn part(store: &GcsStore, name: &[u8], id: &str, part: Part, bytes: &Rope, sum: &Sum) -> Result<PartReceipt> {
    let number = part.number.to_string();
    let path = target(&store.names().xml_path(name), &[("partNumber", &number), ("uploadId", id)]);
    let hash = HeaderValue::try_from(format!("crc32c={}", crc32c_to_base64(sum.crc32c))).expect("base64 fits a header");
    let call = Call::new(Method::PUT, path, About::Upload).header(HASH, hash).body(bytes.clone());
    let response = store.client().open(&call).await?;
    let (_, headers, body) = response.into_parts();
    body.into_bytes(crate::limits::ANSWER_BYTES_MAX).await?;
    let digests = digests_of(&headers);
    if digests.crc32c.is_some_and(|stored| stored != sum.crc32c) {
        return Err(StoreError::new(ErrorKind::Corrupt, format!("part {number} arrived with another CRC-32C than it was sent with")));
    }
    let tag = text(&headers, ETAG.as_str()).ok_or_else(|| protocol(format!("the answer to part {number} has no ETag")))?;
    Ok(PartReceipt { number: part.number, size: bytes.size(), tag: bare(tag), digests: store.own(digests) })
}

/// An ETag without its quotes: answers and listings differ in them.
fn bare(tag: &str) -> String {
    tag.trim_matches('"').to_owned()
}

pub(super) async fn parts(store: &GcsStore, name: &[u8], id: &str) -> Result<Vec<PartReceipt>> {
    let mut receipts = Vec::new();
    let mut marker: Option<String> = None;
    for _ in 0..BOOKKEEPING_PAGES_MAX {
        let mut query = vec![("uploadId", id), ("max-parts", PAGE_ITEMS)];
        query.extend(marker.as_deref().map(|marker| ("part-number-marker", marker)));
        let call = Call::new(Method::GET, target(&store.names().xml_path(name), &query), About::Upload);
        let (_, body) = store.client().fetch(&call).await?;
        let page = parse_parts(&body).ok_or_else(|| protocol("the answer is no list of parts"))?;
        receipts.extend(page.parts.into_iter().map(|part| PartReceipt {
            number: part.number,
            size: part.size,
            tag: bare(&part.etag),
            digests: brigade_core::Digests::default(),
        }));
        if page.next.is_none() {
            return Ok(receipts);
        }
        if page.next == marker {
            break;
        }
        marker = page.next;
    }
    Err(protocol("the list of parts does not end"))
}

/// Joins the parts under the staging name. Metadata that no header can carry is set before anybody sees the object.
pub(super) async fn complete(store: &GcsStore, name: &[u8], id: &str, complete: &Complete<'_>) -> Result<Stored> {
    let tags: Vec<String> = complete.parts.iter().map(|part| format!("\"{}\"", part.tag)).collect();
    let body = complete_body(complete.parts.iter().zip(&tags).map(|(part, tag)| (part.number, tag.as_str())));
    let call = Call::new(Method::POST, target(&store.names().xml_path(name), &[("uploadId", id)]), About::Upload)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/xml"))
        .body(body.into_bytes())
        .patient();
    let (headers, body) = store.client().fetch(&call).await?;
    if !parse_complete(&body) {
        return Err(failed_within(&body));
    }
    let staged = match from_headers(&headers, complete.sum.size) {
        Some(staged) => staged,
        None => store.stored(name).await?,
    };
    if header_metadata(&complete.spec.metadata).is_some() {
        return Ok(staged);
    }
    store.patch(name, staged.generation, &NewResource::carrying(&complete.spec.metadata, None)).await
}

/// An error that came with status 200, because the server had begun to answer before it was done.
fn failed_within(body: &[u8]) -> StoreError {
    let body = parse_error(body);
    if body.code.is_none() {
        return protocol("the answer to completing an upload cannot be understood").possibly_done();
    }
    refused(Refusal { status: 500, body, ..Refusal::default() }, About::Upload, Access::Writes).possibly_done()
}

/// What the answer's headers say of the object. Its length is not among them; a wrong one shows in the CRC-32C.
fn from_headers(headers: &HeaderMap, size: u64) -> Option<Stored> {
    let generation = text(headers, "x-goog-generation")?.parse().ok()?;
    let digests = digests_of(headers);
    digests.crc32c?;
    let identity = brigade_core::Identity::Generation(generation);
    let head = brigade_store::Head {
        size,
        identity,
        modified: None,
        digests,
        metadata: std::sync::Arc::default(),
        tags: 0,
        storage_class: None,
        availability: brigade_core::Availability::Ready,
    };
    Some(Stored { generation, head })
}

pub(crate) async fn abort(store: &GcsStore, name: &[u8], id: &str) -> Result<()> {
    let call = Call::new(Method::DELETE, target(&store.names().xml_path(name), &[("uploadId", id)]), About::Upload);
    match store.client().open(&call).await {
        Err(error) if error.kind != ErrorKind::UploadGone => Err(error),
        _ => Ok(()),
    }
}

/// An upload that was begun and not completed.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    /// Full staging name.
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) started: Option<jiff::Timestamp>,
}

/// Every open upload below a full name prefix; none where the endpoint knows no such uploads.
pub(crate) async fn open_uploads(store: &GcsStore, prefix: &str) -> Result<Vec<Open>> {
    let mut open = Vec::new();
    let mut marker: Option<(String, String)> = None;
    if store.learned().xml_uploads == Honoured::No {
        return Ok(open);
    }
    for _ in 0..BOOKKEEPING_PAGES_MAX {
        let mut query = vec![("uploads", ""), ("prefix", prefix), ("max-uploads", PAGE_ITEMS)];
        if let Some((key, id)) = &marker {
            query.extend([("key-marker", key.as_str()), ("upload-id-marker", id.as_str())]);
        }
        let call = Call::new(Method::GET, target(&store.names().xml_bucket_path(), &query), About::Bucket);
        let body = match store.client().fetch_up_to(&call, LIST_ANSWER_BYTES_MAX).await {
            Ok((_, body)) => body,
            Err(error) if is_unknown(&error) => return Ok(open),
            Err(error) => return Err(error),
        };
        let page = parse_uploads(&body).ok_or_else(|| protocol("the answer is no list of uploads"))?;
        // An endpoint that ignores the prefix names strangers' uploads: those are nobody's business here.
        open.extend(page.uploads.into_iter().filter(|upload| upload.name.starts_with(prefix)).map(|upload| Open {
            started: upload.initiated.and_then(|text| text.parse().ok()),
            name: upload.name,
            id: upload.id,
        }));
        if page.next.is_none() {
            return Ok(open);
        }
        if page.next == marker {
            break;
        }
        marker = page.next;
    }
    Err(protocol("the list of uploads does not end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_travels_in_headers_only_where_every_byte_survives() {
        let user = |name: &str, value: &str| Metadata { user: [(name.to_owned(), value.to_owned())].into(), ..Metadata::default() };
        assert_eq!(header_metadata(&user("a-b", "x, \"y\"; z")).expect("plain").len(), 1);
        for odd in [user("a", "\u{e9}"), user("a", " x"), user("a", ""), user("a b", "x"), user("a", "x\ty")] {
            assert!(header_metadata(&odd).is_none(), "{odd:?}");
        }
    }

    #[test]
    fn an_error_inside_a_good_status_is_an_error() {
        let error = failed_within(b"<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>");
        assert_eq!((error.kind, error.effect), (ErrorKind::Unavailable, brigade_store::error::Effect::Possible));
        assert_eq!(failed_within(b"").kind, ErrorKind::Protocol);
    }

    #[test]
    fn an_unknown_path_is_not_a_missing_bucket() {
        let with = |status, code: &str, kind| {
            let mut error = StoreError::new(kind, "x");
            (error.status, error.code) = (Some(status), Some(code.to_owned()));
            is_unknown(&error)
        };
        assert!(with(501, "", ErrorKind::Unsupported) && with(404, "notFound", ErrorKind::BucketMissing));
        assert!(!with(404, "NoSuchBucket", ErrorKind::BucketMissing) && !with(403, "AccessDenied", ErrorKind::Denied));
    }
}
