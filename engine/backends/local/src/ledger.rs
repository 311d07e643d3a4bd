//! The ledger of an upload: which parts of its partial file are written.
//!
//! A text file beside the partial one, so that another process, or a person, can see what is there. Its first line names
//! the upload, each further one a part that is being written or is written; lines are only ever appended, and the last one of
//! a part counts: a part that was written once and is torn by its second writing is not there. A line that a crash cut short is
//! passed over. The ledger is a note, not a proof: completion reads the partial file itself.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::fd::OwnedFd;

use brigade_core::digest::Digests;
use brigade_core::{ErrorKind, Key, parts::Part};
use brigade_store::{PartReceipt, Result, StoreError};
use jiff::Timestamp;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::{Errno, retry_on_intr, write};

use crate::error::Doing;
use crate::limits::LEDGER_BYTES_MAX;

/// First word of the first line.
const TITLE: &str = "brigade-upload";

/// What a ledger says.
#[derive(Debug, PartialEq)]
pub(crate) struct Ledger {
    /// What the file will be called.
    pub(crate) key: Key,
    /// How large it will be, in bytes.
    pub(crate) size: u64,
    /// When it was begun.
    pub(crate) started: Option<Timestamp>,
    /// The parts that are written.
    pub(crate) parts: Vec<PartReceipt>,
}

/// The first line.
pub(crate) fn title(key: &Key, size: u64, started: Timestamp) -> String {
    format!("{TITLE} 1 {size} {} {}\n", started.as_second(), hex::encode(key.as_bytes()))
}

/// A part's receipt; `crc32c` was computed over the bytes as they were written.
pub(crate) fn receipt(number: u32, size: u64, crc32c: u32) -> PartReceipt {
    PartReceipt { number, size, tag: format!("{crc32c:08x}"), digests: Digests::of_crc32c(crc32c) }
}

/// A part is about to be written: whatever its place held is void.
pub(crate) fn begin(directory: &OwnedFd, name: &str, number: u32) -> Result<()> {
    append(directory, name, format_args!("begin {number}"))
}

/// A part is written.
pub(crate) fn done(directory: &OwnedFd, name: &str, part: Part, crc32c: u32) -> Result<()> {
    append(directory, name, format_args!("part {} {} {crc32c:08x}", part.number, part.size))
}

/// Appends a line in one system call, so that several threads never mix theirs. It begins on a new line, whatever a crash
/// left before it.
fn append(directory: &OwnedFd, name: &str, line: std::fmt::Arguments<'_>) -> Result<()> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(directory, name, flags, Mode::empty()).map_err(gone)?;
    let line = format!("\n{line}\n");
    let written = retry_on_intr(|| write(&file, line.as_bytes())).doing("note a part")?;
    if written == line.len() { Ok(()) } else { Err(StoreError::new(ErrorKind::Disk, "note a part: the disk takes no more bytes")) }
}

/// Reads the ledger of an upload.
pub(crate) fn read(directory: &OwnedFd, name: &str) -> Result<Ledger> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(directory, name, flags, Mode::empty()).map_err(gone)?;
    let mut text = String::new();
    let read = std::fs::File::from(file).take(LEDGER_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| crate::root::errno_of(&error)).doing("read the ledger of an upload")?;
    parse(&text).ok_or_else(|| StoreError::new(ErrorKind::UploadGone, "the ledger of the upload cannot be understood"))
}

fn gone(errno: Errno) -> StoreError {
    match errno {
        Errno::NOENT => StoreError::new(ErrorKind::UploadGone, "the upload is gone"),
        errno => Err::<(), _>(errno).doing("open the ledger of an upload").expect_err("it is an error"),
    }
}

fn parse(text: &str) -> Option<Ledger> {
    let mut lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    let mut title = lines.next()?.split(' ');
    if (title.next()?, title.next()?) != (TITLE, "1") {
        return None;
    }
    let size = title.next()?.parse().ok()?;
    let started = Timestamp::from_second(title.next()?.parse().ok()?).ok();
    let key = Key::new(hex::decode(title.next()?).ok()?);
    let mut parts: BTreeMap<u32, PartReceipt> = BTreeMap::new();
    for line in lines {
        if let Some(number) = line.strip_prefix("begin ").and_then(|number| number.parse().ok()) {
            parts.remove(&number);
        } else if let Some(receipt) = part(line) {
            parts.insert(receipt.number, receipt);
        }
    }
    Some(Ledger { key, size, started, parts: parts.into_values().collect() })
}

fn part(line: &str) -> Option<PartReceipt> {
    let mut words = line.strip_prefix("part ")?.split(' ');
    let (number, size, crc32c) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?);
    if words.next().is_some() || crc32c.len() != 8 {
        return None;
    }
    Some(receipt(number, size, u32::from_str_radix(crc32c, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_line_of_a_part_counts_and_a_torn_one_does_not() {
        let key = Key::new(b"a b\n\xff/c");
        let started = Timestamp::from_second(1_700_000_000).expect("in range");
        let text = format!("{}\npart 2 7 0000000a\n\npart 1 9 ffffffff\n\npart 2 8 0000000b\n\npart 3 9 0000", title(&key, 26, started));
        let ledger = parse(&text).expect("well formed");
        let parts = vec![receipt(1, 9, u32::MAX), receipt(2, 8, 11)];
        assert_eq!(ledger, Ledger { key, size: 26, started: Some(started), parts });
        let resumed = parse(&format!("{text}\npart 3 9 0000000c\n")).expect("well formed");
        assert_eq!(resumed.parts.last(), Some(&receipt(3, 9, 12)));
    }

    #[test]
    fn a_part_that_is_being_written_again_is_not_there() {
        let text = format!("{}\nbegin 1\n\npart 1 9 0000000a\n\nbegin 2\n", title(&Key::from("k"), 18, Timestamp::UNIX_EPOCH));
        assert_eq!(parse(&text).expect("well formed").parts, [receipt(1, 9, 10)]);
        let torn = format!("{text}\nbegin 1\n");
        assert_eq!(parse(&torn).expect("well formed").parts, []);
        assert_eq!(parse(&format!("{torn}\npart 1 9 0000000b\n")).expect("well formed").parts, [receipt(1, 9, 11)]);
    }

    proptest! {
        #[test]
        fn nothing_makes_the_parser_panic(text in ".{0,200}", lines in proptest::collection::vec("(part|brigade-upload)?( [0-9a-f-]{0,12}){0,5}", 0..6)) {
            let _ = parse(&text);
            let _ = parse(&lines.join("\n"));
        }
    }
}
