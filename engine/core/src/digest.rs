//! Digests: what is known of an object's content, how they are written down, and how CRCs of parts become the CRC of the whole.
//!
//! CRC32C is the shared language of the clouds. CRCs are linear, so part values combine in any grouping and no stage has to
//! wait for order. The arithmetic is the `crc-fast` crate's; this module never re-implements it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crc_fast::CrcAlgorithm;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

/// A digest algorithm that a store may keep for an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// CRC-32C (Castagnoli), kept by GCS for every object and by S3 on request.
    Crc32c,
    /// CRC-64/NVME, attached by S3 where a client sends nothing else.
    Crc64nvme,
    /// CRC-32 (ISO-HDLC).
    Crc32,
    /// MD5, the ETag of an S3 object that went up in one PUT without SSE-KMS or SSE-C.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Crc32c, Self::Crc64nvme, Self::Crc32, Self::Md5, Self::Sha1, Self::Sha256];

    /// Reads what [`Algorithm::name`] says.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// The name as reports and headers write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32c => "crc32c",
            Self::Crc64nvme => "crc64nvme",
            Self::Crc32 => "crc32",
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }
}

/// Whole-object digests, each as far as it is known. Never those of parts, never composites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// CRC-32C.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crc32c: Option<u32>,
    /// CRC-64/NVME.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crc64nvme: Option<u64>,
    /// MD5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub md5: Option<[u8; 16]>,
}

/// What comparing two sets of digests says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// Both hold this algorithm, and every algorithm that both hold agrees.
    Same(Algorithm),
    /// Both hold this algorithm and the values differ.
    Different(Algorithm),
    /// No algorithm in common: nothing is known.
    Unknown,
}

impl Digests {
    /// Only a CRC-32C.
    pub fn of_crc32c(value: u32) -> Self {
        Self { crc32c: Some(value), ..Self::default() }
    }

    /// Compares what both sides hold; one difference outweighs any agreement.
    pub fn agreement(&self, other: &Self) -> Agreement {
        let pairs = [
            (Algorithm::Md5, matches(self.md5, other.md5)),
            (Algorithm::Crc64nvme, matches(self.crc64nvme, other.crc64nvme)),
            (Algorithm::Crc32c, matches(self.crc32c, other.crc32c)),
        ];
        let mut result = Agreement::Unknown;
        for (algorithm, equal) in pairs {
            match equal {
                Some(false) => return Agreement::Different(algorithm),
                Some(true) => result = Agreement::Same(algorithm),
                None => {}
            }
        }
        result
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes from `other` what is not known here.
    pub fn or(self, other: Self) -> Self {
        Self { crc32c: self.crc32c.or(other.crc32c), crc64nvme: self.crc64nvme.or(other.crc64nvme), md5: self.md5.or(other.md5) }
    }
}

fn matches<T: PartialEq>(one: Option<T>, other: Option<T>) -> Option<bool> {
    Some(one? == other?)
}

/// Which checksums are computed over bytes as they pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Compute CRC-64/NVME beside CRC-32C.
    pub crc64nvme: bool,
}

/// A running checksum over one part, fed chunk by chunk. CRC-32C always; CRC-64/NVME where it is wanted.
#[derive(Clone, Debug)]
pub struct Rolling {
    crc32c: crc_fast::Digest,
    crc64nvme: Option<crc_fast::Digest>,
    size: u64,
}

