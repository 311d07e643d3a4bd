//! One version of one object: its bytes, its identity and everything a store remembers beside them.
//!
//! An object never changes once it is in the world: every change puts a new `Arc` in its place, so a reader keeps the version it
//! opened. Rarely used parts are boxed or shared, because a bucket may hold a million of these.

use super::body::Body;
use super::checksum::Checksum;
use super::content::Content;
use super::error::WorldError;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The version of an object in a bucket that keeps versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VersionId {
    /// The version of buckets without versioning, or with it suspended.
    Null,
    /// A version of its own.
    Id(u64),
}

impl VersionId {
    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "null" => Some(Self::Null),
            _ => text.strip_prefix('v').and_then(|id| u64::from_str_radix(id, 16).ok()).map(Self::Id),
        }
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Id(id) => write!(f, "v{id:016x}"),
        }
    }
}

/// An entity tag, without quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ETag {
    /// The MD5 of the content.
    Md5([u8; 16]),
    /// The MD5 of the MD5s of the parts, and how many they are.
    Multipart([u8; 16], u32),
    /// A value with the form of an MD5 that is none, as under SSE-KMS.
    Opaque([u8; 16]),
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Md5(value) | Self::Opaque(value) => f.write_str(&hex::encode(value)),
            Self::Multipart(value, parts) => write!(f, "{}-{parts}", hex::encode(value)),
        }
    }
}

impl ETag {
    /// Whether a client's text, quoted or not, means this tag.
    pub fn matches(&self, text: &str) -> bool {
        self.to_string() == text.trim().trim_matches('"')
    }
}

/// What a client says about an object beside its bytes. Text is kept as it was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Encoding`, without `aws-chunked`.
    pub content_encoding: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Expires`.
    pub expires: Option<String>,
    /// User metadata; names in lower case on S3, as given on GCS.
    pub metadata: BTreeMap<String, String>,
    /// Object tags (S3).
    pub tags: BTreeMap<String, String>,
    /// Storage class; `None` is the standard one.
    pub storage_class: Option<String>,
    /// Server-side encryption as a client asked for it: `AES256`, `aws:kms`. With `aws:kms` the ETag is no MD5.
    pub encryption: Option<String>,
    /// `customTime` (GCS).
    pub custom_time: Option<Timestamp>,
}

/// What forbids to delete or overwrite a version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    /// S3 legal hold.
    pub legal: bool,
    /// GCS temporary hold.
    pub temporary: bool,
    /// GCS event-based hold.
    pub event_based: bool,
    /// Retained until then.
    pub retain_until: Option<Timestamp>,
    /// Who may end the retention earlier.
    pub mode: RetentionMode,
}

/// Who may end a retention earlier (S3 Object Lock, "Retention modes"). No request here bypasses either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetentionMode {
    /// Whoever has the right to.
    #[default]
    Governance,
    /// Nobody.
    Compliance,
}

impl RetentionMode {
    /// As S3 writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }

    /// Reads what [`RetentionMode::name`] gives.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Governance, Self::Compliance].into_iter().find(|mode| mode.name() == text)
    }
}

/// What forbids it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// S3 legal hold.
    Legal,
    /// GCS temporary hold.
    Temporary,
    /// GCS event-based hold.
    EventBased,
    /// A retention until then.
    Retention(Timestamp),
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Legal => f.write_str("a legal hold"),
            Self::Temporary => f.write_str("a temporary hold"),
            Self::EventBased => f.write_str("an event-based hold"),
            Self::Retention(until) => write!(f, "a retention until {until}"),
        }
    }
}

impl Holds {
    /// What holds at that moment.
    pub fn active(&self, now: Timestamp) -> Option<Hold> {
        let retained = self.retain_until.filter(|until| now < *until).map(Hold::Retention);
        let held = [(self.legal, Hold::Legal), (self.temporary, Hold::Temporary), (self.event_based, Hold::EventBased)];
        held.into_iter().find(|(holds, _)| *holds).map(|(_, hold)| hold).or(retained)
    }

    /// Whether the version may go at that moment.
    ///
    /// # Errors
    /// [`WorldError::Held`].
    pub fn allow_removal(&self, now: Timestamp) -> Result<(), WorldError> {
        self.active(now).map_or(Ok(()), |hold| Err(WorldError::Held(hold)))
    }
}

/// A part of a completed multipart object, as `?partNumber` and GetObjectAttributes show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectPart {
    /// The number the client gave, 1..=10,000.
    pub number: u32,
    /// Bytes.
    pub size: u64,
    /// Its checksum, where the upload had one.
    pub checksum: Option<Checksum>,
}

/// Whether a version is content or the mark of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// Content.
    Live,
    /// A delete marker.
    Marker,
}

/// One version of one object.
#[derive(Clone, Debug)]
pub struct Object {
    /// Content or marker.
    pub kind: ObjectKind,
    /// The bytes and their digests.
    pub content: Content,
    /// The entity tag.
    pub etag: ETag,
    /// The checksum that an S3 client asked to be kept, or that the server attached.
    pub checksum: Option<Box<Checksum>>,
    /// Its parts, when it was uploaded in parts.
    pub parts: Option<Arc<[ObjectPart]>>,
    /// Headers, metadata, tags.
    pub attributes: Arc<Attributes>,
    /// Unique in the world; grows with every write.
    pub generation: u64,
    /// Grows with every change of the metadata of this generation; starts at 1.
    pub metageneration: u64,
    /// The version.
    pub version: VersionId,
    /// When the content was written.
    pub modified: Timestamp,
    /// When the metadata was last changed.
    pub updated: Timestamp,
    /// What protects it.
    pub holds: Holds,
    /// Out of how many components GCS composed it; 0 when it was not.
    pub components: u32,
}

impl Object {
    /// How many bytes.
    pub fn size(&self) -> u64 {
        self.content.size()
    }

    /// The bytes.
    pub fn body(&self) -> &Body {
        self.content.body()
    }

    /// CRC-32C of all bytes, as they were when they were written.
    pub fn crc32c(&self) -> u32 {
        self.content.crc32c()
    }

    /// The MD5, where the object went up in one piece.
    pub fn md5(&self) -> Option<[u8; 16]> {
        match self.etag {
            ETag::Md5(value) => Some(value),
            ETag::Multipart(..) | ETag::Opaque(_) => None,
        }
    }

    /// Whether it is a delete marker.
    pub fn is_marker(&self) -> bool {
        self.kind == ObjectKind::Marker
    }

    /// The identity of this version: equal only for the same write of the same object.
    pub fn identity(&self) -> Identity {
        Identity {
            generation: self.generation,
            metageneration: self.metageneration,
            etag: self.etag,
            size: self.size(),
            crc32c: self.content.known_crc32c(),
        }
    }
}

/// What a [`Snapshot`](super::Snapshot) remembers of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The generation.
    pub generation: u64,
    /// The metageneration.
    pub metageneration: u64,
    /// The entity tag.
    pub etag: ETag,
    /// Bytes.
    pub size: u64,
    /// CRC-32C, unless it was never computed for a generated body.
    pub crc32c: Option<u32>,
}
