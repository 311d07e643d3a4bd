//! The checksums that S3 clients ask a store to keep, and how those of parts become that of the whole.
//!
//! The lab computes them with its own small vocabulary instead of the engine's, so that a mistake in the engine's digest code
//! cannot agree with itself. The arithmetic is that of well-kept crates. Protocol: Amazon S3 "Checking object integrity".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crc_fast::CrcAlgorithm;
use s3s::crypto::{Checksum as _, Sha1, Sha256};

/// An algorithm that a client may name in `x-amz-checksum-algorithm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChecksumAlgorithm {
    /// CRC-32 (ISO-HDLC).
    Crc32,
    /// CRC-32C (Castagnoli).
    Crc32c,
    /// CRC-64/NVME.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl ChecksumAlgorithm {
    /// Every algorithm, in the order of the S3 model.
    pub const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// The name in headers and XML: `CRC32C`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The header that carries a value: `x-amz-checksum-crc32c`.
    pub fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The XML element that carries a value: `ChecksumCRC32C`.
    pub fn element(self) -> &'static str {
        match self {
            Self::Crc32 => "ChecksumCRC32",
            Self::Crc32c => "ChecksumCRC32C",
            Self::Crc64Nvme => "ChecksumCRC64NVME",
            Self::Sha1 => "ChecksumSHA1",
            Self::Sha256 => "ChecksumSHA256",
        }
    }

    /// Reads a name in any case; `None` for what the lab does not know.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// The kind that a multipart upload gets when it names only the algorithm.
    pub fn default_kind(self) -> ChecksumKind {
        match self {
            Self::Crc64Nvme => ChecksumKind::FullObject,
            _ => ChecksumKind::Composite,
        }
    }

    /// Whether a multipart upload may use this algorithm so: CRCs linearize, SHAs do not, CRC-64/NVME is full-object only.
    pub fn supports(self, kind: ChecksumKind) -> bool {
        match kind {
            ChecksumKind::FullObject => !matches!(self, Self::Sha1 | Self::Sha256),
            ChecksumKind::Composite => self != Self::Crc64Nvme,
        }
    }

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }
}

/// Whether a value covers the bytes of the object, or the values of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChecksumKind {
    /// Over all bytes of the object.
    FullObject,
    /// Over the concatenated binary values of the parts; written with `-N`.
    Composite,
}

impl ChecksumKind {
    /// The name in headers and XML.
    pub fn name(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }

    /// Reads a name; `None` for anything else.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::FullObject, Self::Composite].into_iter().find(|kind| kind.name() == name)
    }
}

/// A stored checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// By which algorithm.
    pub algorithm: ChecksumAlgorithm,
    /// Of what.
    pub kind: ChecksumKind,
    /// Base64 of the big-endian bytes; a composite ends in `-N`.
    pub value: Box<str>,
}

