//! Between headers and what the seam speaks of: metadata, conditions, checksums, identities.

mod words;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use brigade_core::digest::{Digests, crc32c_from_base64, crc64nvme_from_base64, md5_from_etag};
use brigade_core::{Availability, ErrorKind, Identity, Metadata};
use brigade_http::uri::encode_pairs;
use brigade_store::{Head, Result, StoreError, When, WriteSpec};
use http::header::{self, AsHeaderName, HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use jiff::fmt::rfc2822;

pub(crate) use words::{decode_words, encode_words};

/// Asks for the stored checksums to be told.
pub(crate) const CHECKSUM_MODE: HeaderName = HeaderName::from_static("x-amz-checksum-mode");
/// A body's CRC-32C.
pub(crate) const CHECKSUM_CRC32C: HeaderName = HeaderName::from_static("x-amz-checksum-crc32c");
/// A body's MD5.
pub(crate) const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
/// Asks a listing to tell what it leaves out by default.
pub(crate) const OPTIONAL_ATTRIBUTES: HeaderName = HeaderName::from_static("x-amz-optional-object-attributes");
const META_PREFIX: &str = "x-amz-meta-";

// Names that every answer is asked for, made once: a name given as text is taken apart at each use.
const CHECKSUM_CRC64NVME: HeaderName = HeaderName::from_static("x-amz-checksum-crc64nvme");
const CHECKSUM_TYPE: HeaderName = HeaderName::from_static("x-amz-checksum-type");
const STORAGE_CLASS: HeaderName = HeaderName::from_static("x-amz-storage-class");
const TAGGING_COUNT: HeaderName = HeaderName::from_static("x-amz-tagging-count");
const RESTORE: HeaderName = HeaderName::from_static("x-amz-restore");
const ARCHIVE_STATUS: HeaderName = HeaderName::from_static("x-amz-archive-status");
const ENCRYPTION: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");
const CUSTOMER_KEY: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-customer-algorithm");
/// The version that an answer speaks of.
pub(crate) const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");

/// An ETag as conditions carry it.
pub(crate) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// A header value, or the reason why the object cannot be written as it is.
pub(crate) fn value(what: &str, text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|_| StoreError::new(ErrorKind::Unfit, format!("{what} cannot be sent as a header")))
}

/// Everything that a write carries beside its bytes and their digests.
pub(crate) fn of_spec(spec: &WriteSpec) -> Result<HeaderMap> {
    let mut headers = of_metadata(&spec.metadata)?;
    if let Some(class) = &spec.storage_class {
        headers.insert(STORAGE_CLASS, value("the storage class", class)?);
    }
    Ok(headers)
}

/// The condition of a write.
pub(crate) fn add_condition(headers: &mut HeaderMap, when: &When) -> Result<()> {
    match when {
        When::Always => {}
        When::IfAbsent => {
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("*"));
        }
        When::IfMatches(identity) => {
            headers.insert(header::IF_MATCH, value("the ETag", &quoted(etag_of(identity)?))?);
        }
    }
    Ok(())
}

/// The ETag of an identity; anything else comes from another store and is a defect.
pub(crate) fn etag_of(identity: &Identity) -> Result<&str> {
    let reason = || StoreError::new(ErrorKind::Internal, format!("an S3 object is identified by its ETag, not by {identity}"));
    identity.as_etag().filter(|etag| !etag.is_empty()).ok_or_else(reason)
}

fn of_metadata(metadata: &Metadata) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let plain = [
        (header::CONTENT_TYPE, &metadata.content_type),
        (header::CONTENT_ENCODING, &metadata.content_encoding),
        (header::CONTENT_DISPOSITION, &metadata.content_disposition),
        (header::CONTENT_LANGUAGE, &metadata.content_language),
        (header::CACHE_CONTROL, &metadata.cache_control),
        (header::EXPIRES, &metadata.expires),
    ];
    for (name, text) in plain {
        if let Some(text) = text {
            let text = if text.is_ascii() { text.clone() } else { encode_words(text) };
            headers.insert(name.clone(), value(name.as_str(), &text)?);
        }
    }
    for (name, text) in &metadata.user {
        let unfit = || StoreError::new(ErrorKind::Unfit, format!("the user metadata name {name:?} cannot be sent as a header"));
        let header = HeaderName::from_bytes(format!("{META_PREFIX}{name}").as_bytes()).map_err(|_| unfit())?;
        headers.insert(header, value("a user metadata value", &encode_words(text))?);
    }
    if !metadata.tags.is_empty() {
        let pairs = encode_pairs(metadata.tags.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        headers.insert("x-amz-tagging", value("the tags", &pairs)?);
    }
    Ok(headers)
}