impl Rolling {
    /// Starts at the empty content.
    pub fn new(wanted: Wanted) -> Self {
        Self {
            crc32c: crc_fast::Digest::new(CrcAlgorithm::Crc32Iscsi),
            crc64nvme: wanted.crc64nvme.then(|| crc_fast::Digest::new(CrcAlgorithm::Crc64Nvme)),
            size: 0,
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, chunk: &[u8]) {
        self.crc32c.update(chunk);
        if let Some(digest) = &mut self.crc64nvme {
            digest.update(chunk);
        }
        self.size += u64::try_from(chunk.len()).expect("a slice length fits in 64 bits");
    }

    /// The digests of all bytes so far, and how many they were.
    pub fn finish(&self) -> Sum {
        Sum { crc32c: low32(self.crc32c.finalize()), crc64nvme: self.crc64nvme.as_ref().map(crc_fast::Digest::finalize), size: self.size }
    }
}

/// The checksums of a run of bytes together with its length, which is what combining needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// CRC-32C of the bytes.
    pub crc32c: u32,
    /// CRC-64/NVME of the bytes, where it was wanted.
    pub crc64nvme: Option<u64>,
    /// How many bytes.
    pub size: u64,
}

impl Sum {
    /// The sum of no bytes.
    pub const EMPTY: Self = Self { crc32c: 0, crc64nvme: Some(0), size: 0 };

    /// The sum of these bytes followed by those of `next`. A CRC that either side lacks is lost.
    pub fn then(self, next: Self) -> Self {
        Self {
            crc32c: low32(crc_fast::checksum_combine(CrcAlgorithm::Crc32Iscsi, u64::from(self.crc32c), u64::from(next.crc32c), next.size)),
            crc64nvme: match (self.crc64nvme, next.crc64nvme) {
                (Some(one), Some(other)) => Some(crc_fast::checksum_combine(CrcAlgorithm::Crc64Nvme, one, other, next.size)),
                _ => None,
            },
            size: self.size + next.size,
        }
    }

    /// As whole-object digests.
    pub fn digests(&self) -> Digests {
        Digests { crc32c: Some(self.crc32c), crc64nvme: self.crc64nvme, md5: None }
    }
}

fn low32(value: u64) -> u32 {
    u32::try_from(value & 0xffff_ffff).expect("masked to 32 bits")
}

/// Base64 of the big-endian bytes, as `x-amz-checksum-crc32c` and `x-goog-hash` carry it.
pub fn crc32c_to_base64(value: u32) -> String {
    BASE64.encode(value.to_be_bytes())
}

/// Reads what [`crc32c_to_base64`] writes; `None` for anything else (a composite with `-N`, a wrong length).
pub fn crc32c_from_base64(text: &str) -> Option<u32> {
    fixed(text).map(u32::from_be_bytes)
}

/// Base64 of the big-endian bytes, as `x-amz-checksum-crc64nvme` carries it.
pub fn crc64nvme_to_base64(value: u64) -> String {
    BASE64.encode(value.to_be_bytes())
}

/// Reads what [`crc64nvme_to_base64`] writes.
pub fn crc64nvme_from_base64(text: &str) -> Option<u64> {
    fixed(text).map(u64::from_be_bytes)
}

/// Base64 of an MD5, as `Content-MD5` and the GCS `md5Hash` carry it.
pub fn md5_to_base64(value: [u8; 16]) -> String {
    BASE64.encode(value)
}

/// Reads what [`md5_to_base64`] writes.
pub fn md5_from_base64(text: &str) -> Option<[u8; 16]> {
    fixed(text)
}

/// The MD5 that an ETag is, where it has that form: 32 hexadecimal digits. Whether it truly is one depends on the encryption.
pub fn md5_from_etag(etag: &str) -> Option<[u8; 16]> {
    let digits: &[u8; 32] = etag.trim_matches('"').as_bytes().try_into().ok()?;
    let mut value = [0; 16];
    hex_simd::decode(digits, hex_simd::Out::from_slice(&mut value)).ok()?;
    Some(value)
}

/// The ETag of an object that was put together from parts with these MD5s: the MD5 of them all, and how many they are.
pub fn composite_etag(md5s: impl IntoIterator<Item = [u8; 16]>) -> String {
    let mut hasher = Md5::new();
    let mut count = 0_u64;
    for md5 in md5s {
        hasher.update(md5);
        count += 1;
    }
    format!("{}-{count}", hex_simd::encode_to_string(hasher.finalize(), hex_simd::AsciiCase::Lower))
}

