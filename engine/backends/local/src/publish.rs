//! From a partial file to an object: checked, written out, then made visible by one rename (p02).
//!
//! The order is what makes it safe. The bytes are forced to the disk, read back and compared with the sum of what was read
//! from the source; only then does the file get its name, and then the directory is forced out as well. A crash at any
//! instant leaves either no object or a whole one.

use std::os::fd::OwnedFd;

use brigade_core::digest::{Sum, Wanted as Checksums};
use brigade_core::{ErrorKind, Metadata, metadata::MTIME};
use brigade_store::{Result, Rope, StoreError, When, WriteSpec, Written};
use jiff::Timestamp;
use rustix::fs::{
    Advice, AtFlags, FileType, RenameFlags, Stat, Timespec, Timestamps, UTIME_OMIT, fadvise, fstat, fsync, futimens, linkat, renameat,
    renameat_with, unlinkat,
};
use rustix::io::{Errno, pwrite, retry_on_intr};

use crate::error::Doing;
use crate::lane::{Wanted, unwanted};
use crate::read::sum_of;
use crate::root::{Place, file_type, kind_of_obstacle};
use crate::stamp;

/// Writes a rope at an offset.
pub(crate) fn write_at(file: &OwnedFd, offset: u64, bytes: &Rope, wanted: Wanted<'_>) -> Result<()> {
    let mut at = offset;
    for chunk in bytes.chunks() {
        if !wanted() {
            return Err(unwanted());
        }
        let mut rest = chunk.as_ref();
        while !rest.is_empty() {
            let written = retry_on_intr(|| pwrite(file, rest, at)).doing("write")?;
            if written == 0 {
                return Err(StoreError::new(ErrorKind::Disk, "write: the disk takes no more bytes"));
            }
            rest = &rest[written..];
            at += u64::try_from(written).expect("a length fits in 64 bits");
        }
    }
    Ok(())
}

/// Forces the file out, reads it back, compares it with `sum`, and gives it its name. `partial` is its present name in the
/// same directory; after an error it still has that name, unless the error says that the rename may have been done.
pub(crate) fn publish(
    place: &Place<'_>,
    file: &OwnedFd,
    partial: &str,
    sum: &Sum,
    spec: &WriteSpec,
    wanted: Wanted<'_>,
) -> Result<Written> {
    let key = place.key;
    let size = stamp::of(&fstat(file).doing(format_args!("look at what was written of `{key}`"))?).size;
    if size != sum.size {
        return Err(StoreError::new(ErrorKind::Corrupt, format!("`{key}` has {size} bytes on the disk instead of {}", sum.size)));
    }
    set_modified(file, &spec.metadata)?;
    fsync(file).doing(format_args!("write out `{key}`"))?;
    // A hint that the bytes be read from the disk, not from the memory that still holds what was written. Where the file
    // system ignores it, the comparison still finds what went wrong on the way into that memory.
    let _ = fadvise(file, 0, None, Advice::DontNeed);
    let seen = sum_of(file, size, Checksums { crc64nvme: sum.crc64nvme.is_some() }, wanted)?;
    if seen != *sum {
        let message = format!("`{key}` came back from the disk with crc32c {:08x} instead of {:08x}", seen.crc32c, sum.crc32c);
        return Err(StoreError::new(ErrorKind::Corrupt, message));
    }
    if !wanted() {
        return Err(unwanted());
    }
    rename(place, partial, &spec.when)?;
    let visible = || -> Result<Written> {
        fsync(&place.directory).doing(format_args!("write out the directory of `{key}`"))?;
        // Through the descriptor: the stamp is that of this file, even if somebody replaced it at once.
        let stat = fstat(file).doing(format_args!("look at `{key}`"))?;
        Ok(Written { identity: Some(stamp::identity(&stat)), digests: seen.digests() })
    };
    visible().map_err(StoreError::possibly_done)
}

/// Whether the condition holds now. Asked before any byte is written, to spare the work, and again at the rename.
pub(crate) fn condition(place: &Place<'_>, when: &When) -> Result<()> {
    let key = place.key;
    let present = place.stat()?;
    if let Some(obstacle) = present.as_ref().filter(|stat| file_type(stat) != FileType::RegularFile) {
        return Err(obstructed(place, obstacle));
    }
    match (when, present) {
        (When::Always, _) | (When::IfAbsent, None) => Ok(()),
        (When::IfAbsent, Some(_)) => Err(StoreError::new(ErrorKind::Conflict, format!("`{key}` is there already"))),
        (When::IfMatches(_), None) => Err(StoreError::new(ErrorKind::Conflict, format!("`{key}` is no longer there"))),
        (When::IfMatches(identity), Some(stat)) if stamp::identity(&stat) == *identity => Ok(()),
        (When::IfMatches(_), Some(_)) => Err(StoreError::new(ErrorKind::Conflict, format!("`{key}` is now another version"))),
    }
}

