//! Which state of a file is meant: inode, size and both times.
//!
//! The status change time moves with every write, rename, link and change of times or rights, and no program can set it
//! back. What a stamp cannot tell apart are two changes in place, of the same size, within one tick of the file system's
//! clock (some milliseconds on older kernels).

use brigade_core::identity::FileStamp;
use brigade_core::{ErrorKind, Identity};
use brigade_store::{Result, StoreError};
use jiff::Timestamp;
use rustix::fs::Stat;

/// The stamp of what `stat` says.
pub(crate) fn of(stat: &Stat) -> FileStamp {
    FileStamp {
        inode: stat.st_ino,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        modified_ns: nanoseconds(stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        changed_ns: nanoseconds(stat.st_ctime, i64::try_from(stat.st_ctime_nsec).unwrap_or(0)),
    }
}

/// As an identity.
pub(crate) fn identity(stat: &Stat) -> Identity {
    Identity::File(of(stat))
}

/// When the content was last modified.
pub(crate) fn modified(stat: &Stat) -> Option<Timestamp> {
    let nanoseconds = i32::try_from(stat.st_mtime_nsec).ok()?;
    Timestamp::new(stat.st_mtime, nanoseconds).ok()
}

/// The stamp that an identity holds; any other identity was never this store's.
pub(crate) fn expected(identity: &Identity) -> Result<FileStamp> {
    match identity {
        Identity::File(stamp) => Ok(*stamp),
        other => Err(StoreError::new(ErrorKind::Changed, format!("{other} is no version of a file"))),
    }
}

/// Whether two stamps name one content, where a rename lies between them: it moves the status change time and nothing else.
pub(crate) fn same_but_renamed(one: FileStamp, other: FileStamp) -> bool {
    FileStamp { changed_ns: 0, ..one } == FileStamp { changed_ns: 0, ..other }
}

/// Times beyond the years 1677..2262 are cut to those borders.
fn nanoseconds(seconds: i64, fraction: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(fraction)
}
