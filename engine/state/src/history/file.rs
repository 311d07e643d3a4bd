//! The history as a file: `history.jsonl`, one record a line, only ever appended to.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::path::Path;

use super::{Chain, Record};
use crate::StateError;
use crate::disk;

/// Longest line, in bytes: a record has a fixed number of fields, of which the two locations are the longest (a bucket and a key
/// of 1,024 bytes, each escaped to six).
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// A history that was read to its end.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// What its records say.
    pub chain: Chain,
    /// Length of the whole records in bytes, where something follows them that a crash left: the beginning of a line.
    pub torn_at: Option<u64>,
}

/// Reads the file from its first record and hands each to `visit`. No file is an empty history; a broken chain is
/// [`StateError::Damaged`]. What follows the last line feed was never acknowledged, and is left out.
pub fn read(path: &Path, mut visit: impl FnMut(Record)) -> Result<History, StateError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(History::default()),
        Err(error) => return Err(StateError::io(path, error)),
    };
    let mut file = BufReader::new(file);
    let mut history = History::default();
    let mut whole_bytes = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        let count = (&mut file).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(|error| StateError::io(path, error))?;
        let count = u64::try_from(count).expect("a length fits in 64 bits");
        if count == 0 {
            return Ok(history);
        }
        let Some(text) = line.strip_suffix(b"\n") else {
            if count == LINE_BYTES_MAX {
                return Err(StateError::damaged(path, format!("a line is longer than {LINE_BYTES_MAX} bytes")));
            }
            history.torn_at = Some(whole_bytes);
            return Ok(history);
        };
        let text = std::str::from_utf8(text).map_err(|_| StateError::damaged(path, "a line is no text"))?;
        visit(history.chain.follow(text).map_err(|broken| StateError::damaged(path, broken.to_string()))?);
        whole_bytes += count;
    }
}

/// Appends a record, which must follow the chain in the file. It is durable when this returns.
pub fn append(path: &Path, record: &Record) -> Result<(), StateError> {
    let io = |error| StateError::io(path, error);
    let is_new = !path.exists();
    let (mut line, _) = record.sealed();
    line.push('\n');
    let mut file = OpenOptions::new().append(true).create(true).open(path).map_err(io)?;
    file.write_all(line.as_bytes()).map_err(io)?;
    file.sync_data().map_err(io)?;
    if is_new { disk::sync_parent(path) } else { Ok(()) }
}

/// Removes what a crash left behind the whole records.
pub fn cut(path: &Path, whole_bytes: u64) -> Result<(), StateError> {
    let file = OpenOptions::new().write(true).open(path).map_err(|error| StateError::io(path, error))?;
    file.set_len(whole_bytes).and_then(|()| file.sync_data()).map_err(|error| StateError::io(path, error))
}
