//! The root directory, and the only way to what lies below it.
//!
//! A key is never joined to a path and handed to the operating system. Each segment is opened by itself, relative to the
//! directory before it, and never through a symbolic link; `.` and `..` are refused before. So no key, and no link that
//! somebody plants below the root while we work, leads out of it. The root itself may be a link: the user named it.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use brigade_core::{ErrorKind, Key};
use brigade_store::{Result, StoreError};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, fsync, mkdirat, openat, statat};
use rustix::io::Errno;

use crate::error::Doing;
use crate::partial::{fit, fit_path, split};

/// How directories are opened.
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The root directory of one store.
#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
}

/// Where a file lies: its directory, held open, and its name in it.
#[derive(Debug)]
pub(crate) struct Place<'k> {
    pub(crate) directory: OwnedFd,
    pub(crate) name: &'k [u8],
    /// For messages.
    pub(crate) key: &'k Key,
}

/// What happens where a directory on the way is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// The file cannot be there.
    NotFound,
    /// It is made.
    Create,
}

impl Root {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the root. It is opened anew for each use, so that a root that was replaced or unmounted is noticed.
    pub(crate) fn open(&self) -> Result<OwnedFd> {
        let shown = self.path.display();
        openat(CWD, &self.path, DIRECTORY, Mode::empty()).map_err(|errno| match errno {
            Errno::NOENT => StoreError::new(ErrorKind::BucketMissing, format!("the directory `{shown}` does not exist")),
            Errno::NOTDIR => StoreError::new(ErrorKind::BucketMissing, format!("`{shown}` is not a directory")),
            errno => Err::<(), _>(errno).doing(format_args!("open the directory `{shown}`")).expect_err("it is an error"),
        })
    }

    /// Makes the root and the directories above it, where they are missing.
    pub(crate) fn create(&self) -> Result<()> {
        let made = std::fs::create_dir_all(&self.path);
        made.map_err(|error| errno_of(&error)).doing(format_args!("create the directory `{}`", self.path.display()))
    }

    /// The place of a key whose directory exists. A key that cannot be a file is not found.
    pub(crate) fn place<'k>(&self, key: &'k Key) -> Result<Place<'k>> {
        fit(key).map_err(|error| StoreError { kind: ErrorKind::NotFound, ..error })?;
        self.reach(key, Missing::NotFound)
    }

    /// The place of what an upload has left, be it the upload's key or the name of a partial file.
    pub(crate) fn place_of_partial<'k>(&self, key: &'k Key) -> Result<Place<'k>> {
        fit_path(key).map_err(|error| StoreError { kind: ErrorKind::NotFound, ..error })?;
        self.reach(key, Missing::NotFound)
    }

    /// The place of a key that will be written; its directories are made. A key that cannot be a file is unfit.
    pub(crate) fn place_to_write<'k>(&self, key: &'k Key) -> Result<Place<'k>> {
        fit(key)?;
        self.reach(key, Missing::Create)
    }

    fn reach<'k>(&self, key: &'k Key, missing: Missing) -> Result<Place<'k>> {
        let (parents, name) = split(key.as_bytes());
        let mut directory = self.open()?;
        for segment in parents.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty()) {
            directory = step(&directory, segment, missing, key)?;
        }
        Ok(Place { directory, name, key })
    }
}

impl Place<'_> {
    /// What stands under the name, where anything does; a link is not followed.
    pub(crate) fn stat(&self) -> Result<Option<Stat>> {
        match statat(&self.directory, self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno).doing(format_args!("look at `{}`", self.key)),
        }
    }

    /// The regular file under the name, where there is one. Links, directories and devices are no objects.
    pub(crate) fn file(&self) -> Result<Option<Stat>> {
        Ok(self.stat()?.filter(|stat| file_type(stat) == FileType::RegularFile))
    }
}

/// The type that `stat` tells.
pub(crate) fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Opens the directory `name` in `directory`, never through a link.
pub(crate) fn open_directory(directory: impl AsFd, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    openat(directory, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())
}

/// One segment further down.
fn step(directory: &OwnedFd, segment: &[u8], missing: Missing, key: &Key) -> Result<OwnedFd> {
    let opened = match open_directory(directory, segment) {
        Err(Errno::NOENT) if missing == Missing::Create => {
            match mkdirat(directory, segment, Mode::from_raw_mode(0o777)) {
                // A directory is only there after a crash if the one above it was written out.
                Ok(()) => fsync(directory).doing(format_args!("write out the directory of `{key}`"))?,
                // Another writer was faster.
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno).doing(format_args!("create the directory of `{key}`")),
            }
            open_directory(directory, segment)
        }
        opened => opened,
    };
    match opened {
        Err(Errno::NOTDIR | Errno::LOOP) => Err(blocked(directory, segment, missing, key)),
        opened => opened.doing(format_args!("open the directory of `{key}`")),
    }
}

/// Why a segment is no directory to go through.
fn blocked(directory: &OwnedFd, segment: &[u8], missing: Missing, key: &Key) -> StoreError {
    let shown = Key::new(segment);
    let what = match statat(directory, segment, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => kind_of_obstacle(&stat),
        Err(_) => "not a directory",
    };
    let kind = if missing == Missing::Create { ErrorKind::Unfit } else { ErrorKind::NotFound };
    StoreError::new(kind, format!("the path of `{key}` cannot go through `{shown}`, which is {what}"))
}

/// In words.
pub(crate) fn kind_of_obstacle(stat: &Stat) -> &'static str {
    match file_type(stat) {
        FileType::RegularFile => "a file",
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link, and links are never followed",
        _ => "a device, socket or pipe",
    }
}

/// The number behind an error of the standard library.
pub(crate) fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
