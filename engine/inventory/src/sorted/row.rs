//! One entry as bytes in a sorted file: the key first, so that entries are compared without being decoded.
//!
//! The file never outlives the process that wrote it, so the shape has no version. Only what a listing of S3 says is kept.

use std::sync::Arc;

use brigade_core::digest::md5_from_etag;
use brigade_core::{Algorithm, Availability, Digests, Entry, Identity, Key};
use jiff::Timestamp;

use crate::{InventoryError, Result};

/// Bytes that say how long the key is, which follows them.
const KEY_LENGTH_BYTES: usize = 2;

/// Appends an entry, which has an ETag; its length stands before it.
pub(super) fn write(entry: &Entry, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    bytes.extend([0; 2]);
    let key = entry.key.as_bytes();
    let short = |length: usize| u16::try_from(length).expect("keys and words are bounded where they are read");
    bytes.extend(short(key.len()).to_le_bytes());
    bytes.extend(key);
    bytes.extend(entry.size.to_le_bytes());
    bytes.extend(entry.modified.map_or(i64::MIN, Timestamp::as_millisecond).to_le_bytes());
    bytes.push(entry.checksum_kept.map_or(0, code));
    bytes.push(u8::from(entry.availability == Availability::Archived));
    for word in [entry.identity.as_etag().unwrap_or_default(), entry.storage_class.as_deref().unwrap_or_default()] {
        bytes.extend(short(word.len()).to_le_bytes());
        bytes.extend(word.as_bytes());
    }
    let length = short(bytes.len() - start);
    bytes[start..start + 2].copy_from_slice(&length.to_le_bytes());
}

/// The first of some entries.
pub(super) fn first(bytes: &[u8]) -> &[u8] {
    let length = bytes.first_chunk().map_or(0, |length| usize::from(u16::from_le_bytes(*length)));
    bytes.get(..length.max(2)).unwrap_or(bytes)
}

/// The key of an entry; empty where the bytes are none.
pub(super) fn key(row: &[u8]) -> &[u8] {
    let rest = row.get(2..).unwrap_or_default();
    let length = rest.first_chunk().map_or(0, |length| usize::from(u16::from_le_bytes(*length)));
    rest.get(KEY_LENGTH_BYTES..KEY_LENGTH_BYTES + length).unwrap_or_default()
}

/// Reads what [`write`] wrote.
pub(super) fn read(row: &[u8]) -> Result<Entry> {
    entry(row).ok_or_else(|| InventoryError::damaged("a sorted file of this run", "an entry cannot be understood"))
}

fn entry(row: &[u8]) -> Option<Entry> {
    let key = key(row);
    let rest = row.get(2 + KEY_LENGTH_BYTES + key.len()..)?;
    let (size, rest) = rest.split_first_chunk()?;
    let (modified, rest) = rest.split_first_chunk()?;
    let ([kept, archived], rest) = rest.split_first_chunk()?;
    let (etag, rest) = word(rest)?;
    let (class, rest) = word(rest)?;
    let modified = i64::from_le_bytes(*modified);
    rest.is_empty().then(|| Entry {
        modified: Some(modified).filter(|modified| *modified != i64::MIN).and_then(|millis| Timestamp::from_millisecond(millis).ok()),
        digests: Digests { md5: md5_from_etag(etag), ..Digests::default() },
        checksum_kept: Algorithm::ALL.into_iter().find(|algorithm| code(*algorithm) == *kept),
        storage_class: Some(class).filter(|class| !class.is_empty()).map(Arc::from),
        availability: if *archived == 0 { Availability::Ready } else { Availability::Archived },
        ..Entry::new(Key::new(key), u64::from_le_bytes(*size), Identity::etag(etag))
    })
}

fn word(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (word, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    Some((std::str::from_utf8(word).ok()?, rest))
}

/// A number for an algorithm; none has 0.
fn code(algorithm: Algorithm) -> u8 {
    match algorithm {
        Algorithm::Crc32c => 1,
        Algorithm::Crc64nvme => 2,
        Algorithm::Crc32 => 3,
        Algorithm::Md5 => 4,
        Algorithm::Sha1 => 5,
        Algorithm::Sha256 => 6,
    }
}
