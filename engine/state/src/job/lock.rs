//! A lock on a file: one run of a job at a time, one `serve` of a state directory, and a dead process holds nothing.
//!
//! It is a lock of the operating system on an open file, so it ends with the process, however that ends. The text in the file is
//! only for the message that a second run gives.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::Duration;

use crate::StateError;

/// How much of a holder's text is shown, in bytes.
const HOLDER_BYTES_MAX: u64 = 256;

/// How often the lock is tried.
const LOOKS_MAX: u32 = 4;

/// How long a look at the lock may take on a busy machine.
const LOOK_TIME: Duration = Duration::from_millis(5);

/// A held lock; it is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock at once, or says who has it: as [`StateError::Busy`] with what the holder wrote. `own` says who takes it, after the
    /// number of the process.
    pub(crate) fn take(path: &Path, own: &str) -> Result<Self, StateError> {
        let io = |error| StateError::io(path, error);
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        match try_lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StateError::Busy { holder: holder(&mut file) }),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let text = format!("process {}, {own}", std::process::id());
        file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).map_err(io)?;
        file.write_all(text.as_bytes()).map_err(io)?;
        Ok(Self { _file: file })
    }
}

/// Somebody who only looks lets go within microseconds: that is waited for, a run is not.
#[allow(
    clippy::disallowed_methods,
    reason = "the lock is taken on a thread for blocking work, and a lock cannot be waited for with a deadline"
)]
fn try_lock(file: &File) -> Result<(), TryLockError> {
    for _ in 1..LOOKS_MAX {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK_TIME),
            other => return other,
        }
    }
    file.try_lock()
}

/// Who holds the lock, without taking it for longer than a look.
pub(crate) fn holder_of(mut file: File) -> Option<String> {
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(holder(&mut file)),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

/// What the holder wrote; it may be writing just now.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.take(HOLDER_BYTES_MAX).read_to_string(&mut text) {
        Ok(count) if count > 0 => text,
        _ => "it does not say which".to_owned(),
    }
}
