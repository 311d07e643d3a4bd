//! What the world refuses, in the world's own words. Each server translates it to its dialect.

use super::object::{Hold, VersionId};

/// Why an operation had no effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// The bucket does not exist.
    #[error("no such bucket")]
    NoSuchBucket,
    /// The bucket exists already.
    #[error("the bucket exists already")]
    BucketExists,
    /// The bucket still holds objects.
    #[error("the bucket is not empty")]
    BucketNotEmpty,
    /// There is no live object of that key.
    #[error("no such key")]
    NoSuchKey,
    /// The key exists but not in that version or generation.
    #[error("no such version")]
    NoSuchVersion,
    /// The current, or the named, version is a delete marker.
    #[error("the version is a delete marker")]
    DeleteMarker(VersionId),
    /// The upload is unknown, complete or aborted.
    #[error("no such upload")]
    NoSuchUpload,
    /// A condition of a write, or `If-Match` of a read, does not hold; names the condition.
    #[error("a precondition does not hold: {0}")]
    PreconditionFailed(&'static str),
    /// `If-None-Match` or `If-Modified-Since` of a read says that the client has it.
    #[error("not modified")]
    NotModified,
    /// A part named by a complete is missing or has another ETag or checksum.
    #[error("part {0} is missing or differs")]
    InvalidPart(u32),
    /// The parts of a complete are not in ascending order, or have gaps where checksums forbid them.
    #[error("parts are not in order")]
    InvalidPartOrder,
    /// A part that is not the last is below the minimum.
    #[error("part {0} is too small")]
    EntityTooSmall(u32),
    /// The bytes are not those whose digest was announced; names the digest.
    #[error("the content does not match its {0}")]
    BadDigest(&'static str),
    /// The size announced for the whole object is another.
    #[error("the size {actual} is not the announced {announced}")]
    SizeMismatch {
        /// What was announced, bytes.
        announced: u64,
        /// What arrived, bytes.
        actual: u64,
    },
    /// The request contradicts itself or the protocol.
    #[error("invalid request: {0}")]
    Invalid(&'static str),
    /// The key has no byte or more than 1,024.
    #[error("the key is empty or too long")]
    KeyLength,
    /// A hold or a retention protects the object.
    #[error("the object is under {0}")]
    Held(Hold),
    /// The bytes were discarded when they were written.
    #[error("the content was discarded when it was written")]
    Discarded,
}
