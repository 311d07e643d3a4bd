//! Deleting exactly one version of a file (p13).
//!
//! POSIX has no delete that compares. The file is therefore renamed to a hidden name first and compared again there, where no
//! writer looks for it; only then is it unlinked. A version that somebody put in its place between the first look and the
//! rename is found by the second and gets its name back. What remains is a writer who holds the file open and writes into it
//! after the second look: no file system tells that apart.
//!
//! Directories that become empty stay: they are no objects, and their rights and owners may be somebody's work.

use std::os::fd::OwnedFd;

use brigade_core::identity::FileStamp;
use brigade_core::{ErrorKind, Identity, Key};
use brigade_store::{Result, StoreError};
use rustix::fs::{AtFlags, renameat, statat, unlinkat};
use rustix::io::Errno;

use crate::error::Doing;
use crate::partial::removed_name;
use crate::publish::rename_to_absent;
use crate::root::{Place, Root};
use crate::stamp;

/// Deletes the file if it still is this version.
pub(crate) fn remove(root: &Root, key: &Key, identity: &Identity) -> Result<()> {
    let expected = stamp::expected(identity).map_err(|error| StoreError { kind: ErrorKind::Conflict, ..error })?;
    let place = root.place(key)?;
    let Some(stat) = place.file()? else { return Err(missing(key)) };
    if stamp::of(&stat) != expected {
        return Err(another(key));
    }
    match removed_name(place.name) {
        Some(hidden) => remove_hidden(&place, &hidden, expected),
        // The name is too long to be hidden under a longer one: nothing but the look just now protects it.
        None => unlink(&place.directory, place.name, key),
    }
}

fn remove_hidden(place: &Place<'_>, hidden: &[u8], expected: FileStamp) -> Result<()> {
    let key = place.key;
    match renameat(&place.directory, place.name, &place.directory, hidden) {
        Err(Errno::NOENT) => return Err(missing(key)),
        renamed => renamed.doing(format_args!("delete `{key}`"))?,
    }
    let seen = statat(&place.directory, hidden, AtFlags::SYMLINK_NOFOLLOW).doing(format_args!("look at `{key}`"))?;
    if stamp::same_but_renamed(stamp::of(&seen), expected) {
        return unlink(&place.directory, hidden, key);
    }
    rename_to_absent(&place.directory, hidden, place.name).map_err(|errno| {
        let hidden = Key::new(hidden);
        let cause = format!("`{key}` is now another version, and could not be given its name back: it lies beside it as `{hidden}`");
        StoreError { kind: ErrorKind::Conflict, ..Err::<(), _>(errno).doing(cause).expect_err("it is an error") }
    })?;
    Err(another(key))
}

fn unlink(directory: &OwnedFd, name: &[u8], key: &Key) -> Result<()> {
    match unlinkat(directory, name, AtFlags::empty()) {
        Err(Errno::NOENT) => Err(missing(key)),
        unlinked => unlinked.doing(format_args!("delete `{key}`")),
    }
}

fn missing(key: &Key) -> StoreError {
    StoreError::new(ErrorKind::NotFound, format!("`{key}` is not there"))
}

fn another(key: &Key) -> StoreError {
    StoreError::new(ErrorKind::Conflict, format!("`{key}` is now another version"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The race that the second look is for: another version appears between the first look and the rename.
    #[test]
    fn p13_a_version_that_came_in_between_gets_its_name_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = Root::new(directory.path().to_owned());
        let key = Key::from("a");
        std::fs::write(directory.path().join("a"), b"old").expect("writes");
        let place = root.place(&key).expect("is there");
        let old = stamp::of(&place.file().expect("looks").expect("a file"));
        std::fs::write(directory.path().join("b"), b"newer").expect("writes");
        std::fs::rename(directory.path().join("b"), directory.path().join("a")).expect("renames");
        let hidden = removed_name(b"a").expect("short");
        assert_eq!(remove_hidden(&place, &hidden, old).expect_err("another version").kind, ErrorKind::Conflict);
        assert_eq!(std::fs::read(directory.path().join("a")).expect("is back"), b"newer");
        assert_eq!(std::fs::read_dir(directory.path()).expect("lists").count(), 1);
    }
}
