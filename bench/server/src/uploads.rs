//! Uploads in parts, of both dialects, and resumable uploads of GCS: what arrived is summed up, never kept.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use md5::{Digest as _, Md5};

use crate::content::joined;
use crate::object::{ETag, Metadata};

/// One part that arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// In bytes.
    pub(crate) size: u64,
    /// CRC-32C.
    pub(crate) crc32c: u32,
    /// S3's tag of the part.
    pub(crate) etag: ETag,
}

/// An upload in parts.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    /// The key that it will become.
    pub(crate) key: Vec<u8>,
    /// What is told about the object.
    pub(crate) metadata: Option<Arc<Metadata>>,
    /// Milliseconds since 1970.
    pub(crate) started: u64,
    /// The parts by number.
    pub(crate) parts: BTreeMap<u32, Part>,
}

/// What parts sum up to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole {
    /// In bytes.
    pub(crate) size: u64,
    /// CRC-32C of the whole.
    pub(crate) crc32c: u32,
    /// The tag over the parts' tags.
    pub(crate) etag: ETag,
}

impl Whole {
    /// Puts parts together in the order given.
    pub(crate) fn of(parts: &[Part]) -> Self {
        let mut md5 = Md5::new();
        let (mut size, mut crc32c) = (0, 0);
        for part in parts {
            md5.update(part.etag.hash());
            crc32c = joined(crc32c, part.crc32c, part.size);
            size += part.size;
        }
        let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        Self { size, crc32c, etag: ETag::of_parts(md5.finalize().into(), count) }
    }
}

/// A resumable upload of GCS.
#[derive(Clone, Debug)]
pub(crate) struct Resumable {
    /// The key that it will become.
    pub(crate) key: Vec<u8>,
    /// What is told about the object.
    pub(crate) metadata: Option<Arc<Metadata>>,
    /// The condition that it was begun with.
    pub(crate) condition: Option<u64>,
    /// CRC-32C that the resource promised.
    pub(crate) promised_crc32c: Option<u32>,
    /// Bytes so far.
    pub(crate) size: u64,
    /// CRC-32C of them.
    pub(crate) crc32c: u32,
}

/// Everything unfinished in a bucket, by the number in its upload id.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    next: u64,
    parts: HashMap<u64, Upload>,
    resumable: HashMap<u64, Resumable>,
}

impl Uploads {
    /// Begins an upload in parts and gives its id.
    pub(crate) fn begin(&mut self, upload: Upload) -> String {
        self.next += 1;
        self.parts.insert(self.next, upload);
        id_of(self.next)
    }

    /// The upload of an id, if it is one of this key.
    pub(crate) fn get(&mut self, id: &str, key: &[u8]) -> Option<&mut Upload> {
        self.parts.get_mut(&number_of(id)?).filter(|upload| upload.key == key)
    }

    /// Ends an upload.
    pub(crate) fn remove(&mut self, id: &str) -> Option<Upload> {
        self.parts.remove(&number_of(id)?)
    }

    /// All uploads of keys with a prefix, in the order of key and id.
    pub(crate) fn below(&self, prefix: &[u8]) -> Vec<(String, Upload)> {
        let mut found: Vec<(u64, &Upload)> =
            self.parts.iter().filter(|(_, upload)| upload.key.starts_with(prefix)).map(|(id, upload)| (*id, upload)).collect();
        found.sort_by(|one, other| (&one.1.key, one.0).cmp(&(&other.1.key, other.0)));
        found.into_iter().map(|(id, upload)| (id_of(id), upload.clone())).collect()
    }

    /// Begins a resumable upload and gives its id.
    pub(crate) fn begin_resumable(&mut self, upload: Resumable) -> String {
        self.next += 1;
        self.resumable.insert(self.next, upload);
        id_of(self.next)
    }

    /// The resumable upload of an id.
    pub(crate) fn resumable(&mut self, id: &str) -> Option<&mut Resumable> {
        self.resumable.get_mut(&number_of(id)?)
    }

    /// Ends a resumable upload.
    pub(crate) fn remove_resumable(&mut self, id: &str) -> Option<Resumable> {
        self.resumable.remove(&number_of(id)?)
    }
}

/// Real ids are long; clients that put them into a query pay for that.
fn id_of(number: u64) -> String {
    format!("benchUpload.{number:020}.q7RZm0Vt3kXy2LhWc9TjBnPdFgSa")
}

fn number_of(id: &str) -> Option<u64> {
    id.split('.').nth(1)?.parse().ok()
}
