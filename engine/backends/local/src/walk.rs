//! Files in the order in which an object store would list their keys.
//!
//! Keys are compared by bytes, slashes included. Sorting the names of each directory, with a `/` behind those of
//! directories, gives that order without sorting whole paths: `a.b` < `a/x` < `a0`. So the walk holds the names of the
//! directories that it is inside of, and nothing else, however many files there are.
//!
//! Symbolic links, devices, sockets and pipes are no objects: they are passed over with a warning, as rclone does without
//! `--links`; following a link could leave the root or go round in circles. A directory that cannot be read is an error,
//! never an empty directory.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use brigade_core::limits::LIST_PAGE_MAX;
use brigade_core::{Entry, ErrorKind, Key, KeyRange};
use brigade_store::{Result, StoreError};
use rustix::fs::{AtFlags, Dir, FileType, statat};
use rustix::io::Errno;

use crate::error::Doing;
use crate::lane::{Wanted, unwanted};
use crate::partial::{self, Role};
use crate::root::{Root, file_type, open_directory};
use crate::stamp;

/// A listing that is being made. After an error it stands where it stood, and can go on.
pub(crate) struct Walk {
    root: Arc<Root>,
    range: KeyRange,
    state: State,
    /// The directories that are open, the root first.
    open: Vec<Frame>,
    /// The key, or the directory with its slash, that is being looked at.
    path: Vec<u8>,
    /// Entries found and not yet handed over.
    found: Vec<Entry>,
}

#[derive(PartialEq, Eq)]
enum State {
    NotBegun,
    Walking,
}

struct Frame {
    directory: OwnedFd,
    names: Names,
    next: usize,
    /// How much of the path is this directory's.
    path_bytes: usize,
}

impl Walk {
    pub(crate) fn new(root: Arc<Root>, range: KeyRange) -> Self {
        Self { root, range, state: State::NotBegun, open: Vec::new(), path: Vec::new(), found: Vec::new() }
    }

    /// Hands over what [`Self::fill`] found. Entries that were found for a caller who had gone are still here.
    pub(crate) fn take(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.found)
    }

    /// Goes on until a page is full or everything was seen.
    pub(crate) fn fill(&mut self, wanted: Wanted<'_>) -> Result<()> {
        if self.state == State::NotBegun {
            let directory = self.root.open()?;
            let names = Names::read(&directory, b"")?;
            self.open.push(Frame { directory, names, next: 0, path_bytes: 0 });
            self.state = State::Walking;
        }
        while self.found.len() < LIST_PAGE_MAX {
            let Some(frame) = self.open.last_mut() else { return Ok(()) };
            let Some(name) = frame.names.get(frame.next) else {
                self.open.pop();
                continue;
            };
            self.path.truncate(frame.path_bytes);
            self.path.extend_from_slice(name);
            match name.strip_suffix(b"/") {
                Some(_) if !wanted() => return Err(unwanted()),
                Some(name) => match below(&self.range, &self.path) {
                    Below::Nothing => frame.next += 1,
                    Below::Past => self.open.clear(),
                    Below::Some => {
                        let child = descend(frame, name, &self.path)?;
                        frame.next += 1;
                        self.open.extend(child);
                    }
                },
                None => {
                    let key = Key::new(&self.path);
                    if self.range.is_past(&key) {
                        self.open.clear();
                        continue;
                    }
                    if self.range.contains(&key) {
                        self.found.extend(entry(frame, name, key)?);
                    }
                    frame.next += 1;
                }
            }
        }
        Ok(())
    }
}

/// Which keys below a directory a range asks for.
enum Below {
    /// None: all come before the range.
    Nothing,
    /// None, and none after them either.
    Past,
    /// Perhaps some.
    Some,
}

fn below(range: &KeyRange, directory: &[u8]) -> Below {
    if range.through.as_ref().is_some_and(|through| directory > through.as_bytes()) {
        return Below::Past;
    }
    match &range.after {
        Some(after) if after.as_bytes() > directory && !after.as_bytes().starts_with(directory) => Below::Nothing,
        _ => Below::Some,
    }
}