/// How many parts an object with this ETag was put together from, where the ETag has that form.
pub fn parts_of_etag(etag: &str) -> Option<u32> {
    let (digest, count) = etag.trim_matches('"').split_once('-')?;
    md5_from_etag(digest)?;
    count.parse().ok().filter(|count| *count > 0)
}

fn fixed<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE64.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(bytes: &[u8]) -> Sum {
        let mut rolling = Rolling::new(Wanted { crc64nvme: true });
        rolling.update(bytes);
        rolling.finish()
    }

    #[test]
    fn known_vectors() {
        let check = sum(b"123456789");
        assert_eq!(crc32c_to_base64(check.crc32c), "4waSgw==");
        assert_eq!(crc64nvme_to_base64(check.crc64nvme.expect("wanted")), "rosUhgp5mIg=");
        assert_eq!(crc32c_to_base64(sum(&[0; 32]).crc32c), "ipE2qg==");
        assert_eq!(crc32c_to_base64(sum(b"").crc32c), "AAAAAA==");
        assert_eq!(crc64nvme_to_base64(sum(b"").crc64nvme.expect("wanted")), "AAAAAAAAAAA=");
    }

    /// The ETag that S3 documents for the parts "a" and "b".
    #[test]
    fn the_etag_of_parts_is_the_md5_of_their_md5s() {
        let md5 = |bytes: &[u8]| <[u8; 16]>::from(Md5::digest(bytes));
        let inner = [md5(b"a"), md5(b"b")].concat();
        let etag = composite_etag([md5(b"a"), md5(b"b")]);
        assert_eq!(etag, format!("{}-2", hex_simd::encode_to_string(md5(&inner), hex_simd::AsciiCase::Lower)));
        assert_eq!((parts_of_etag(&etag), parts_of_etag(&format!("\"{etag}\""))), (Some(2), Some(2)));
        for other in
            ["d41d8cd98f00b204e9800998ecf8427e", "x-2", "d41d8cd98f00b204e9800998ecf8427e-0", "d41d8cd98f00b204e9800998ecf8427e-x", ""]
        {
            assert_eq!(parts_of_etag(other), None, "{other}");
        }
    }

    #[test]
    fn composites_and_odd_lengths_are_no_digest() {
        assert_eq!(crc32c_from_base64("4waSgw==-3"), None);
        assert_eq!(crc32c_from_base64("4waS"), None);
        assert_eq!(md5_from_etag("\"d41d8cd98f00b204e9800998ecf8427e-2\""), None);
        assert!(md5_from_etag("\"d41d8cd98f00b204e9800998ecf8427e\"").is_some());
    }

    #[test]
    fn one_difference_outweighs_an_agreement() {
        let one = Digests { crc32c: Some(1), crc64nvme: None, md5: Some([1; 16]) };
        let other = Digests { crc32c: Some(1), crc64nvme: Some(5), md5: Some([2; 16]) };
        assert_eq!(one.agreement(&other), Agreement::Different(Algorithm::Md5));
        assert_eq!(one.agreement(&Digests::of_crc32c(1)), Agreement::Same(Algorithm::Crc32c));
        assert_eq!(one.agreement(&Digests { crc64nvme: Some(1), ..Digests::default() }), Agreement::Unknown);
    }

    proptest! {
        #[test]
        fn parts_combine_to_the_whole(bytes in proptest::collection::vec(any::<u8>(), 0..4096), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6)) {
            let mut borders: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            borders.extend([0, bytes.len()]);
            borders.sort_unstable();
            let whole = borders.windows(2).map(|pair| sum(&bytes[pair[0]..pair[1]])).fold(Sum::EMPTY, Sum::then);
            prop_assert_eq!(whole, sum(&bytes));
        }
    }
}
