//! Writing a manifest: sorted rows in, one whole and durable file out, or none.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use brigade_core::{Key, Known};

use crate::columns::Gather;
use crate::limits::WRITE_BUFFER_BYTES;
use crate::schema::{self, Meta};
use crate::seal::{self, Sealing};
use crate::{ManifestError, WriteError};

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// BLAKE3 of the whole file, lower-case hex.
    pub blake3: String,
}

/// Writes rows, which come sorted by key and each key once, to a new file at `path`; an older file there is replaced. The file
/// appears whole and durable, or not at all: it grows as `path` with `.partial` behind it and is renamed at the end.
pub fn write<E, I>(path: &Path, meta: &Meta, rows: I) -> Result<Written, WriteError<E>>
where
    E: std::error::Error + 'static,
    I: IntoIterator<Item = Result<Known, E>>,
{
    let partial = partial_of(path);
    match write_partial(&partial, meta, rows) {
        Ok((rows, bytes)) => {
            let blake3 = publish(&partial, path)?;
            Ok(Written { rows, bytes, blake3 })
        }
        Err(error) => {
            // What is left of it is overwritten by the next attempt; the first error is the one to tell.
            let _ = fs::remove_file(&partial);
            Err(error)
        }
    }
}

fn partial_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

fn write_partial<E, I>(partial: &Path, meta: &Meta, rows: I) -> Result<(u64, u64), WriteError<E>>
where
    E: std::error::Error + 'static,
    I: IntoIterator<Item = Result<Known, E>>,
{
    let encode = |error| ManifestError::encode(partial, error);
    let io = |error| ManifestError::io(partial, error);
    let file = File::create(partial).map_err(io)?;
    let sink = BufWriter::with_capacity(WRITE_BUFFER_BYTES, Sealing::new(file));
    let mut file = parquet::file::writer::SerializedFileWriter::new(sink, schema::schema(), schema::properties()).map_err(encode)?;
    file.write_all(&seal::blank()).map_err(io)?;
    let mut gather = Gather::default();
    let mut last: Option<Key> = None;
    let mut count = 0;
    for row in rows {
        let row = row.map_err(WriteError::Rows)?;
        if last.as_ref().is_some_and(|last| row.key <= *last) {
            return Err(ManifestError::Order { key: row.key }.into());
        }
        if gather.is_full() {
            gather.write(&mut file).map_err(encode)?;
        }
        gather.push(&row);
        count += 1;
        last = Some(row.key);
    }
    if !gather.is_empty() {
        gather.write(&mut file).map_err(encode)?;
    }
    for entry in schema::describe(meta, count) {
        file.append_key_value_metadata(entry);
    }
    let sink = file.into_inner().map_err(encode)?;
    let sealing = sink.into_inner().map_err(|error| io(error.into_error()))?;
    Ok((count, sealing.seal().map_err(io)?))
}

/// Gives the whole file its name, durably, and its digest. The digest covers the seal, which is written last, so it takes a
/// second look at the file, which is still in the page cache.
fn publish(partial: &Path, path: &Path) -> Result<String, ManifestError> {
    let blake3 = seal::file_blake3(partial)?;
    fs::rename(partial, path).map_err(|error| ManifestError::io(path, error))?;
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|error| ManifestError::io(directory, error))?;
    Ok(blake3)
}