fn obstructed(place: &Place<'_>, obstacle: &Stat) -> StoreError {
    StoreError::new(ErrorKind::Unfit, format!("`{}` cannot be written: in its place is {}", place.key, kind_of_obstacle(obstacle)))
}

/// Gives the partial file its name. Absence is checked by the rename itself. A version to be replaced is compared just before:
/// POSIX has no rename that compares, so a writer that comes between the comparison and the rename, some microseconds, loses.
fn rename(place: &Place<'_>, partial: &str, when: &When) -> Result<()> {
    condition(place, when)?;
    let renamed = match when {
        When::IfAbsent => rename_to_absent(&place.directory, partial.as_bytes(), place.name),
        When::Always | When::IfMatches(_) => renameat(&place.directory, partial, &place.directory, place.name),
    };
    match renamed {
        // Somebody was faster; what it is decides how it is called.
        Err(Errno::EXIST | Errno::ISDIR | Errno::NOTDIR | Errno::NOTEMPTY) => {
            condition(place, when)?;
            Err(StoreError::new(ErrorKind::Race, format!("`{}` was written by somebody else at the same time", place.key)))
        }
        renamed => renamed.doing(format_args!("publish `{}`", place.key)),
    }
}

/// Renames within a directory only if the new name is free, in one step.
pub(crate) fn rename_to_absent(directory: &OwnedFd, from: &[u8], to: &[u8]) -> rustix::io::Result<()> {
    match renameat_with(directory, from, directory, to, RenameFlags::NOREPLACE) {
        // This file system cannot; a hard link can be made only to a free name as well.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            linkat(directory, from, directory, to, AtFlags::empty())?;
            unlinkat(directory, from, AtFlags::empty())
        }
        renamed => renamed,
    }
}

/// Gives the file the modification time that travels as user metadata, where one does.
fn set_modified(file: &OwnedFd, metadata: &Metadata) -> Result<()> {
    let Some(text) = metadata.user.get(MTIME) else { return Ok(()) };
    let Some(modified) = parse_time(text) else {
        tracing::warn!(value = text, "the modification time in the metadata is no time; the file keeps its own");
        return Ok(());
    };
    let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    futimens(file, &Timestamps { last_access: omit, last_modification: modified }).doing("set the modification time")
}

/// `seconds[.fraction]` since 1970, as rclone writes it to S3, or RFC 3339, as it writes it to GCS.
fn parse_time(text: &str) -> Option<Timespec> {
    let Some((whole, fraction)) = decimal(text) else {
        let time: Timestamp = text.parse().ok()?;
        return timespec(time.as_nanosecond());
    };
    timespec(i128::from(whole) * 1_000_000_000 + i128::from(fraction) * if text.starts_with('-') { -1 } else { 1 })
}

/// Whole seconds with their sign, and nanoseconds without.
fn decimal(text: &str) -> Option<(i64, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(fraction) || whole.strip_prefix('-').unwrap_or(whole).is_empty() || !digits(whole.strip_prefix('-').unwrap_or(whole)) {
        return None;
    }
    let nanoseconds = format!("{:0<9}", fraction.get(..fraction.len().min(9))?);
    Some((whole.parse().ok()?, nanoseconds.parse().ok()?))
}

fn timespec(nanoseconds: i128) -> Option<Timespec> {
    Some(Timespec {
        tv_sec: i64::try_from(nanoseconds.div_euclid(1_000_000_000)).ok()?,
        tv_nsec: i64::try_from(nanoseconds.rem_euclid(1_000_000_000)).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_forms_and_to_the_nanosecond() {
        let seen = |text| parse_time(text).map(|time| (time.tv_sec, time.tv_nsec));
        assert_eq!(seen("1700000000.123456789"), Some((1_700_000_000, 123_456_789)));
        assert_eq!(seen("1700000000.5"), Some((1_700_000_000, 500_000_000)));
        assert_eq!(seen("1700000000"), Some((1_700_000_000, 0)));
        assert_eq!(seen("1700000000.1234567891"), Some((1_700_000_000, 123_456_789)));
        assert_eq!(seen("-0.25"), Some((-1, 750_000_000)));
        assert_eq!(seen("-2.25"), Some((-3, 750_000_000)));
        assert_eq!(seen("2023-11-14T22:13:20.123456789Z"), Some((1_700_000_000, 123_456_789)));
        for bad in ["", "-", ".", "1e9", "1.-5", "+1", "tomorrow", "99999999999999999999", "1.5é"] {
            assert_eq!(seen(bad), None, "{bad}");
        }
    }
}
