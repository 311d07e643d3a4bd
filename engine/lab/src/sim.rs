//! The simulated store: the world as the engine's own seams see it, without sockets, for thousands of seeded runs in seconds.
//!
//! Every call passes the same [door](crate::door) as a request to the embedded servers and meets the same scripted faults, which
//! arrive here as the errors that a backend would make of them. It behaves as S3 or as GCS where the two differ. Time is tokio's,
//! so paused time makes stalls and delays free.

mod copy;
mod delete;
mod errors;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub use copy::SimCopy;

use crate::door::{Door, Entry, Passage};
use crate::fault::Op;
use crate::world::{Attributes, Checksum, ChecksumAlgorithm, ChecksumKind, Conditions, ETag, Honours, Object, Versioning, World};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use brigade_core::compare::DigestSource;
use brigade_core::digest::{crc32c_from_base64, crc64nvme_from_base64};
use brigade_core::limits::{
    DELETE_BATCH_MAX, GCS_METADATA_BYTES_MAX, GCS_OBJECT_BYTES_MAX, PART_BYTES_MAX, PARTS_MAX, PUT_BYTES_MAX, S3_METADATA_BYTES_MAX,
};
use brigade_core::metadata::ClassNames;
use brigade_core::parts::PartLimits;
use brigade_core::{Availability, Digests, ErrorKind, Identity, Key, KeyRules, Metadata};
use brigade_store::{Facts, Head, Honoured, Listing, MtimeStyle, Probe, ProbeFor, ProofSupport, Result, StoreError};
use parking_lot::RwLock;
use std::sync::Arc;
use std::time::Duration;

/// Calls of one GCS batch request (Cloud Storage documentation, "Batch requests").
const GCS_BATCH_MAX: usize = 100;
/// Tags of one S3 object.
const S3_TAGS_MAX: usize = 10;
/// So long without a byte ends an attempt, as the transport's default does.
pub const STALL_TIME_MAX: Duration = Duration::from_secs(30);

/// Whose habits the store has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Identities are ETags; listings give no CRC; deletes come in batches of 1,000.
    S3,
    /// Identities are generations; listings give everything; some names are refused.
    Gcs,
}

/// A bucket of a world, below a prefix, as a store. Cheap to clone; clones share the door and what was probed.
#[derive(Clone, Debug)]
pub struct SimStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    door: Door,
    bucket: String,
    prefix: Vec<u8>,
    dialect: Dialect,
    probed: RwLock<Option<Honours>>,
}

