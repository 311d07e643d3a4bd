//! Headers of requests to what the world understands, and objects back to headers.

use super::failure::Failure;
use crate::world::{Attributes, Checksum, ChecksumAlgorithm, Conditions, Holds, Object, RetentionMode, Tag, VersionId, Versioning};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, ETAG, EXPIRES, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, LAST_MODIFIED,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;
use std::time::SystemTime;

const METADATA_PREFIX: &str = "x-amz-meta-";
/// Tags of one object, at most (Amazon S3 user guide, "Categorizing your storage using tags").
const TAGS_MAX: usize = 10;

/// A header as text; bytes above ASCII are taken as UTF-8.
pub(crate) fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Content headers, metadata, tags, storage class and encryption of a write.
pub(crate) fn attributes(headers: &HeaderMap) -> Result<Attributes, Failure> {
    let metadata = headers.keys().filter_map(|name| {
        let short = name.as_str().strip_prefix(METADATA_PREFIX)?;
        let values: Vec<String> =
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
        Some((short.to_owned(), values.join(",")))
    });
    Ok(Attributes {
        content_type: text(headers, CONTENT_TYPE.as_str()),
        content_encoding: text(headers, CONTENT_ENCODING.as_str()).and_then(|encoding| without_aws_chunked(&encoding)),
        content_disposition: text(headers, CONTENT_DISPOSITION.as_str()),
        content_language: text(headers, CONTENT_LANGUAGE.as_str()),
        cache_control: text(headers, CACHE_CONTROL.as_str()),
        expires: text(headers, EXPIRES.as_str()),
        metadata: metadata.collect(),
        tags: tags_of_header(headers)?,
        storage_class: text(headers, "x-amz-storage-class").filter(|class| class != "STANDARD"),
        encryption: text(headers, "x-amz-server-side-encryption"),
        custom_time: None,
    })
}

/// `aws-chunked` describes the transfer, not the object.
fn without_aws_chunked(encoding: &str) -> Option<String> {
    let kept: Vec<&str> = encoding.split(',').map(str::trim).filter(|one| *one != "aws-chunked" && !one.is_empty()).collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

/// `x-amz-tagging`, a query string.
pub(crate) fn tags_of_header(headers: &HeaderMap) -> Result<BTreeMap<String, String>, Failure> {
    let Some(header) = text(headers, "x-amz-tagging") else { return Ok(BTreeMap::new()) };
    let decode = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
    let tags = header.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key), decode(value))
    });
    checked_tags(tags)
}

/// Refuses too many tags, and a key given twice.
pub(crate) fn checked_tags(tags: impl Iterator<Item = (String, String)>) -> Result<BTreeMap<String, String>, Failure> {
    let mut kept = BTreeMap::new();
    for (key, value) in tags {
        if kept.insert(key, value).is_some() {
            return Err(Failure::new(400, "InvalidTag", "Cannot provide multiple Tags with the same key"));
        }
    }
    if kept.len() > TAGS_MAX { Err(Failure::new(400, "BadRequest", "Object tags cannot be greater than 10")) } else { Ok(kept) }
}

/// Holds that a write sets.
pub(crate) fn holds(headers: &HeaderMap) -> Holds {
    let until = text(headers, "x-amz-object-lock-retain-until-date").and_then(|text| text.parse().ok());
    let legal = text(headers, "x-amz-object-lock-legal-hold").is_some_and(|state| state == "ON");
    let mode = text(headers, "x-amz-object-lock-mode").and_then(|mode| RetentionMode::parse(&mode)).unwrap_or_default();
    Holds { legal, retain_until: until, mode, ..Holds::default() }
}

/// `If-*` of a read or of a write.
pub(crate) fn conditions(headers: &HeaderMap) -> Conditions {
    Conditions {
        if_match: text(headers, IF_MATCH.as_str()).map(|value| Tag::parse(&value)),
        if_none_match: text(headers, IF_NONE_MATCH.as_str()).map(|value| Tag::parse(&value)),
        if_modified_since: date(headers, IF_MODIFIED_SINCE.as_str()),
        if_unmodified_since: date(headers, IF_UNMODIFIED_SINCE.as_str()),
        ..Conditions::NONE
    }
}

/// `If-*` of a write: S3 knows only `*` for `If-None-Match` there, and no dates.
pub(crate) fn write_conditions(headers: &HeaderMap) -> Result<Conditions, Failure> {
    let all = conditions(headers);
    if matches!(&all.if_none_match, Some(Tag::Listed(_))) {
        return Err(Failure::not_implemented("If-None-Match with an ETag on a write"));
    }
    Ok(Conditions { if_match: all.if_match, if_none_match: all.if_none_match, ..Conditions::NONE })
}

/// `x-amz-copy-source-if-*`.
pub(crate) fn copy_source_conditions(headers: &HeaderMap) -> Conditions {
    Conditions {
        if_match: text(headers, "x-amz-copy-source-if-match").map(|value| Tag::parse(&value)),
        if_none_match: text(headers, "x-amz-copy-source-if-none-match").map(|value| Tag::parse(&value)),
        if_modified_since: date(headers, "x-amz-copy-source-if-modified-since"),
        if_unmodified_since: date(headers, "x-amz-copy-source-if-unmodified-since"),
        ..Conditions::NONE
    }
}

