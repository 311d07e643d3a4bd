//! The operations that are made for every object, behind one trait with two engines.
//!
//! An engine only asks and reads the answer's head; what the answer must be is checked above, once for both. A request is
//! made exactly once per call.

pub(crate) mod lean;
pub(crate) mod sdk;

use std::sync::Arc;

use async_trait::async_trait;
use aws_smithy_types::byte_stream::ByteStream;
use brigade_core::ErrorKind;
use brigade_core::digest::crc32c_from_base64;
use brigade_core::parts::Part;
use brigade_http::ResponseBody;
use brigade_store::{Head, Rope, StoreError};
use bytes::Bytes;
use http::HeaderMap;

use crate::connection::{Connection, Link};
use crate::errors::{Effects, Outcome, transport};
use crate::options::Engine;
use brigade_s3_xml::{DeleteResult, ListPage};

/// Longest document that is read, in bytes: a page of 1,000 keys of 1,024 bytes, each byte percent-encoded, with its facts.
pub(crate) const DOCUMENT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A read.
pub(crate) struct Get<'a> {
    pub(crate) key: &'a str,
    pub(crate) range: Option<Part>,
    pub(crate) etag: &'a str,
}

/// The head of a read's answer, and its body to come.
pub(crate) struct Got {
    pub(crate) head: Head,
    /// `Content-Range`, of a 206 only.
    pub(crate) range: Option<String>,
    /// `Content-Length`.
    pub(crate) length: Option<u64>,
    pub(crate) body: Incoming,
}

/// A whole-object write.
pub(crate) struct Put<'a> {
    pub(crate) key: &'a str,
    pub(crate) body: &'a Rope,
    /// Base64 of the body's CRC-32C.
    pub(crate) crc32c: Option<String>,
    /// Base64 of the body's MD5.
    pub(crate) md5: Option<String>,
    /// Metadata, class, tags and condition.
    pub(crate) headers: &'a HeaderMap,
}

/// A part.
pub(crate) struct PutPart<'a> {
    pub(crate) key: &'a str,
    pub(crate) upload: &'a str,
    pub(crate) number: u32,
    pub(crate) body: &'a Rope,
    /// Base64 of the body's CRC-32C.
    pub(crate) crc32c: Option<String>,
}

/// What the answer to a write says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stored {
    /// Without quotes.
    pub(crate) etag: Option<Arc<str>>,
    /// The CRC-32C that the server names.
    pub(crate) crc32c: Option<u32>,
    /// The CRC-64/NVME that the server names: of an upload that was asked to keep one.
    pub(crate) crc64nvme: Option<u64>,
    /// Whether the ETag may be an MD5.
    pub(crate) etag_may_be_md5: bool,
    /// The version written, in a versioned bucket.
    pub(crate) version: Option<String>,
}

impl Stored {
    fn new(etag: Option<&str>, crc32c: Option<&str>, etag_may_be_md5: bool, version: Option<&str>) -> Self {
        let etag = etag.map(|etag| etag.trim_matches('"')).filter(|etag| !etag.is_empty());
        Self {
            etag: etag.map(Arc::from),
            crc32c: crc32c.and_then(crc32c_from_base64),
            crc64nvme: None,
            etag_may_be_md5,
            version: version.map(str::to_owned),
        }
    }
}

/// Which page of a listing.
pub(crate) struct ListQuery<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) start_after: Option<&'a str>,
    pub(crate) token: Option<&'a str>,
    pub(crate) keys_max: usize,
}

/// A delete.
#[derive(Clone, Debug)]
pub(crate) struct DeleteOne {
    pub(crate) key: String,
    /// Only this version of the content.
    pub(crate) etag: Option<String>,
    /// Exactly this version of the history.
    pub(crate) version: Option<String>,
}

/// The hot operations.
#[async_trait]
pub(crate) trait Hot: Send + Sync {
    async fn get(&self, link: &Link, get: &Get<'_>) -> Outcome<Got>;
    async fn head(&self, link: &Link, key: &str) -> Outcome<(Head, Option<String>)>;
    async fn put(&self, link: &Link, put: &Put<'_>) -> Outcome<Stored>;
    async fn put_part(&self, link: &Link, part: &PutPart<'_>) -> Outcome<Stored>;
    async fn list(&self, link: &Link, query: &ListQuery<'_>) -> Outcome<ListPage>;
    /// Keys that do not fit into XML are the caller's to keep out.
    async fn delete_batch(&self, link: &Link, batch: &[DeleteOne]) -> Outcome<DeleteResult>;
    /// The answer is the version or marker that the delete made or removed.
    async fn delete_one(&self, link: &Link, one: &DeleteOne) -> Outcome<Option<String>>;
}

/// The engine that was asked for.
pub(crate) fn engine(kind: Engine, connection: Arc<Connection>) -> Box<dyn Hot> {
    match kind {
        Engine::Lean => Box::new(lean::Lean { connection }),
        Engine::Sdk => Box::new(sdk::Sdk { connection }),
    }
}

/// A body that is arriving.
pub(crate) enum Incoming {
    Lean(ResponseBody),
    Sdk(ByteStream),
}

impl Incoming {
    /// The next chunk; `None` at the clean end.
    pub(crate) async fn next(&mut self) -> Outcome<Option<Bytes>> {
        match self {
            Self::Lean(body) => match body.next_chunk().await {
                None => Ok(None),
                Some(Ok(chunk)) => Ok(Some(chunk)),
                Some(Err(error)) => Err(transport("GetObject", Effects::Reads, &error)),
            },
            Self::Sdk(body) => match body.next().await {
                None => Ok(None),
                Some(Ok(chunk)) => Ok(Some(chunk)),
                Some(Err(error)) => Err(sdk::body_failure(error)),
            },
        }
    }
}

/// A length as the AWS SDK counts.
pub(crate) fn signed(length: u64) -> Result<i64, StoreError> {
    i64::try_from(length).map_err(|_| StoreError::new(ErrorKind::Internal, "a length does not fit in 63 bits"))
}