impl SimStore {
    /// A store over `bucket`, below `prefix` (empty, or ending in `/`).
    pub fn new(world: Arc<World>, bucket: &str, prefix: &str, dialect: Dialect) -> Self {
        let inner = Inner {
            door: Door::new(world),
            bucket: bucket.to_owned(),
            prefix: prefix.as_bytes().to_vec(),
            dialect,
            probed: RwLock::new(None),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The world behind it.
    pub fn world(&self) -> &World {
        self.inner.door.world()
    }

    /// Its own door, with the counts of its calls.
    pub fn door(&self) -> &Door {
        &self.inner.door
    }

    fn bucket(&self) -> &str {
        &self.inner.bucket
    }

    fn dialect(&self) -> Dialect {
        self.inner.dialect
    }

    /// The full name of a key.
    fn full(&self, key: &Key) -> Vec<u8> {
        [&self.inner.prefix, key.as_bytes()].concat()
    }

    /// The key of a full name; names outside the prefix never come out of a listing of it.
    fn short(&self, name: &[u8]) -> Key {
        Key::new(name.strip_prefix(self.inner.prefix.as_slice()).unwrap_or(name))
    }

    /// The full name, where the store can hold it.
    fn fit(&self, key: &Key) -> Result<Vec<u8>> {
        let name = self.full(key);
        match self.key_rules().unfit(&name) {
            None => Ok(name),
            Some(rule) => Err(StoreError::new(ErrorKind::Unfit, rule)),
        }
    }

    fn key_rules(&self) -> KeyRules {
        match self.dialect() {
            Dialect::S3 => KeyRules::S3,
            Dialect::Gcs => KeyRules::Gcs,
        }
    }

    /// Goes through the door.
    async fn enter(&self, op: Op, name: &[u8]) -> Result<Passage> {
        let entered = tokio::time::timeout(STALL_TIME_MAX, self.inner.door.enter(op, self.bucket(), name)).await;
        match entered {
            Err(_) => Err(StoreError::new(ErrorKind::Stalled, "no answer came in time").possibly_done()),
            Ok(Entry::Cut(_)) => Err(errors::cut()),
            Ok(Entry::Refused(refusal)) => Err(errors::refused(&refusal)),
            Ok(Entry::Through(passage)) => Ok(passage),
        }
    }

    fn identity(&self, object: &Object) -> Identity {
        match self.dialect() {
            Dialect::S3 => Identity::etag(&object.etag.to_string()),
            Dialect::Gcs => Identity::Generation(object.generation),
        }
    }

    /// The condition that the key holds this version. An identity of another kind of store matches nothing.
    fn pinned(&self, identity: &Identity) -> Conditions {
        match (self.dialect(), identity) {
            (Dialect::S3, Identity::Etag(etag)) => Conditions::if_etag(etag),
            (Dialect::Gcs, Identity::Generation(generation)) => Conditions::if_generation(*generation),
            (Dialect::S3, _) => Conditions::if_etag("none"),
            (Dialect::Gcs, _) => Conditions::if_generation(u64::MAX),
        }
    }

    /// What a listing tells of digests.
    fn listed_digests(&self, object: &Object) -> Digests {
        match self.dialect() {
            Dialect::S3 => Digests { md5: md5_form(object.etag), ..Digests::default() },
            Dialect::Gcs => Digests { crc32c: Some(object.crc32c()), md5: object.md5(), crc64nvme: None },
        }
    }

    /// What a HEAD tells of digests.
    fn kept_digests(&self, object: &Object) -> Digests {
        let listed = self.listed_digests(object);
        let Some(checksum) = object.checksum.as_deref().filter(|checksum| checksum.kind == ChecksumKind::FullObject) else {
            return listed;
        };
        let kept = match (self.dialect(), checksum.algorithm) {
            (Dialect::S3, ChecksumAlgorithm::Crc32c) => Digests { crc32c: crc32c_from_base64(&checksum.value), ..Digests::default() },
            (Dialect::S3, ChecksumAlgorithm::Crc64Nvme) => {
                Digests { crc64nvme: crc64nvme_from_base64(&checksum.value), ..Digests::default() }
            }
            _ => Digests::default(),
        };
        kept.or(listed)
    }

    fn head_of(&self, object: &Object) -> Head {
        Head {
            size: object.size(),
            identity: self.identity(object),
            modified: Some(object.modified),
            digests: self.kept_digests(object),
            metadata: Arc::new(metadata_of(&object.attributes)),
            tags: object.attributes.tags.len(),
            storage_class: storage_class(object),
            availability: self.availability(object),
        }
    }

    /// Known only after a probe, as with a bucket.
    fn versioned(&self) -> Honoured {
        match (self.inner.probed.read().is_some(), self.world().versioning(self.bucket())) {
            (true, Ok(Versioning::Enabled)) => Honoured::Yes,
            (true, Ok(Versioning::Off | Versioning::Suspended)) => Honoured::No,
            _ => Honoured::Unknown,
        }
    }

    fn availability(&self, object: &Object) -> Availability {
        match (self.dialect(), object.attributes.storage_class.as_deref()) {
            (Dialect::S3, Some("GLACIER" | "DEEP_ARCHIVE")) => Availability::Archived,
            _ => Availability::Ready,
        }
    }
}

/// The ETag where it has the form of an MD5, true or not: from outside the two look alike.
fn md5_form(etag: ETag) -> Option<[u8; 16]> {
    match etag {
        ETag::Md5(value) | ETag::Opaque(value) => Some(value),
        ETag::Multipart(..) => None,
    }
}

fn storage_class(object: &Object) -> Option<Arc<str>> {
    Some(object.attributes.storage_class.as_deref().unwrap_or("STANDARD").into())
}

fn metadata_of(attributes: &Attributes) -> Metadata {
    Metadata {
        content_type: attributes.content_type.clone(),
        content_encoding: attributes.content_encoding.clone(),
        content_disposition: attributes.content_disposition.clone(),
        content_language: attributes.content_language.clone(),
        cache_control: attributes.cache_control.clone(),
        expires: attributes.expires.clone(),
        user: attributes.metadata.clone(),
        tags: Vec::new(),
    }
}

fn full_crc32c(value: u32) -> Checksum {
    Checksum { algorithm: ChecksumAlgorithm::Crc32c, kind: ChecksumKind::FullObject, value: BASE64.encode(value.to_be_bytes()).into() }
}

#[async_trait]
impl Probe for SimStore {
    fn facts(&self) -> Facts {
        let probed = *self.inner.probed.read();
        let honoured = |wanted: fn(&Honours) -> bool| match probed.as_ref().map(wanted) {
            None => Honoured::Unknown,
            Some(true) => Honoured::Yes,
            Some(false) => Honoured::No,
        };
        let checks = probed.is_some_and(|honours| honours.checksums);
        let s3 = self.dialect() == Dialect::S3;
        Facts {
            keys: self.key_rules(),
            parts: PartLimits {
                part_bytes_min: self.world().limits().part_bytes_min,
                part_bytes_max: PART_BYTES_MAX,
                parts_max: PARTS_MAX,
                put_bytes_max: PUT_BYTES_MAX,
                object_bytes_max: GCS_OBJECT_BYTES_MAX,
            },
            listing: Listing::Ranged,
            delete_batch_max: if s3 { DELETE_BATCH_MAX } else { GCS_BATCH_MAX },
            digests: DigestSource::Stored,
            put_proof: if checks || !s3 { ProofSupport::Crc32c } else { ProofSupport::Md5 },
            upload_proof: if checks || !s3 { ProofSupport::Crc32c } else { ProofSupport::None },
            checks_md5: honoured(|honours| honours.content_md5),
            conditional_put: honoured(|honours| honours.conditional_put),
            conditional_complete: honoured(|honours| honours.conditional_complete),
            conditional_delete: honoured(|honours| honours.conditional_delete),
            versioned: self.versioned(),
            metadata_bytes_max: if s3 { S3_METADATA_BYTES_MAX } else { GCS_METADATA_BYTES_MAX },
            tags_max: if s3 { S3_TAGS_MAX } else { 0 },
            keeps_expires: s3,
            classes: if s3 { ClassNames::S3 } else { ClassNames::Gcs },
            keeps_metadata: true,
            mtime: if s3 { MtimeStyle::UnixSeconds } else { MtimeStyle::Rfc3339 },
            missing_rights: Vec::new(),
            notes: Vec::new(),
        }
    }

    async fn probe(&self, _: ProbeFor) -> Result<Facts> {
        let passage = self.enter(Op::Bucket, b"").await?;
        self.world().versioning(self.bucket()).map_err(errors::from_world)?;
        passage.acknowledge().map_err(|_| errors::cut())?;
        *self.inner.probed.write() = Some(self.world().honours());
        Ok(self.facts())
    }
}
