//! One listed object.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::{Algorithm, Digests};
use crate::{Identity, Key, Metadata};

/// What a listing says of one object. Absent means that the listing did not say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Name relative to the location.
    pub key: Key,
    /// Size in bytes, as stored.
    pub size: u64,
    /// When this version was written.
    pub modified: Option<Timestamp>,
    /// Which version this is.
    pub identity: Identity,
    /// Whole-object digests that the listing itself gave. For S3 `md5` is the ETag where it has the form of one.
    pub digests: Digests,
    /// A whole-object checksum that the store keeps but that only a HEAD or a GET of the whole object returns (S3 `ChecksumType` FULL_OBJECT).
    pub checksum_kept: Option<Algorithm>,
    /// Storage class, in the provider's words.
    pub storage_class: Option<Arc<str>>,
    /// Whether the bytes can be read now.
    pub availability: Availability,
    /// Metadata, where the listing carries it (GCS).
    pub metadata: Option<Arc<Metadata>>,
}

/// Whether an object's bytes can be read without a restore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Availability {
    /// Readable now.
    #[default]
    Ready,
    /// Archived: it must be restored first (S3 GLACIER and DEEP_ARCHIVE without a finished restore).
    Archived,
}

impl Entry {
    /// An entry of which only the least is known.
    pub fn new(key: Key, size: u64, identity: Identity) -> Self {
        Self {
            key,
            size,
            modified: None,
            identity,
            digests: Digests::default(),
            checksum_kept: None,
            storage_class: None,
            availability: Availability::Ready,
            metadata: None,
        }
    }
}