/// A running value of one algorithm.
pub(crate) enum Hasher {
    Crc(ChecksumAlgorithm, crc_fast::Digest),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hasher {
    pub(crate) fn new(algorithm: ChecksumAlgorithm) -> Self {
        match (algorithm, algorithm.crc()) {
            (_, Some(crc)) => Self::Crc(algorithm, crc_fast::Digest::new(crc)),
            (ChecksumAlgorithm::Sha1, None) => Self::Sha1(Sha1::new()),
            (_, None) => Self::Sha256(Sha256::new()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, digest) => digest.update(bytes),
            Self::Sha1(digest) => digest.update(bytes),
            Self::Sha256(digest) => digest.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> String {
        match self {
            Self::Crc(algorithm, digest) => encode_crc(algorithm, digest.finalize()),
            Self::Sha1(digest) => BASE64.encode(digest.finalize()),
            Self::Sha256(digest) => BASE64.encode(digest.finalize()),
        }
    }
}

/// The value over one run of bytes, in base64.
pub fn checksum_of(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

/// The checksum of the whole from `(value, size)` of its parts in order; `None` where the algorithm cannot do that or a value is malformed.
pub fn combine(algorithm: ChecksumAlgorithm, kind: ChecksumKind, parts: &[(&str, u64)]) -> Option<String> {
    match kind {
        ChecksumKind::FullObject => combine_full(algorithm, parts),
        ChecksumKind::Composite => {
            let mut hasher = Hasher::new(algorithm);
            for (value, _) in parts {
                hasher.update(&BASE64.decode(value).ok()?);
            }
            Some(format!("{}-{}", hasher.finish(), parts.len()))
        }
    }
}

fn combine_full(algorithm: ChecksumAlgorithm, parts: &[(&str, u64)]) -> Option<String> {
    let crc = algorithm.crc()?;
    let mut whole: Option<u64> = None;
    for (value, size) in parts {
        let part = decode_crc(value)?;
        whole = Some(whole.map_or(part, |so_far| crc_fast::checksum_combine(crc, so_far, part, *size)));
    }
    Some(encode_crc(algorithm, whole.unwrap_or(0)))
}

fn encode_crc(algorithm: ChecksumAlgorithm, value: u64) -> String {
    let bytes = value.to_be_bytes();
    match algorithm {
        ChecksumAlgorithm::Crc64Nvme => BASE64.encode(bytes),
        _ => BASE64.encode(&bytes[4..]),
    }
}

fn decode_crc(value: &str) -> Option<u64> {
    let bytes = BASE64.decode(value).ok()?;
    let mut wide = [0; 8];
    wide.get_mut(8_usize.checked_sub(bytes.len())?..)?.copy_from_slice(&bytes);
    Some(u64::from_be_bytes(wide))
}

/// The CRC-32C of two runs of bytes, one after the other.
pub(crate) fn combine_crc32c(one: u32, other: u32, other_size: u64) -> u32 {
    low32(crc_fast::checksum_combine(CrcAlgorithm::Crc32Iscsi, one.into(), other.into(), other_size))
}

pub(crate) fn low32(value: u64) -> u32 {
    u32::try_from(value & 0xffff_ffff).expect("masked to 32 bits")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn published_check_values() {
        assert_eq!(checksum_of(ChecksumAlgorithm::Crc32c, b"123456789"), "4waSgw==");
        assert_eq!(checksum_of(ChecksumAlgorithm::Crc32, b"123456789"), "y/Q5Jg==");
        assert_eq!(checksum_of(ChecksumAlgorithm::Crc64Nvme, b"123456789"), "rosUhgp5mIg=");
        assert_eq!(checksum_of(ChecksumAlgorithm::Sha1, b"abc"), "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=");
        assert_eq!(checksum_of(ChecksumAlgorithm::Sha256, b"abc"), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    }

    #[test]
    fn full_object_values_of_parts_combine_to_that_of_the_whole() {
        for algorithm in [ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Crc32c, ChecksumAlgorithm::Crc64Nvme] {
            let (one, other) = (checksum_of(algorithm, b"hello "), checksum_of(algorithm, b"world"));
            let whole = combine(algorithm, ChecksumKind::FullObject, &[(&one, 6), (&other, 5)]).unwrap();
            assert_eq!(whole, checksum_of(algorithm, b"hello world"), "{algorithm:?}");
        }
        assert_eq!(combine(ChecksumAlgorithm::Sha256, ChecksumKind::FullObject, &[]), None);
    }

    #[test]
    fn a_composite_hashes_binary_part_values_and_counts_them() {
        let (one, other) = (checksum_of(ChecksumAlgorithm::Sha256, b"a"), checksum_of(ChecksumAlgorithm::Sha256, b"b"));
        let mut bytes = BASE64.decode(&one).unwrap();
        bytes.extend(BASE64.decode(&other).unwrap());
        let expected = format!("{}-2", checksum_of(ChecksumAlgorithm::Sha256, &bytes));
        assert_eq!(combine(ChecksumAlgorithm::Sha256, ChecksumKind::Composite, &[(&one, 1), (&other, 1)]), Some(expected));
        assert_eq!(combine(ChecksumAlgorithm::Crc32c, ChecksumKind::Composite, &[("not base64", 1)]), None);
    }
}
