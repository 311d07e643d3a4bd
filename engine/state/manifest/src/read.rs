//! Reading a manifest: verified once as a whole, then read from any key, by many readers at once.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use brigade_core::{Key, Known};
use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, FileReader, Length, SerializedFileReader};

use crate::columns::Scatter;
use crate::limits::MARKS_MAX;
use crate::schema::{self, KEY_COLUMN, Meta};
use crate::{ManifestError, Vouched, seal};

/// A manifest whose every byte was compared with what vouches for it. Cheap to clone. It keeps the file open: one that is
/// renamed or removed meanwhile stays readable.
#[derive(Clone)]
pub struct Manifest {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    file: SerializedFileReader<Chunks>,
    meta: Meta,
    rows: u64,
}

impl Manifest {
    /// Verifies the whole file, which takes one pass over it, and reads what it says of itself.
    pub fn open(path: &Path, vouched: Vouched<'_>) -> Result<Self, ManifestError> {
        let io = |source| ManifestError::io(path, source);
        let mut file = File::open(path).map_err(io)?;
        seal::verify(path, &mut file, vouched)?;
        let bytes = file.metadata().map_err(io)?.len();
        let chunks = Chunks { file: Arc::new(file), bytes };
        let foreign = |what: String| ManifestError::foreign(path, what);
        let file = contained(|| SerializedFileReader::new(chunks)).and_then(|file| file.map_err(plain)).map_err(foreign)?;
        let about = file.metadata().file_metadata();
        let (meta, rows) = schema::understand(about.key_value_metadata()).map_err(foreign)?;
        if about.schema() != &*schema::schema() {
            return Err(foreign("its columns are others".into()));
        }
        if u64::try_from(about.num_rows()) != Ok(rows) {
            return Err(ManifestError::damaged(path, format!("it says {rows} rows and has {}", about.num_rows())));
        }
        Ok(Self { inner: Arc::new(Inner { path: path.to_owned(), file, meta, rows }) })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// What it says of itself.
    pub fn meta(&self) -> &Meta {
        &self.inner.meta
    }

    /// How many records it holds.
    pub fn rows(&self) -> u64 {
        self.inner.rows
    }

    /// The greatest key of each row group but the last, as the file's statistics name it: ascending keys that divide the records
    /// into groups. A long one may be named by a shorter key that is greater than all of its group.
    pub fn marks(&self) -> Vec<Key> {
        let groups = self.inner.file.num_row_groups().saturating_sub(1);
        let step = groups.div_ceil(MARKS_MAX).max(1);
        (0..groups).step_by(step).filter_map(|group| self.inner.max(group).map(Key::new)).collect()
    }

    /// Reads the records of the keys greater than `after`.
    pub fn read(&self, after: Option<&Key>) -> Reader {
        Reader { manifest: self.clone(), group: 0, current: None, after: after.cloned(), last: None, failed: false }
    }
}

impl Inner {
    /// Whether every key of a group is known to come at or before `after`. The statistics may hold a shortened key, but then
    /// one that is greater than all keys of the group, so a group is never passed over wrongly.
    fn is_before(&self, group: usize, after: &Key) -> bool {
        self.max(group).is_some_and(|max| max <= after.as_bytes())
    }

    fn max(&self, group: usize) -> Option<&[u8]> {
        let column = self.file.metadata().row_group(group).column(KEY_COLUMN);
        column.statistics().and_then(|statistics| statistics.max_bytes_opt())
    }
}

/// Records in key order. The first error ends it.
pub struct Reader {
    manifest: Manifest,
    /// The next row group.
    group: usize,
    current: Option<Scatter>,
    after: Option<Key>,
    last: Option<Key>,
    failed: bool,
}

impl Reader {
    /// Verifies a file by its own seal and reads it from its first record.
    pub fn open(path: &Path) -> Result<Self, ManifestError> {
        Self::open_after(path, None)
    }

    /// Verifies a file by its own seal and reads the records of the keys greater than `after`.
    pub fn open_after(path: &Path, after: Option<&Key>) -> Result<Self, ManifestError> {
        Ok(Manifest::open(path, Vouched::Seal)?.read(after))
    }

    /// The next record, in whatever group it stands.
    fn advance(&mut self) -> Result<Option<Known>, String> {
        let inner = self.manifest.inner.clone();
        loop {
            if let Some(current) = &mut self.current {
                match current.next()? {
                    Some(known) if self.after.as_ref().is_some_and(|after| known.key <= *after) => continue,
                    Some(known) => return Ok(Some(known)),
                    None => self.current = None,
                }
            }
            if self.group == inner.file.num_row_groups() {
                return Ok(None);
            }
            let group = self.group;
            self.group += 1;
            if !self.after.as_ref().is_some_and(|after| inner.is_before(group, after)) {
                let group = inner.file.get_row_group(group).map_err(plain)?;
                self.current = Some(Scatter::new(&*group)?);
            }
        }
    }

    fn in_order(&mut self) -> Result<Option<Known>, String> {
        let next = self.advance()?;
        if let Some(known) = &next {
            if self.last.as_ref().is_some_and(|last| known.key <= *last) {
                return Err(format!("the row of key {} is out of order", known.key));
            }
            self.last = Some(known.key.clone());
            // Every later key is greater.
            self.after = None;
        }
        Ok(next)
    }
}

impl Iterator for Reader {
    type Item = Result<Known, ManifestError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        match contained(|| self.in_order()).and_then(|next| next) {
            Ok(next) => next.map(Ok),
            Err(what) => {
                self.failed = true;
                Some(Err(ManifestError::damaged(self.manifest.path(), what)))
            }
        }
    }
}

/// Runs the parser. It may panic over a file that was sealed by somebody who meant it; that ends the reading, not the process.
/// What it leaves behind is not used again: every caller stops for good.
fn contained<T>(parse: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(parse)).map_err(|_| "its content makes no sense to the Parquet parser".to_owned())
}

fn plain(error: ParquetError) -> String {
    error.to_string()
}

/// A file that many readers read at once: each read names its place, so they share no position.
struct Chunks {
    file: Arc<File>,
    bytes: u64,
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<At>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(BufReader::new(At { file: self.file.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let end = u64::try_from(length).ok().and_then(|length| start.checked_add(length));
        if end.is_none_or(|end| end > self.bytes) {
            return Err(ParquetError::EOF(format!("{length} bytes from {start} reach beyond the end")));
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

/// A place in a file.
struct At {
    file: Arc<File>,
    at: u64,
}

impl Read for At {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(bytes, self.at)?;
        self.at += u64::try_from(count).expect("a slice length fits in 64 bits");
        Ok(count)
    }
}
