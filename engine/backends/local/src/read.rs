//! Reading bytes of one version of a file.
//!
//! The file is opened once; its stamp is compared with the version asked for before the first byte and after the last,
//! through the same descriptor. So a piece is either of that version or an error (p07).

use std::os::fd::OwnedFd;
use std::sync::Arc;

use brigade_core::digest::{Digests, Rolling, Sum, Wanted as Checksums};
use brigade_core::identity::FileStamp;
use brigade_core::parts::Part;
use brigade_core::{Availability, ErrorKind, Identity, Key};
use brigade_store::{Collector, Head, Piece, Result, StoreError};
use bytes::Bytes;
use md5::Digest as _;
use rustix::buffer::spare_capacity;
use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, openat};
use rustix::io::{Errno, pread, retry_on_intr};

use crate::error::Doing;
use crate::lane::{Wanted, unwanted};
use crate::limits::READ_CHUNK_BYTES;
use crate::root::{Root, file_type};
use crate::stamp;

/// The facts of one file.
pub(crate) fn head(root: &Root, key: &Key) -> Result<Head> {
    match root.place(key)?.file()? {
        Some(stat) => Ok(head_of(&stat)),
        None => Err(StoreError::new(ErrorKind::NotFound, format!("`{key}` is not there"))),
    }
}

fn head_of(stat: &Stat) -> Head {
    Head {
        size: stamp::of(stat).size,
        identity: stamp::identity(stat),
        modified: stamp::modified(stat),
        digests: Digests::default(),
        metadata: Arc::default(),
        tags: 0,
        storage_class: None,
        availability: Availability::Ready,
    }
}

/// What is read of a file.
pub(crate) struct Request {
    pub(crate) key: Key,
    pub(crate) part: Option<Part>,
    pub(crate) size: u64,
    pub(crate) identity: Identity,
    pub(crate) checksums: Checksums,
}

/// Reads a whole file or one part.
pub(crate) fn read(root: &Root, request: &Request, wanted: Wanted<'_>) -> Result<Piece> {
    let Request { key, part, size, identity, checksums } = request;
    let pinned = Pinned::open(root, key, identity)?;
    let (offset, there) = match part {
        Some(part) => (part.offset, pinned.stamp.size.saturating_sub(part.offset).min(part.size)),
        None => (0, pinned.stamp.size),
    };
    if there != *size {
        return Err(StoreError::new(ErrorKind::Protocol, format!("{size} bytes of `{key}` were asked for, and {there} are there")));
    }
    let mut collector = Collector::new(*size, *checksums);
    pinned.chunks(offset, *size, wanted, |chunk| collector.push(chunk))?;
    let (bytes, sum) = collector.finish()?;
    Ok(Piece { head: head_of(&pinned.still()?), bytes, sum })
}

/// Every digest of one version, in one pass.
pub(crate) fn digests(root: &Root, key: &Key, identity: &Identity, wanted: Wanted<'_>) -> Result<Digests> {
    let pinned = Pinned::open(root, key, identity)?;
    let mut rolling = Rolling::new(Checksums { crc64nvme: true });
    let mut md5 = md5::Md5::new();
    pinned.chunks(0, pinned.stamp.size, wanted, |chunk| {
        rolling.update(&chunk);
        md5.update(&chunk);
        Ok(())
    })?;
    pinned.still()?;
    Ok(Digests { md5: Some(md5.finalize().into()), ..rolling.finish().digests() })
}

/// An open file that was the version asked for.
struct Pinned<'a> {
    file: OwnedFd,
    stamp: FileStamp,
    key: &'a Key,
}

impl<'a> Pinned<'a> {
    fn open(root: &Root, key: &'a Key, identity: &Identity) -> Result<Self> {
        let vanished = || StoreError::new(ErrorKind::Vanished, format!("`{key}` is no longer there"));
        let stamp = stamp::expected(identity)?;
        let place = root.place(key).map_err(|error| if error.kind == ErrorKind::NotFound { vanished() } else { error })?;
        // NONBLOCK: a pipe that took the file's place must not hold the thread.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&place.directory, place.name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Err(vanished()),
            Err(Errno::LOOP | Errno::NXIO) => return Err(changed(key, "something that is no file")),
            Err(errno) => return Err(errno).doing(format_args!("open `{key}`")),
        };
        let pinned = Self { file, stamp, key };
        pinned.still()?;
        Ok(pinned)
    }

    /// The file still is that version.
    fn still(&self) -> Result<Stat> {
        let stat = fstat(&self.file).doing(format_args!("look at `{}`", self.key))?;
        if file_type(&stat) != FileType::RegularFile {
            return Err(changed(self.key, "something that is no file"));
        }
        if stamp::of(&stat) != self.stamp {
            return Err(changed(self.key, "another version"));
        }
        Ok(stat)
    }

    fn chunks(&self, offset: u64, size: u64, wanted: Wanted<'_>, take: impl FnMut(Bytes) -> Result<()>) -> Result<()> {
        match chunks(&self.file, offset, size, wanted, take) {
            // A file that ends early was cut while it was read.
            Err(error) if error.kind == ErrorKind::Network => Err(self.still().err().unwrap_or(error)),
            other => other.map_err(|error| error.context(format_args!("read `{}`", self.key))),
        }
    }
}

