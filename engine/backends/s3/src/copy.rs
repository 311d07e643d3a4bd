//! CopyObject and UploadPartCopy: one signed request without a body each, whatever the object's size.
//!
//! Both engines copy by these. The answer's head comes before the copy is done, so its status proves nothing: only a result
//! document is a result, and an error document is an error, whatever the status was ("CopyObject", Amazon S3 API reference).

use std::time::Duration;

use brigade_core::digest::{Digests, crc32c_from_base64, crc64nvme_from_base64, md5_from_etag};
use brigade_http::{Body, uri};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, header};

use crate::connection::{Connection, Link};
use crate::errors::{Answer, Effects, Outcome, protocol, transport};
use crate::headers::{self, VERSION_ID, peek, quoted, text, value};
use crate::hot::DOCUMENT_BYTES_MAX;
use crate::wire::{Call, send_patiently};
use brigade_s3_xml::copy::parse_copy;

const SOURCE: HeaderName = HeaderName::from_static("x-amz-copy-source");
const SOURCE_IF_MATCH: HeaderName = HeaderName::from_static("x-amz-copy-source-if-match");
const SOURCE_RANGE: HeaderName = HeaderName::from_static("x-amz-copy-source-range");
const METADATA_DIRECTIVE: HeaderName = HeaderName::from_static("x-amz-metadata-directive");
const TAGGING_DIRECTIVE: HeaderName = HeaderName::from_static("x-amz-tagging-directive");
const CHECKSUM_ALGORITHM: HeaderName = HeaderName::from_static("x-amz-checksum-algorithm");
const REPLACE: HeaderValue = HeaderValue::from_static("REPLACE");

/// Longest silence while a provider copies: S3 sends white space meanwhile, others say nothing. 5 GiB at 20 MB/s take four minutes.
const COPY_SILENCE_MAX: Duration = Duration::from_secs(600);

/// What is copied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct From<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) key: &'a str,
    /// The only version that may be copied; none where an experiment wants to see another condition fail.
    pub(crate) etag: Option<&'a str>,
}

impl From<'_> {
    fn headers(&self) -> Outcome<HeaderMap> {
        let mut headers = HeaderMap::new();
        let source = format!("{}/{}", uri::encode_segment(self.bucket.as_bytes()), uri::encode_path(self.key.as_bytes()));
        headers.insert(SOURCE, value("the name of the source", &source)?);
        if let Some(etag) = self.etag {
            headers.insert(SOURCE_IF_MATCH, value("the ETag", &quoted(etag))?);
        }
        Ok(headers)
    }
}

/// The checksum that a copy keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Crc32c,
    Crc64nvme,
}

impl Kept {
    /// The one by which the copy can be compared with what is known of its original.
    pub(crate) fn of(digests: &Digests) -> Self {
        match digests {
            Digests { crc32c: None, crc64nvme: Some(_), .. } => Self::Crc64nvme,
            _ => Self::Crc32c,
        }
    }

    fn name(self) -> HeaderValue {
        match self {
            Self::Crc32c => HeaderValue::from_static("CRC32C"),
            Self::Crc64nvme => HeaderValue::from_static("CRC64NVME"),
        }
    }
}

/// What the answer to a copy says.
#[derive(Clone, Debug)]
pub(crate) struct Copied {
    /// Without quotes.
    pub(crate) etag: String,
    /// Computed by the server: nobody told it any. The MD5 is the ETag, where that may be one.
    pub(crate) digests: Digests,
    /// The version written, in a versioned bucket.
    pub(crate) version: Option<String>,
}

/// Copies an object to `key`. Everything beside the bytes is replaced by `headers`, which also hold the condition.
pub(crate) async fn object(
    connection: &Connection,
    link: &Link,
    from: &From<'_>,
    key: &str,
    kept: Option<Kept>,
    headers: &HeaderMap,
) -> Outcome<Copied> {
    let mut all = from.headers()?;
    all.extend(headers.clone());
    all.insert(METADATA_DIRECTIVE, REPLACE);
    all.insert(TAGGING_DIRECTIVE, REPLACE);
    if let Some(kept) = kept {
        all.insert(CHECKSUM_ALGORITHM, kept.name());
    }
    let call = call("CopyObject", key, &[], all);
    copied(connection, link, call).await
}

/// Which part of an upload is copied.
pub(crate) struct PartOf<'a> {
    pub(crate) key: &'a str,
    pub(crate) upload: &'a str,
    pub(crate) number: u32,
    /// First and last byte; the whole source where there is none.
    pub(crate) range: Option<(u64, u64)>,
}

/// Copies a part.
pub(crate) async fn part(connection: &Connection, link: &Link, from: &From<'_>, part: &PartOf<'_>) -> Outcome<Copied> {
    let mut headers = from.headers()?;
    if let Some((first, last)) = part.range {
        headers.insert(SOURCE_RANGE, value("the range", &format!("bytes={first}-{last}"))?);
    }
    let number = part.number.to_string();
    let query = [("partNumber", number.as_str()), ("uploadId", part.upload)];
    copied(connection, link, call("UploadPartCopy", part.key, &query, headers)).await
}

fn call<'a>(operation: &'static str, key: &'a str, query: &'a [(&'a str, &'a str)], headers: HeaderMap) -> Call<'a> {
    Call { operation, effects: Effects::Writes, method: Method::PUT, key: Some(key), query, headers, body: Body::Empty }
}

async fn copied(connection: &Connection, link: &Link, call: Call<'_>) -> Outcome<Copied> {
    let operation = call.operation;
    let response = send_patiently(connection, link, call, COPY_SILENCE_MAX).await?;
    let status = response.status().as_u16();
    let (_, headers, body) = response.into_parts();
    let document = body.into_bytes(DOCUMENT_BYTES_MAX).await.map_err(|error| transport(operation, Effects::Writes, &error))?;
    let result = parse_copy(&document).map_err(|error| {
        let mut failure = Answer { operation, effects: Effects::Writes, status, headers: &headers, body: &document }.failure();
        if failure.error.code.is_none() {
            failure.error = protocol(format!("{operation}: {error}")).possibly_done();
        }
        failure
    })?;
    // Some servers name the ETag of the copy in a header only.
    let etag = result.etag.or_else(|| text(&headers, header::ETAG));
    let etag = etag.map(|etag| etag.trim_matches('"').to_owned()).filter(|etag| !etag.is_empty());
    let etag = etag.ok_or_else(|| protocol(format!("{operation} answered without an ETag")).possibly_done())?;
    let whole = result.checksum_type.as_deref() != Some("COMPOSITE");
    let digests = Digests {
        crc32c: result.crc32c.as_deref().filter(|_| whole).and_then(crc32c_from_base64),
        crc64nvme: result.crc64nvme.as_deref().filter(|_| whole).and_then(crc64nvme_from_base64),
        md5: headers::etag_is_md5(&headers).then(|| md5_from_etag(&etag)).flatten(),
    };
    let version = peek(&headers, VERSION_ID).filter(|version| version != "null").map(|version| version.into_owned());
    Ok(Copied { etag, digests, version })
}
