//! The S3 store as the engine sees it: keys relative to a prefix, every answer checked against what was asked.
//!
//! [`S3Store`] lists, reads and writes. Deleting takes an [`S3Deleter`], a type of its own, so that neither a source nor a
//! target can do it by mistake.

mod copy;
mod delete;
mod list;
mod read;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use brigade_core::compare::DigestSource;
use brigade_core::limits::{
    DELETE_BATCH_MAX, PART_BYTES_MAX, PART_BYTES_MIN, PARTS_MAX, PUT_BYTES_MAX, S3_METADATA_BYTES_MAX, S3_OBJECT_BYTES_MAX, TIB,
};
use brigade_core::metadata::ClassNames;
use brigade_core::parts::PartLimits;
use brigade_core::{ErrorKind, Key, KeyRules};
use brigade_http::Transport;
use brigade_store::{Facts, Honoured, Listing, MtimeStyle, Probe, ProbeFor, ProofSupport, Result, StoreError};
use parking_lot::RwLock;

use crate::connection::{Connection, Link};
use crate::control::Checks;
use crate::errors::Outcome;
use crate::hot::{self, Hot};
use crate::options::S3Options;
use crate::probe;

pub use copy::S3Copier;
pub(crate) use copy::UNKNOWN as UNKNOWN_COPIES;
pub(crate) use delete::of_key;

/// Largest object of an S3-compatible store: the older documented limit of S3 itself, which they copy.
const COMPATIBLE_OBJECT_BYTES_MAX: u64 = 5 * TIB;

/// Tags of one S3 object.
const TAGS_MAX: usize = 10;

/// A bucket and prefix. Cloning shares connections, credentials and what was probed.
#[derive(Clone)]
pub struct S3Store {
    pub(crate) inner: Arc<Inner>,
}

/// The right to delete from a bucket and prefix.
#[derive(Clone)]
pub struct S3Deleter {
    pub(crate) inner: Arc<Inner>,
}

/// What store and deleter share.
pub(crate) struct Inner {
    pub(crate) connection: Arc<Connection>,
    pub(crate) hot: Box<dyn Hot>,
    pub(crate) prefix: String,
    pub(crate) known: RwLock<Arc<Known>>,
}

/// What is known of the endpoint.
#[derive(Clone)]
pub(crate) struct Known {
    /// For the engine.
    pub(crate) facts: Facts,
    /// Whether bodies carry their CRC-32C.
    pub(crate) sends_crc32c: bool,
    /// What an upload in parts carries.
    pub(crate) checks: Checks,
    /// Whether a part's ETag was seen to be its MD5.
    pub(crate) part_etag_is_md5: bool,
    /// How objects are deleted.
    pub(crate) deletes: Deletes,
}

/// How objects are deleted under a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deletes {
    /// DeleteObjects, each key with its ETag.
    Batch,
    /// One DELETE with `If-Match` for each key.
    Single,
    /// DeleteObjects without conditions: the endpoint refuses them.
    BatchUnconditional,
}

impl S3Store {
    /// Resolves endpoint, region and credentials. The first request is made later, by [`Probe::probe`] or a use.
    pub async fn connect(options: S3Options, transport: Transport) -> Result<Self> {
        if !options.prefix.is_empty() && !options.prefix.ends_with('/') {
            return Err(StoreError::new(ErrorKind::Internal, "a key prefix ends in a slash"));
        }
        let connection = Arc::new(Connection::open(&options, transport).await?);
        let known = RwLock::new(Arc::new(first_known(&connection)));
        let hot = hot::engine(options.engine, connection.clone());
        Ok(Self { inner: Arc::new(Inner { connection, hot, prefix: options.prefix, known }) })
    }

    /// The right to delete here.
    pub fn deleter(&self) -> S3Deleter {
        S3Deleter { inner: self.inner.clone() }
    }

