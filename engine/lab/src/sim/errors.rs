//! What the world and its faults say, as a backend would report it.

use crate::door::Refusal;
use crate::world::WorldError;
use brigade_core::ErrorKind;
use brigade_store::StoreError;
use std::time::Duration;

/// The connection broke: nobody knows what took effect.
pub(super) fn cut() -> StoreError {
    StoreError::new(ErrorKind::Network, "the connection broke").possibly_done()
}

/// A scripted refusal.
pub(super) fn refused(refusal: &Refusal) -> StoreError {
    let kind = match (refusal.status, refusal.code) {
        (_, "NoSuchBucket") => ErrorKind::BucketMissing,
        (_, "NoSuchUpload") => ErrorKind::UploadGone,
        (_, "RequestTimeTooSkewed") => ErrorKind::ClockSkew,
        (_, "ExpiredToken" | "InvalidToken" | "InvalidAccessKeyId" | "SignatureDoesNotMatch") | (401, _) => ErrorKind::Credentials,
        (_, "SlowDown") | (429, _) => ErrorKind::Throttled,
        (403, _) => ErrorKind::Denied,
        (404, _) => ErrorKind::NotFound,
        (409, _) => ErrorKind::Race,
        (412, _) => ErrorKind::Conflict,
        (501, _) => ErrorKind::Unsupported,
        (500.., _) => ErrorKind::Unavailable,
        _ => ErrorKind::Invalid,
    };
    let retry_after = refusal.retry_after_seconds.map(|seconds| Duration::from_secs(seconds.into()));
    let error = StoreError::new(kind, format!("the store answered {} {}", refusal.status, refusal.code));
    StoreError { status: Some(refusal.status), code: Some(refusal.code.to_owned()), retry_after, ..error }
}

/// A refusal of the world itself.
pub(super) fn from_world(error: WorldError) -> StoreError {
    let kind = match &error {
        WorldError::NoSuchBucket => ErrorKind::BucketMissing,
        WorldError::NoSuchKey | WorldError::NoSuchVersion | WorldError::DeleteMarker(_) => ErrorKind::NotFound,
        WorldError::NoSuchUpload => ErrorKind::UploadGone,
        WorldError::PreconditionFailed(_) | WorldError::NotModified => ErrorKind::Conflict,
        WorldError::BadDigest(_) | WorldError::SizeMismatch { .. } => ErrorKind::Corrupt,
        WorldError::KeyLength => ErrorKind::Unfit,
        WorldError::Held(_) => ErrorKind::Locked,
        WorldError::Discarded => ErrorKind::Internal,
        WorldError::BucketExists
        | WorldError::BucketNotEmpty
        | WorldError::InvalidPart(_)
        | WorldError::InvalidPartOrder
        | WorldError::EntityTooSmall(_)
        | WorldError::Invalid(_) => ErrorKind::Invalid,
    };
    StoreError::new(kind, error.to_string())
}

/// A refusal of a read that was pinned: what is missing has vanished, what is another has changed.
pub(super) fn from_pinned_read(error: WorldError) -> StoreError {
    let error = from_world(error);
    let kind = match error.kind {
        ErrorKind::NotFound => ErrorKind::Vanished,
        ErrorKind::Conflict => ErrorKind::Changed,
        other => other,
    };
    StoreError { kind, ..error }
}
