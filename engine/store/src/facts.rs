//! What a store can do: limits from its documentation, and abilities from probing it.

use brigade_core::KeyRules;
use brigade_core::compare::DigestSource;
use brigade_core::metadata::ClassNames;
use brigade_core::parts::PartLimits;

/// Whether an endpoint honours a condition or a check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Honoured {
    /// It was probed and is honoured.
    Yes,
    /// It was probed and is ignored or refused as unknown.
    No,
    /// It was not probed.
    #[default]
    Unknown,
}

impl Honoured {
    /// Only a probed yes.
    pub fn is_yes(self) -> bool {
        self == Self::Yes
    }
}

/// Which digest a write's answer proves, strongest use first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofSupport {
    /// The store computes or checks CRC-32C over what it stores, and refuses or names a difference.
    Crc32c,
    /// The store names the MD5 of what it stored (an ETag), and nothing better.
    Md5,
    /// Nothing comparable.
    None,
}

/// Whether a listing can begin in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// At the cost of a page, wherever it begins: parts of the keyspace can be listed at once.
    Ranged,
    /// Only by going through what comes before, or there is nothing to gain.
    Serial,
}

/// How the original modification time is written into user metadata, as rclone does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MtimeStyle {
    /// Seconds since 1970 with a fraction: S3.
    UnixSeconds,
    /// RFC 3339 with nanoseconds: GCS.
    Rfc3339,
    /// The file's own modification time.
    File,
}

/// Limits and abilities of one store.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// Names that it can hold.
    pub keys: KeyRules,
    /// Part and size limits.
    pub parts: PartLimits,
    /// How it is listed.
    pub listing: Listing,
    /// Keys of one delete call.
    pub delete_batch_max: usize,
    /// Where its digests come from.
    pub digests: DigestSource,
    /// What the answer to a whole-object write proves.
    pub put_proof: ProofSupport,
    /// What the answers to parts and to completing an upload prove.
    pub upload_proof: ProofSupport,
    /// Whether a `Content-MD5` that does not match is refused: then the source's MD5 travels along at no cost.
    pub checks_md5: Honoured,
    /// `When::IfAbsent` and `When::IfMatches` of a whole-object write.
    pub conditional_put: Honoured,
    /// The same of completing an upload.
    pub conditional_complete: Honoured,
    /// The condition of a delete.
    pub conditional_delete: Honoured,
    /// Whether what is deleted stays as an older version. Where it does, a delete is never the loss of an object, and it also
    /// succeeds where a hold or a retention protects the version. Unknown where the bucket may not be asked.
    pub versioned: Honoured,
    /// User metadata bytes, names and values.
    pub metadata_bytes_max: usize,
    /// Tags of one object; 0 where there are none.
    pub tags_max: usize,
    /// Whether `Expires` is kept.
    pub keeps_expires: bool,
    /// Whose names its storage classes bear.
    pub classes: ClassNames,
    /// Whether headers and user metadata are kept at all.
    pub keeps_metadata: bool,
    /// How the modification time travels.
    pub mtime: MtimeStyle,
    /// Rights that a probe found missing, in the provider's words (`s3:ListBucket`).
    pub missing_rights: Vec<String>,
    /// What the probe saw, one line each, for `doctor`.
    pub notes: Vec<String>,
}