/// Opens a directory found in another; `None` where it has gone or become something else since.
fn descend(frame: &Frame, name: &[u8], path: &[u8]) -> Result<Option<Frame>> {
    let shown = Key::new(path);
    match open_directory(&frame.directory, name) {
        Ok(directory) => {
            let names = Names::read(&directory, path)?;
            Ok(Some(Frame { directory, names, next: 0, path_bytes: path.len() }))
        }
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
            tracing::warn!(path = %shown, "a directory went away while it was listed");
            Ok(None)
        }
        Err(errno) => Err(errno).doing(format_args!("list `{shown}`")),
    }
}

/// The entry of a file; `None` where it has gone or become something else since its directory was read.
fn entry(frame: &Frame, name: &[u8], key: Key) -> Result<Option<Entry>> {
    let stat = match statat(&frame.directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if file_type(&stat) == FileType::RegularFile => stat,
        Ok(_) | Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno).doing(format_args!("look at `{key}`")),
    };
    let stamp = stamp::of(&stat);
    let mut entry = Entry::new(key, stamp.size, brigade_core::Identity::File(stamp));
    entry.modified = stamp::modified(&stat);
    Ok(Some(entry))
}

/// The names of one directory, sorted, in one buffer: about 8 bytes for each beside the name itself.
struct Names {
    bytes: Vec<u8>,
    spans: Vec<(u32, u16)>,
}

impl Names {
    /// Reads and sorts the names of files and, with a slash behind them, of directories.
    fn read(directory: &OwnedFd, path: &[u8]) -> Result<Self> {
        let mut names = Self { bytes: Vec::new(), spans: Vec::new() };
        for found in children(directory, path)? {
            match found? {
                (name, FileType::Directory) => names.push(&name, b"/")?,
                (name, FileType::RegularFile) => match partial::role(&name) {
                    None => names.push(&name, b"")?,
                    Some(Role::Removed) => warn(path, &name, "a delete was interrupted; rename the file back or remove it"),
                    Some(_) => {}
                },
                (name, FileType::Symlink) => warn(path, &name, "symbolic links are not followed; this one is passed over"),
                (name, _) => warn(path, &name, "devices, sockets and pipes are passed over"),
            }
        }
        let Self { bytes, spans } = &mut names;
        spans.sort_unstable_by(|one, other| slice(bytes, *one).cmp(slice(bytes, *other)));
        Ok(names)
    }

    fn push(&mut self, name: &[u8], end: &[u8]) -> Result<()> {
        let too_many = |_| StoreError::new(ErrorKind::Disk, "the names of one directory are more than 4 GiB");
        let start = u32::try_from(self.bytes.len()).map_err(too_many)?;
        let length = u16::try_from(name.len() + end.len()).map_err(too_many)?;
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(end);
        self.spans.push((start, length));
        Ok(())
    }

    fn get(&self, at: usize) -> Option<&[u8]> {
        self.spans.get(at).map(|span| slice(&self.bytes, *span))
    }
}

fn slice(bytes: &[u8], (start, length): (u32, u16)) -> &[u8] {
    let start = usize::try_from(start).expect("it is an offset into a buffer in memory");
    &bytes[start..start + usize::from(length)]
}

fn warn(path: &[u8], name: &[u8], message: &'static str) {
    tracing::warn!(path = %Key::new([path, name].concat()), "{message}");
}

/// Name and type of everything in a directory, in no order, `.` and `..` left out.
pub(crate) fn children<'a>(directory: &'a OwnedFd, path: &'a [u8]) -> Result<impl Iterator<Item = Result<(Vec<u8>, FileType)>> + 'a> {
    let shown = if path.is_empty() { "the root directory".to_owned() } else { format!("`{}`", Key::new(path)) };
    let mut reading = Dir::read_from(directory).doing(format_args!("list {shown}"))?;
    Ok(std::iter::from_fn(move || {
        loop {
            let found = match reading.read()? {
                Ok(found) => found,
                Err(errno) => return Some(Err(errno).doing(format_args!("list {shown}"))),
            };
            let name = found.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            // Some file systems do not tell the type in their directories.
            let kind = match found.file_type() {
                FileType::Unknown => match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => file_type(&stat),
                    Err(Errno::NOENT) => continue,
                    Err(errno) => return Some(Err(errno).doing(format_args!("look at `{}`", Key::new(name)))),
                },
                kind => kind,
            };
            return Some(Ok((name.to_vec(), kind)));
        }
    }))
}