/// The facts of an object from the headers of GET or HEAD. `size` is that of the whole object.
pub(crate) fn head(headers: &HeaderMap, size: u64) -> Result<Head> {
    let etag = peek(headers, header::ETAG).unwrap_or_default();
    let class = peek(headers, STORAGE_CLASS).map(Arc::<str>::from);
    let checksums = Checksums {
        crc32c: text(headers, CHECKSUM_CRC32C),
        crc64nvme: text(headers, CHECKSUM_CRC64NVME),
        kind: text(headers, CHECKSUM_TYPE),
    };
    let modified = peek(headers, header::LAST_MODIFIED).and_then(|date| http_date(&date));
    let tags = peek(headers, TAGGING_COUNT).and_then(|count| count.parse().ok()).unwrap_or(0);
    let restore = peek(headers, RESTORE);
    let archive = peek(headers, ARCHIVE_STATUS);
    Ok(Head {
        size,
        identity: Identity::etag(&etag),
        modified,
        digests: digests(&checksums, Some(&etag), etag_is_md5(headers)),
        metadata: Arc::new(metadata(headers)),
        tags,
        availability: availability(class.as_deref(), is_restored(restore.as_deref()), archive.as_deref()),
        storage_class: class,
    })
}

/// Checksum headers or fields, as given.
#[derive(Default)]
pub(crate) struct Checksums {
    pub(crate) crc32c: Option<String>,
    pub(crate) crc64nvme: Option<String>,
    pub(crate) kind: Option<String>,
}

/// Whole-object digests among the checksums and the ETag; composites are none.
pub(crate) fn digests(checksums: &Checksums, etag: Option<&str>, etag_is_md5: bool) -> Digests {
    let md5 = etag.filter(|_| etag_is_md5).and_then(md5_from_etag);
    if checksums.kind.as_deref() == Some("COMPOSITE") {
        return Digests { md5, ..Digests::default() };
    }
    Digests {
        crc32c: checksums.crc32c.as_deref().and_then(crc32c_from_base64),
        crc64nvme: checksums.crc64nvme.as_deref().and_then(crc64nvme_from_base64),
        md5,
    }
}

/// Whether the ETag can be an MD5: not with SSE-KMS or customer keys ("ETag", Amazon S3 API reference, Object).
pub(crate) fn etag_is_md5(headers: &HeaderMap) -> bool {
    let kms = peek(headers, ENCRYPTION).is_some_and(|kind| kind.starts_with("aws:kms"));
    !kms && !headers.contains_key(CUSTOMER_KEY)
}

/// Whether an object's bytes can be read now.
pub(crate) fn availability(class: Option<&str>, restored: bool, archive_status: Option<&str>) -> Availability {
    let archived = matches!(class, Some("GLACIER" | "DEEP_ARCHIVE")) || archive_status.is_some();
    if archived && !restored { Availability::Archived } else { Availability::Ready }
}

/// `ongoing-request="false", expiry-date="..."` means that a restored copy is there.
pub(crate) fn is_restored(restore: Option<&str>) -> bool {
    restore.is_some_and(|restore| restore.contains("ongoing-request=\"false\""))
}

fn metadata(headers: &HeaderMap) -> Metadata {
    let field = |name: HeaderName| peek(headers, name).map(|text| decode_words(&text));
    let user: BTreeMap<String, String> = headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().strip_prefix(META_PREFIX)?.to_owned(), decode_words(&lossy(value)))))
        .collect();
    Metadata {
        content_type: field(header::CONTENT_TYPE),
        content_encoding: field(header::CONTENT_ENCODING).and_then(|value| without_chunked(&value)),
        content_disposition: field(header::CONTENT_DISPOSITION),
        content_language: field(header::CONTENT_LANGUAGE),
        cache_control: field(header::CACHE_CONTROL),
        expires: field(header::EXPIRES),
        user,
        tags: Vec::new(),
    }
}

/// Some servers keep the `aws-chunked` of the upload that the object came by; it says nothing about the stored bytes.
pub(crate) fn without_chunked(encoding: &str) -> Option<String> {
    let kept: Vec<&str> = encoding.split(',').map(str::trim).filter(|part| !part.is_empty() && *part != "aws-chunked").collect();
    (!kept.is_empty()).then(|| kept.join(", "))
}

fn http_date(text: &str) -> Option<Timestamp> {
    let at = httpdate::parse_http_date(text).ok().and_then(|at| Timestamp::try_from(at).ok());
    at.or_else(|| rfc2822::parse(text).ok().map(|zoned| zoned.timestamp()))
}

/// A header's text; bytes that are no UTF-8 are read as Latin-1, which HTTP once was.
pub(crate) fn text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<String> {
    peek(headers, name).map(Cow::into_owned)
}

