//! The few things that must be done right whenever a file of the state directory changes: whole or not at all, and durable.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use crate::StateError;

/// Makes the names in the directory of `path` durable: renames and new files.
pub(crate) fn sync_parent(path: &Path) -> Result<(), StateError> {
    let parent = path.parent().expect("every file of the state directory is inside it");
    File::open(parent).and_then(|directory| directory.sync_all()).map_err(|error| StateError::io(parent, error))
}

/// Replaces a small file: afterwards it holds `content`, or after an error or a crash what it held before.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), StateError> {
    let partial = path.with_extension("partial");
    let io = |error| StateError::io(&partial, error);
    let mut file = File::create(&partial).map_err(io)?;
    file.write_all(content).map_err(io)?;
    file.sync_all().map_err(io)?;
    rename(&partial, path)
}

/// Gives a file another name, durably.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), StateError> {
    fs::rename(from, to).map_err(|error| StateError::io(from, error))?;
    sync_parent(to)
}

/// Removes a file, which need not be there.
pub(crate) fn remove(path: &Path) -> Result<(), StateError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StateError::io(path, error)),
        _ => Ok(()),
    }
}
