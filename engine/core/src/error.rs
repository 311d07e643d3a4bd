//! The kinds of failure, shared by every backend.
//!
//! Each backend maps what it sees to one of these in one table of its own; what follows from a kind is decided in `verdict` alone.

use serde::{Deserialize, Serialize};

/// What went wrong, as far as it decides what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The object is not there (404 NoSuchKey).
    NotFound,
    /// The bucket, or the root directory, is not there.
    BucketMissing,
    /// The credentials are good, the right is missing (403).
    Denied,
    /// No credentials, wrong or expired ones.
    Credentials,
    /// A condition on the present version did not hold (412).
    Conflict,
    /// Two conditional writes met (409 ConditionalRequestConflict): the same request may be tried again.
    Race,
    /// Asked to slow down (503 SlowDown, 429).
    Throttled,
    /// The server failed (5xx).
    Unavailable,
    /// No byte moved for too long.
    Stalled,
    /// The connection broke, or could not be made.
    Network,
    /// Bytes arrived or were stored that do not match their digest.
    Corrupt,
    /// The object is no longer the version that was listed.
    Changed,
    /// The object was listed and is gone.
    Vanished,
    /// The target cannot hold this object: its name, its size or what it carries.
    Unfit,
    /// The copy was never compared by content, so the original must stay.
    Unproven,
    /// The object must be restored from an archive first.
    Archived,
    /// Retention or a hold forbids the change.
    Locked,
    /// The multipart upload is gone (expired, aborted, or completed before).
    UploadGone,
    /// The endpoint does not know this operation.
    Unsupported,
    /// The request was refused as wrong (400).
    Invalid,
    /// The server's clock and ours disagree (RequestTimeTooSkewed).
    ClockSkew,
    /// The answer cannot be understood, or breaks the protocol: a listing out of order, a range that was ignored.
    Protocol,
    /// The disk is full or broken.
    Disk,
    /// The run was stopped.
    Cancelled,
    /// The engine contradicts itself; a defect.
    Internal,
}

impl ErrorKind {
    /// The word that reports use.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::BucketMissing => "bucket_missing",
            Self::Denied => "denied",
            Self::Credentials => "credentials",
            Self::Conflict => "conflict",
            Self::Race => "race",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Stalled => "stalled",
            Self::Network => "network",
            Self::Corrupt => "corrupt",
            Self::Changed => "changed",
            Self::Vanished => "vanished",
            Self::Unfit => "unfit",
            Self::Unproven => "unproven",
            Self::Archived => "archived",
            Self::Locked => "locked",
            Self::UploadGone => "upload_gone",
            Self::Unsupported => "unsupported",
            Self::Invalid => "invalid",
            Self::ClockSkew => "clock_skew",
            Self::Protocol => "protocol",
            Self::Disk => "disk",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }

    /// What a person can do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::NotFound => "check the spelling of the key",
            Self::BucketMissing => "check the name, the endpoint and the region; brigade creates no bucket and no source directory",
            Self::Denied => "run `brigade doctor LOCATION`: it names the permissions that are missing",
            Self::Credentials => "renew or configure the credentials for this side, then give the same command again",
            Self::Conflict => "something else wrote this key meanwhile; give the same command again",
            Self::Race => "something else writes this key at the same time; give the same command again",
            Self::Throttled => "lower --concurrency or --requests-per-second, or give the same command again later",
            Self::Unavailable | Self::Stalled => "the endpoint is failing; give the same command again later",
            Self::Network => "check the endpoint's address and the way to it, then give the same command again",
            Self::Corrupt => "the copy was refused or removed; give the same command again, and have the source checked if it fails again",
            Self::Changed => "the source was overwritten while it was copied; give the same command again",
            Self::Vanished => "the source was deleted after it was listed; give the same command again",
            Self::Unfit => "the target cannot hold this object as it is; exclude it, or choose a target that can",
            Self::Unproven => {
                "migrate without --compare size, --compare modified and --ignore-existing, so that copies are compared by content"
            }
            Self::Archived => "restore the object from its archive first",
            Self::Locked => "wait until the retention ends or release the hold",
            Self::UploadGone => "give the same command again",
            Self::Unsupported => "run `brigade doctor LOCATION`: it shows what the endpoint honours",
            Self::Invalid => "the endpoint refused the request as wrong; run with -v for its answer",
            Self::ClockSkew => "set this machine's clock",
            Self::Protocol => "the endpoint breaks the protocol; run `brigade doctor LOCATION`",
            Self::Disk => "free space on the disk, then give the same command again",
            Self::Cancelled => "give the same command again to resume",
            Self::Internal => "this is a defect; please report it with the output of -v",
        }
    }
}

impl std::fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