/// The same, borrowed where it is UTF-8.
pub(crate) fn peek(headers: &HeaderMap, name: impl AsHeaderName) -> Option<Cow<'_, str>> {
    headers.get(name).map(lossy)
}

fn lossy(value: &HeaderValue) -> Cow<'_, str> {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => value.as_bytes().iter().map(|byte| char::from(*byte)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, text)| (HeaderName::from_static(name), HeaderValue::from_str(text).expect("a value"))).collect()
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let mut written = Metadata {
            content_type: Some("text/plain".into()),
            content_disposition: Some("attachment; filename=\"x\"".into()),
            expires: Some("not a date".into()),
            ..Metadata::default()
        };
        written.user.insert("plain".into(), "value with  two spaces".into());
        written.user.insert("umlaut".into(), "Grüße, 世界 \u{1f600}".into());
        written.user.insert("looks-encoded".into(), "=?UTF-8?B?eA==?=".into());
        let read = metadata(&of_metadata(&written).expect("fits"));
        assert_eq!(read, written);
    }

    #[test]
    fn what_no_header_can_carry_is_unfit() {
        let mut odd = Metadata::default();
        odd.user.insert("sp ace".into(), "x".into());
        assert_eq!(of_metadata(&odd).expect_err("refused").kind, ErrorKind::Unfit);
        let split = Metadata { content_type: Some("a\r\nx-evil: 1".into()), ..Metadata::default() };
        assert_eq!(of_metadata(&split).expect_err("refused").kind, ErrorKind::Unfit);
    }

    #[test]
    fn tags_are_a_query_string() {
        let tagged = Metadata { tags: vec![("a b".into(), "1&2".into()), ("c".into(), String::new())], ..Metadata::default() };
        assert_eq!(of_metadata(&tagged).expect("fits")["x-amz-tagging"], "a%20b=1%262&c=");
    }

    #[test]
    fn digests_are_those_of_the_whole_object_only() {
        const MD5: &str = "\"d41d8cd98f00b204e9800998ecf8427e\"";
        let full = headers(&[("etag", MD5), ("x-amz-checksum-crc32c", "4waSgw=="), ("x-amz-checksum-type", "FULL_OBJECT")]);
        let seen = head(&full, 9).expect("complete");
        assert_eq!((seen.digests.crc32c, seen.digests.md5.is_some()), (Some(0xe306_9283), true));
        let parts = headers(&[("etag", MD5), ("x-amz-checksum-crc32c", "4waSgw=="), ("x-amz-checksum-type", "COMPOSITE")]);
        assert_eq!(head(&parts, 9).expect("complete").digests.crc32c, None);
        let suffix = headers(&[("etag", "\"d41d8cd98f00b204e9800998ecf8427e-2\""), ("x-amz-checksum-crc32c", "4waSgw==-2")]);
        assert!(head(&suffix, 9).expect("complete").digests.is_empty());
        for encrypted in [("x-amz-server-side-encryption", "aws:kms"), ("x-amz-server-side-encryption-customer-algorithm", "AES256")] {
            assert_eq!(head(&headers(&[("etag", MD5), encrypted]), 9).expect("complete").digests.md5, None);
        }
        let managed = headers(&[("etag", MD5), ("x-amz-server-side-encryption", "AES256")]);
        assert!(head(&managed, 9).expect("complete").digests.md5.is_some());
    }

    #[test]
    fn archived_objects_are_seen_unless_restored() {
        use Availability::{Archived, Ready};
        let of = |pairs: &[(&'static str, &str)]| head(&headers(pairs), 1).expect("complete").availability;
        assert_eq!(of(&[("x-amz-storage-class", "DEEP_ARCHIVE")]), Archived);
        assert_eq!(of(&[("x-amz-storage-class", "GLACIER_IR")]), Ready);
        assert_eq!(of(&[("x-amz-storage-class", "GLACIER"), ("x-amz-restore", "ongoing-request=\"true\"")]), Archived);
        let done = "ongoing-request=\"false\", expiry-date=\"Fri, 21 Dec 2012 00:00:00 GMT\"";
        assert_eq!(of(&[("x-amz-storage-class", "GLACIER"), ("x-amz-restore", done)]), Ready);
        assert_eq!(of(&[("x-amz-storage-class", "INTELLIGENT_TIERING"), ("x-amz-archive-status", "ARCHIVE_ACCESS")]), Archived);
    }

    #[test]
    fn conditions_are_headers() {
        let mut map = HeaderMap::new();
        add_condition(&mut map, &When::IfMatches(Identity::etag("abc"))).expect("an ETag");
        assert_eq!(map["if-match"], "\"abc\"");
        assert!(add_condition(&mut map, &When::IfMatches(Identity::Generation(1))).is_err());
        assert!(etag_of(&Identity::etag("")).is_err());
    }
}
