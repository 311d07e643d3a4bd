//! The files of an inventory, from whatever store they are in, onto the disk.
//!
//! Each is compared as a whole with the size and the MD5 that vouch for it before anything of it is parsed.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use brigade_core::digest::Wanted;
use brigade_core::parts::Part;
use brigade_core::{ErrorKind, Key};
use brigade_store::{Head, ReadRequest, Rope, Source, StoreError};
use futures::{StreamExt, stream};
use md5::{Digest, Md5};
use tokio::task::spawn_blocking;

use super::document::DataFile;
use super::{crashed, shortened};
use crate::limits::{DOCUMENT_BYTES_MAX, FETCH_BYTES, FETCHES_AT_ONCE};
use crate::{InventoryError, Result};

/// A file on the disk, whole and as it should be. It has no name there.
pub(super) struct Fetched {
    /// Its key, for people.
    pub(super) name: String,
    pub(super) file: File,
}

/// The bytes of a `manifest.json`, compared with the `manifest.checksum` beside it where there is one.
pub(super) async fn document<S: Source + ?Sized>(store: &S, key: &Key) -> Result<Vec<u8>> {
    let name = key.to_string();
    let text = whole(store, key, DOCUMENT_BYTES_MAX).await.map_err(|source| InventoryError::Store { file: name.clone(), source })?;
    let beside = key.as_bytes().strip_suffix(b".json").map(|stem| Key::new([stem, b".checksum"].concat()));
    let Some(beside) = beside else { return Ok(text) };
    match whole(store, &beside, FETCH_BYTES).await {
        Ok(checksum) if checksum.trim_ascii() == hex::encode(Md5::digest(&text)).as_bytes() => Ok(text),
        Ok(_) => Err(InventoryError::damaged(&name, "its MD5 is not the one in the manifest.checksum beside it")),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(text),
        Err(source) => Err(InventoryError::Store { file: beside.to_string(), source }),
    }
}

/// A small object.
async fn whole<S: Source + ?Sized>(store: &S, key: &Key, limit_bytes: u64) -> Result<Vec<u8>, StoreError> {
    let head = store.head(key).await?;
    if head.size > limit_bytes {
        return Err(StoreError::new(ErrorKind::Unfit, format!("it has {} bytes, more than {limit_bytes}", head.size)));
    }
    let request = ReadRequest { key, part: None, size: head.size, identity: &head.identity, wanted: Wanted::default() };
    Ok(store.read(&request).await?.bytes.to_vec())
}

/// Fetches a data file, whose key here lacks its first segments.
pub(super) async fn file<S: Source + ?Sized>(store: &S, data: &DataFile, left_out: usize, directory: &Path) -> Result<Fetched> {
    let name = data.key.clone();
    let key = if left_out == 0 { Some(name.clone()) } else { shortened(&name, left_out) };
    let key = Key::from(key.ok_or_else(|| InventoryError::damaged(&name, "its key is none"))?.as_str());
    let failed = |source| InventoryError::Store { file: name.clone(), source };
    let head = store.head(&key).await.map_err(failed)?;
    if head.size != data.size {
        return Err(InventoryError::damaged(&name, format!("it has {} bytes, and the manifest.json says {}", head.size, data.size)));
    }
    let mut spool = Spool { file: tempfile::tempfile_in(directory)?, md5: Md5::new() };
    let parts = (0..data.size.div_ceil(FETCH_BYTES)).map(|number| part(number, data.size));
    let mut reads = stream::iter(parts).map(|part| read(store, &key, &head, part)).buffered(FETCHES_AT_ONCE);
    while let Some(bytes) = reads.next().await {
        let bytes = bytes.map_err(failed)?;
        spool = spawn_blocking(move || spool.take(&bytes)).await.map_err(crashed)??;
    }
    drop(reads);
    let Spool { mut file, md5 } = spool;
    if md5.finalize()[..] != data.md5 {
        return Err(InventoryError::damaged(&name, "its MD5 is not the one that the manifest.json names"));
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(Fetched { name, file })
}

fn part(number: u64, size: u64) -> Part {
    let offset = number * FETCH_BYTES;
    let number = u32::try_from(number + 1).unwrap_or(u32::MAX);
    Part { number, offset, size: FETCH_BYTES.min(size - offset) }
}

async fn read<S: Source + ?Sized>(store: &S, key: &Key, head: &Head, part: Part) -> Result<Rope, StoreError> {
    let whole = part.offset == 0 && part.size == head.size;
    let part_asked = (!whole).then_some(part);
    let request = ReadRequest { key, part: part_asked, size: part.size, identity: &head.identity, wanted: Wanted::default() };
    Ok(store.read(&request).await?.bytes)
}

/// A file that is digested as it grows.
struct Spool {
    file: File,
    md5: Md5,
}

impl Spool {
    fn take(mut self, bytes: &Rope) -> Result<Self> {
        for chunk in bytes.chunks() {
            self.md5.update(chunk);
            self.file.write_all(chunk)?;
        }
        Ok(self)
    }
}