    /// One spelling for every way to name this endpoint: `s3 host:port`, or `s3 aws`.
    pub fn endpoint_id(&self) -> String {
        self.inner.connection.address.id()
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.inner.connection.address.bucket
    }

    /// The key prefix.
    pub fn prefix(&self) -> &str {
        &self.inner.prefix
    }

    /// The region in use; it changes when the endpoint names another one.
    pub fn region(&self) -> String {
        self.inner.connection.link().region.clone()
    }

    /// For people: `s3://bucket/prefix at host:port, region eu-west-1`.
    pub fn describe(&self) -> String {
        let link = self.inner.connection.link();
        format!("s3://{}/{} at {}, region {}", self.bucket(), self.prefix(), link.endpoint.authority, link.region)
    }
}

impl Inner {
    /// The full name of a key, or the reason why S3 cannot hold it.
    pub(crate) fn name(&self, key: &Key) -> Result<String> {
        let mut name = self.prefix.clone().into_bytes();
        name.extend_from_slice(key.as_bytes());
        if let Some(reason) = KeyRules::S3.unfit(&name) {
            return Err(StoreError::new(ErrorKind::Unfit, reason));
        }
        String::from_utf8(name).map_err(|_| StoreError::new(ErrorKind::Unfit, "the name is not valid UTF-8"))
    }

    pub(crate) fn bucket(&self) -> &str {
        &self.connection.address.bucket
    }

    pub(crate) fn known(&self) -> Arc<Known> {
        self.known.read().clone()
    }

    /// One request, with what its refusal may teach.
    pub(crate) async fn run<T, F, Fut>(&self, attempt: F) -> Result<T>
    where
        F: Fn(Arc<Link>) -> Fut,
        Fut: Future<Output = Outcome<T>>,
    {
        self.connection.run(attempt).await
    }
}

#[async_trait]
impl Probe for S3Store {
    fn facts(&self) -> Facts {
        self.inner.known.read().facts.clone()
    }

    async fn probe(&self, purpose: ProbeFor) -> Result<Facts> {
        probe::probe(&self.inner, purpose).await
    }
}

#[async_trait]
impl Probe for S3Deleter {
    fn facts(&self) -> Facts {
        self.inner.known.read().facts.clone()
    }

    async fn probe(&self, purpose: ProbeFor) -> Result<Facts> {
        probe::probe(&self.inner, purpose).await
    }
}

/// What holds before anything was asked: the documented limits, and no belief in any ability.
fn first_known(connection: &Connection) -> Known {
    let aws = connection.address.id().starts_with("s3 aws");
    let facts = Facts {
        keys: KeyRules::S3,
        parts: PartLimits {
            part_bytes_min: PART_BYTES_MIN,
            part_bytes_max: PART_BYTES_MAX,
            parts_max: PARTS_MAX,
            put_bytes_max: PUT_BYTES_MAX,
            object_bytes_max: if aws { S3_OBJECT_BYTES_MAX } else { COMPATIBLE_OBJECT_BYTES_MAX },
        },
        listing: Listing::Ranged,
        delete_batch_max: DELETE_BATCH_MAX,
        digests: DigestSource::Stored,
        put_proof: ProofSupport::Md5,
        upload_proof: ProofSupport::None,
        checks_md5: Honoured::Unknown,
        conditional_put: Honoured::Unknown,
        conditional_complete: Honoured::Unknown,
        conditional_delete: Honoured::Unknown,
        versioned: Honoured::Unknown,
        metadata_bytes_max: S3_METADATA_BYTES_MAX,
        tags_max: TAGS_MAX,
        keeps_expires: true,
        classes: ClassNames::S3,
        keeps_metadata: true,
        mtime: MtimeStyle::UnixSeconds,
        missing_rights: Vec::new(),
        notes: Vec::new(),
    };
    Known { facts, sends_crc32c: true, checks: Checks::FullObject, part_etag_is_md5: false, deletes: Deletes::Batch }
}