fn date(headers: &HeaderMap, name: &str) -> Option<Timestamp> {
    let moment = httpdate::parse_http_date(&text(headers, name)?).ok()?;
    Timestamp::try_from(moment).ok()
}

/// The checksum whose value a request carries in a header or a trailer.
pub(crate) fn announced(headers: &HeaderMap) -> Option<(ChecksumAlgorithm, String)> {
    ChecksumAlgorithm::ALL.into_iter().find_map(|algorithm| Some((algorithm, text(headers, algorithm.header())?)))
}

/// The algorithm that a request names, by a value, by a trailer to come, or by name alone.
pub(crate) fn asked_algorithm(headers: &HeaderMap) -> Result<Option<ChecksumAlgorithm>, Failure> {
    if let Some((algorithm, _)) = announced(headers) {
        return Ok(Some(algorithm));
    }
    let trailer = text(headers, "x-amz-trailer").unwrap_or_default();
    let trailing = |algorithm: &ChecksumAlgorithm| trailer.split(',').any(|name| name.trim().eq_ignore_ascii_case(algorithm.header()));
    if let Some(algorithm) = ChecksumAlgorithm::ALL.into_iter().find(trailing) {
        return Ok(Some(algorithm));
    }
    let named = text(headers, "x-amz-sdk-checksum-algorithm").or_else(|| text(headers, "x-amz-checksum-algorithm"));
    let Some(name) = named else { return Ok(None) };
    ChecksumAlgorithm::parse(&name).map(Some).ok_or_else(|| Failure::invalid(format!("checksum algorithm {name} is not supported")))
}

/// `Last-Modified` and its like.
pub(crate) fn http_date(moment: Timestamp) -> String {
    httpdate::fmt_http_date(SystemTime::from(moment))
}

/// Times in S3's XML have whole seconds, written with three zeros.
pub(crate) fn xml_date(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

/// Sets a header, when the value can be one.
pub(crate) fn set(headers: &mut HeaderMap, name: HeaderName, value: impl AsRef<[u8]>) {
    match HeaderValue::from_bytes(value.as_ref()) {
        Ok(value) => drop(headers.insert(name, value)),
        Err(error) => tracing::warn!(%name, %error, "a value cannot be sent as a header"),
    }
}

/// Sets a header by its name in lower case, when the name and the value can be ones.
pub(crate) fn set_named(headers: &mut HeaderMap, name: &str, value: impl AsRef<[u8]>) {
    if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
        set(headers, name, value);
    }
}

/// Everything that GET and HEAD say about an object, except what concerns ranges and checksums.
pub(crate) fn describe(object: &Object, versioning: Versioning, headers: &mut HeaderMap) {
    let attributes = &object.attributes;
    set(headers, ETAG, format!("\"{}\"", object.etag));
    set(headers, LAST_MODIFIED, http_date(object.modified));
    set(headers, ACCEPT_RANGES, "bytes");
    set(headers, CONTENT_TYPE, attributes.content_type.as_deref().unwrap_or("binary/octet-stream"));
    for (name, value) in [
        (CONTENT_ENCODING, &attributes.content_encoding),
        (CONTENT_DISPOSITION, &attributes.content_disposition),
        (CONTENT_LANGUAGE, &attributes.content_language),
        (CACHE_CONTROL, &attributes.cache_control),
        (EXPIRES, &attributes.expires),
    ] {
        if let Some(value) = value {
            set(headers, name, value);
        }
    }
    for (name, value) in &attributes.metadata {
        set_named(headers, &format!("{METADATA_PREFIX}{name}"), value);
    }
    if let Some(class) = &attributes.storage_class {
        set_named(headers, "x-amz-storage-class", class);
    }
    if let Some(encryption) = &attributes.encryption {
        set_named(headers, "x-amz-server-side-encryption", encryption);
    }
    if !attributes.tags.is_empty() {
        set_named(headers, "x-amz-tagging-count", attributes.tags.len().to_string());
    }
    if object.holds.legal {
        set_named(headers, "x-amz-object-lock-legal-hold", "ON");
    }
    if let Some(until) = object.holds.retain_until {
        set_named(headers, "x-amz-object-lock-mode", object.holds.mode.name());
        set_named(headers, "x-amz-object-lock-retain-until-date", until.to_string());
    }
    version(object.version, versioning, headers);
}

/// `x-amz-version-id`, where the bucket has or had versioning.
pub(crate) fn version(version: VersionId, versioning: Versioning, headers: &mut HeaderMap) {
    if versioning != Versioning::Off {
        set_named(headers, "x-amz-version-id", version.to_string());
    }
}

/// A stored checksum with its type.
pub(crate) fn checksum(checksum: &Checksum, headers: &mut HeaderMap) {
    set_named(headers, checksum.algorithm.header(), &*checksum.value);
    set_named(headers, "x-amz-checksum-type", checksum.kind.name());
}
