//! From one row of an inventory to what a listing would have said of the object.

use std::borrow::Cow;

use brigade_core::digest::md5_from_etag;
use brigade_core::limits::KEY_BYTES_MAX;
use brigade_core::{Algorithm, Availability, Digests, Entry, Identity, Key};
use jiff::Timestamp;

use crate::limits::WORD_BYTES_MAX;

/// Which rows are wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The bucket that every row must name.
    pub bucket: String,
    /// The key prefix of the location: rows of other keys are passed over.
    pub prefix: Vec<u8>,
}

/// The columns of one row that matter. A column that is not there, and a value that is empty, are `None`.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a> {
    pub(crate) bucket: &'a [u8],
    pub(crate) key: Cow<'a, [u8]>,
    pub(crate) is_latest: Option<bool>,
    pub(crate) is_delete_marker: Option<bool>,
    pub(crate) size: Option<u64>,
    pub(crate) modified: Option<Timestamp>,
    pub(crate) etag: Option<&'a [u8]>,
    pub(crate) class: Option<&'a [u8]>,
    pub(crate) checksum: Option<&'a [u8]>,
}

/// The entry of a row; `None` where the row is not that of a current object below the prefix.
pub(crate) fn entry(fields: &Fields<'_>, wanted: &Wanted) -> Result<Option<Entry>, String> {
    if fields.bucket != wanted.bucket.as_bytes() {
        return Err(format!("a row is of the bucket `{}`", Key::from(fields.bucket)));
    }
    if fields.is_latest == Some(false) || fields.is_delete_marker == Some(true) {
        return Ok(None);
    }
    if fields.key.is_empty() || fields.key.len() > KEY_BYTES_MAX || std::str::from_utf8(&fields.key).is_err() {
        return Err("a row has a key that S3 cannot hold".into());
    }
    let Some(key) = fields.key.strip_prefix(wanted.prefix.as_slice()) else { return Ok(None) };
    let lacks = |what: &str| format!("the row of `{}` has no {what}", Key::from(&*fields.key));
    let size = fields.size.ok_or_else(|| lacks("size"))?;
    let modified = fields.modified.ok_or_else(|| lacks("time"))?;
    let etag = word(fields.etag)?.map(|etag| etag.trim_matches('"')).filter(|etag| !etag.is_empty()).ok_or_else(|| lacks("ETag"))?;
    let class = word(fields.class)?;
    Ok(Some(Entry {
        modified: Some(modified),
        digests: Digests { md5: md5_from_etag(etag), ..Digests::default() },
        checksum_kept: word(fields.checksum)?.and_then(checksum),
        // Whether it was restored is not in an inventory.
        availability: if matches!(class, Some("GLACIER" | "DEEP_ARCHIVE")) { Availability::Archived } else { Availability::Ready },
        storage_class: class.map(Into::into),
        ..Entry::new(Key::new(key), size, Identity::etag(etag))
    }))
}

fn word(bytes: Option<&[u8]>) -> Result<Option<&str>, String> {
    let Some(bytes) = bytes else { return Ok(None) };
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= WORD_BYTES_MAX);
    text.map(|text| Some(text).filter(|text| !text.is_empty())).ok_or_else(|| "a row has a word that is none".into())
}

/// The checksum that is kept, of several the one that most is known by. Whether it is one of the whole object is not in an
/// inventory: where it is not, the HEAD that asks for it says so.
fn checksum(words: &str) -> Option<Algorithm> {
    let named: Vec<Algorithm> = words.split(',').filter_map(|word| Algorithm::from_name(&word.trim().to_ascii_lowercase())).collect();
    [Algorithm::Crc64nvme, Algorithm::Crc32c].into_iter().find(|best| named.contains(best)).or(named.first().copied())
}