fn changed(key: &Key, now: &str) -> StoreError {
    StoreError::new(ErrorKind::Changed, format!("`{key}` is now {now}"))
}

/// Reads exactly `size` bytes at `offset`, chunk by chunk, and stops where nobody waits for them any more.
fn chunks(file: &OwnedFd, offset: u64, size: u64, wanted: Wanted<'_>, mut take: impl FnMut(Bytes) -> Result<()>) -> Result<()> {
    let mut done = 0;
    while done < size {
        if !wanted() {
            return Err(unwanted());
        }
        let room = usize::try_from(size - done).unwrap_or(READ_CHUNK_BYTES).min(READ_CHUNK_BYTES);
        let chunk = chunk(file, offset + done, room)?;
        if chunk.is_empty() {
            return Err(StoreError::new(ErrorKind::Network, format!("the file ended after {done} of {size} bytes")));
        }
        done += u64::try_from(chunk.len()).expect("a chunk's length fits in 64 bits");
        take(Bytes::from(chunk))?;
    }
    Ok(())
}

/// Reads at most `room` bytes into memory that is not cleared before.
fn chunk(file: &OwnedFd, offset: u64, room: usize) -> Result<Vec<u8>> {
    let mut chunk = Vec::with_capacity(room);
    while chunk.len() < room {
        let at = offset + u64::try_from(chunk.len()).expect("a chunk's length fits in 64 bits");
        let taken = retry_on_intr(|| pread(file, spare_capacity(&mut chunk), at)).doing("read")?;
        if taken == 0 {
            break;
        }
    }
    // The allocator may have given more than was asked for.
    chunk.truncate(room);
    Ok(chunk)
}

/// What the disk gives back of the first `size` bytes of an open file.
pub(crate) fn sum_of(file: &OwnedFd, size: u64, checksums: Checksums, wanted: Wanted<'_>) -> Result<Sum> {
    let mut rolling = Rolling::new(checksums);
    chunks(file, 0, size, wanted, |chunk| {
        rolling.update(&chunk);
        Ok(())
    })
    .map_err(|error| if error.kind == ErrorKind::Network { StoreError { kind: ErrorKind::Corrupt, ..error } } else { error })?;
    Ok(rolling.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of two chunks, and its root.
    fn file() -> (tempfile::TempDir, Root, Key, Identity) {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("a"), vec![1; 2 * READ_CHUNK_BYTES]).expect("writes");
        let root = Root::new(directory.path().to_owned());
        let key = Key::from("a");
        let identity = head(&root, &key).expect("is there").identity;
        (directory, root, key, identity)
    }

    #[test]
    fn p07_a_file_that_is_cut_or_grows_while_it_is_read_is_changed() {
        let size = u64::try_from(2 * READ_CHUNK_BYTES).expect("small");
        for new_size in [size / 2, size - 1, size + 1] {
            for digest in [false, true] {
                let (directory, root, key, identity) = file();
                // Whether the answer is wanted is asked before each chunk: the moment at which somebody else writes.
                let resized = || {
                    let file = std::fs::File::options().write(true).open(directory.path().join("a")).expect("opens");
                    file.set_len(new_size).is_ok()
                };
                let result = if digest {
                    digests(&root, &key, &identity, &resized).map(|_| ())
                } else {
                    let request = Request { key, part: None, size, identity, checksums: Checksums::default() };
                    read(&root, &request, &resized).map(|_| ())
                };
                assert_eq!(result.map_err(|error| error.kind), Err(ErrorKind::Changed), "{new_size}, digest: {digest}");
            }
        }
    }

    #[test]
    fn p07_a_file_that_was_replaced_is_changed_and_one_that_is_gone_has_vanished() {
        let (directory, root, key, identity) = file();
        let request = Request { key, part: None, size: 3, identity, checksums: Checksums::default() };
        std::fs::write(directory.path().join("b"), b"new").expect("writes");
        std::fs::rename(directory.path().join("b"), directory.path().join("a")).expect("renames");
        assert_eq!(read(&root, &request, &|| true).expect_err("another").kind, ErrorKind::Changed);
        std::fs::remove_file(directory.path().join("a")).expect("removes");
        assert_eq!(read(&root, &request, &|| true).expect_err("gone").kind, ErrorKind::Vanished);
    }

    #[test]
    fn a_read_that_nobody_waits_for_stops() {
        let (_directory, root, key, identity) = file();
        assert_eq!(digests(&root, &key, &identity, &|| false).expect_err("stopped").kind, ErrorKind::Cancelled);
    }
}
