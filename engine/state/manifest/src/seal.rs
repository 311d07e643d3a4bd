//! The seal: a BLAKE3 digest inside the file, over everything that follows it.
//!
//! It stands right behind the four bytes with which a Parquet file begins, where readers of Parquet never look: they reach all
//! data by the offsets of the footer. With it a manifest that was copied elsewhere can still be told from a damaged one.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::Path;

use crate::ManifestError;
use crate::limits::DIGEST_CHUNK_BYTES;

/// What comes before a seal: the magic number of Parquet.
const PARQUET_MAGIC: &[u8; 4] = b"PAR1";

/// How a seal begins.
const SEAL_MAGIC: &[u8; 8] = b"BRGSEAL1";

/// Bytes of the digest.
const DIGEST_BYTES: usize = blake3::OUT_LEN;

/// Where the digest stands.
const DIGEST_OFFSET: u64 = 12;

/// Where that begins what the digest covers.
const COVERED_OFFSET: usize = PARQUET_MAGIC.len() + SEAL_MAGIC.len() + DIGEST_BYTES;

/// By what a file is known to be whole before anything of it is parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vouched<'a> {
    /// By a BLAKE3 digest of the whole file that the caller trusts, lower-case hex.
    Blake3(&'a str),
    /// By its own seal: this finds damage, not forgery.
    Seal,
}

/// An unwritten seal: its place in the file.
pub(crate) fn blank() -> Vec<u8> {
    [&SEAL_MAGIC[..], &[0; DIGEST_BYTES]].concat()
}

/// A file that is digested as it is written, to be sealed at the end.
pub(crate) struct Sealing {
    file: File,
    hasher: blake3::Hasher,
    written: u64,
}

impl Sealing {
    pub(crate) fn new(file: File) -> Self {
        Self { file, hasher: blake3::Hasher::new(), written: 0 }
    }

    /// Writes the digest into its place and makes the file durable. Gives its length.
    pub(crate) fn seal(mut self) -> io::Result<u64> {
        self.file.seek(SeekFrom::Start(DIGEST_OFFSET))?;
        self.file.write_all(self.hasher.finalize().as_bytes())?;
        self.file.sync_all()?;
        Ok(self.written)
    }
}

impl Write for Sealing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        let before = COVERED_OFFSET.saturating_sub(usize::try_from(self.written).unwrap_or(usize::MAX)).min(count);
        self.hasher.update(&bytes[before..count]);
        self.written += u64::try_from(count).expect("a slice length fits in 64 bits");
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Compares the whole file with what vouches for it.
pub(crate) fn verify(path: &Path, file: &mut File, vouched: Vouched<'_>) -> Result<(), ManifestError> {
    let io = |source| ManifestError::io(path, source);
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    match vouched {
        Vouched::Blake3(expected) => {
            let found = digest(file).map_err(io)?.to_hex();
            if found.as_str() != expected {
                return Err(ManifestError::damaged(path, format!("its BLAKE3 is {found}, not {expected}")));
            }
        }
        Vouched::Seal => {
            let mut head = [0; COVERED_OFFSET];
            match file.read_exact(&mut head) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(ManifestError::damaged(path, "it is too short")),
                other => other.map_err(io)?,
            }
            let (magic, rest) = head.split_at(PARQUET_MAGIC.len());
            let (seal, expected) = rest.split_at(SEAL_MAGIC.len());
            if magic != PARQUET_MAGIC || seal != SEAL_MAGIC {
                return Err(ManifestError::damaged(path, "it does not begin like a manifest"));
            }
            if digest(file).map_err(io)?.as_bytes() != expected {
                return Err(ManifestError::damaged(path, "its seal is broken"));
            }
        }
    }
    Ok(())
}

/// BLAKE3 of a whole file, lower-case hex: what `b3sum` prints.
pub fn file_blake3(path: &Path) -> Result<String, ManifestError> {
    let io = |source| ManifestError::io(path, source);
    let mut file = File::open(path).map_err(io)?;
    Ok(digest(&mut file).map_err(io)?.to_hex().to_string())
}

/// From where the file stands to its end.
fn digest(file: &mut File) -> io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    let mut chunk = vec![0; DIGEST_CHUNK_BYTES];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(hasher.finalize()),
            Ok(count) => drop(hasher.update(&chunk[..count])),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
