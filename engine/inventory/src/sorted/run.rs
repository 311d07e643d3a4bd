//! A sorted file: blocks of entries, each compressed for itself and checked as it is read, with marks in memory of where some
//! of them begin.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use brigade_core::Key;
use zstd::bulk::{Compressor, Decompressor};

use super::row;
use crate::limits::{BLOCK_BYTES, BLOCK_STORED_BYTES_MAX, MARKS_MAX};
use crate::{InventoryError, Result};

/// Bytes before each block: how long it is in the file, and how long its entries are.
const HEAD_BYTES: usize = 8;

/// The level of zstd that costs least.
const LEVEL: i32 = 1;

/// A whole sorted file.
pub(super) struct Run {
    file: File,
    bytes: u64,
    rows: u64,
    marks: Marks,
}

/// First keys of blocks, ascending, and where these blocks begin. Every `step`th block has one.
struct Marks {
    places: Vec<(Key, u64)>,
    step: u64,
    blocks: u64,
}

impl Marks {
    fn new() -> Self {
        Self { places: Vec::new(), step: 1, blocks: 0 }
    }

    fn push(&mut self, key: &[u8], at: u64) {
        if self.blocks.is_multiple_of(self.step) {
            if self.places.len() == MARKS_MAX {
                let mut even = false;
                self.places.retain(|_| {
                    even = !even;
                    even
                });
                self.step *= 2;
            }
            if self.blocks.is_multiple_of(self.step) {
                self.places.push((Key::new(key), at));
            }
        }
        self.blocks += 1;
    }

    /// Where a block begins that has, or comes before, the first key greater than `after`.
    fn before(&self, after: &Key) -> u64 {
        let marks = self.places.partition_point(|(key, _)| key <= after);
        marks.checked_sub(1).map_or(0, |last| self.places[last].1)
    }
}

impl Run {
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }
}

/// Writes entries that come in order.
pub(super) struct RunWriter {
    file: BufWriter<File>,
    compressor: Compressor<'static>,
    block: Vec<u8>,
    last: Option<Vec<u8>>,
    bytes: u64,
    rows: u64,
    marks: Marks,
}

impl RunWriter {
    pub(super) fn new(directory: &Path) -> Result<Self> {
        let mut compressor = Compressor::new(LEVEL)?;
        compressor.include_checksum(true)?;
        let file = BufWriter::new(tempfile::tempfile_in(directory)?);
        Ok(Self { file, compressor, block: Vec::new(), last: None, bytes: 0, rows: 0, marks: Marks::new() })
    }

    /// Takes the next entry. Its key is greater than the last one, or it is there twice.
    pub(super) fn push(&mut self, row: &[u8]) -> Result<()> {
        let key = row::key(row);
        let last = self.last.get_or_insert_default();
        if self.rows > 0 && *last == key {
            return Err(InventoryError::Twice(Key::new(key)));
        }
        debug_assert!(self.rows == 0 || last.as_slice() < key, "entries are pushed in order");
        last.clear();
        last.extend_from_slice(key);
        if self.block.is_empty() {
            self.marks.push(key, self.bytes);
        }
        self.block.extend_from_slice(row);
        self.rows += 1;
        if self.block.len() >= BLOCK_BYTES { self.end_block() } else { Ok(()) }
    }

    fn end_block(&mut self) -> Result<()> {
        let stored = self.compressor.compress(&self.block)?;
        let length = |bytes: usize| u32::try_from(bytes).expect("a block is far smaller than 4 GiB").to_le_bytes();
        self.file.write_all(&length(stored.len()))?;
        self.file.write_all(&length(self.block.len()))?;
        self.file.write_all(&stored)?;
        self.bytes += u64::try_from(HEAD_BYTES + stored.len()).expect("a length fits in 64 bits");
        self.block.clear();
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Run> {
        if !self.block.is_empty() {
            self.end_block()?;
        }
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Run { file, bytes: self.bytes, rows: self.rows, marks: self.marks })
    }
}

/// The entries of a run, each as its bytes, from a block that begins at or before a key.
pub(super) struct Reader {
    run: Arc<Run>,
    decompressor: Option<Decompressor<'static>>,
    at: u64,
    block: Vec<u8>,
    next: usize,
}

impl Reader {
    pub(super) fn new(run: Arc<Run>, after: Option<&Key>) -> Self {
        let at = after.map_or(0, |after| run.marks.before(after));
        Self { run, decompressor: None, at, block: Vec::new(), next: 0 }
    }

    /// Makes the next entry ready; no at the end.
    pub(super) fn fill(&mut self) -> Result<bool> {
        while self.next == self.block.len() {
            if self.at == self.run.bytes {
                return Ok(false);
            }
            self.load()?;
        }
        Ok(true)
    }

    /// The entry that was made ready.
    pub(super) fn row(&self) -> &[u8] {
        row::first(&self.block[self.next..])
    }

    /// Passes over the entry that was made ready.
    pub(super) fn pass(&mut self) {
        self.next += self.row().len();
    }

    fn load(&mut self) -> Result<()> {
        let nonsense = || InventoryError::damaged("a sorted file of this run", "a block cannot be understood");
        let mut head = [0; HEAD_BYTES];
        self.run.file.read_exact_at(&mut head, self.at)?;
        let (stored, whole) = head.split_at(HEAD_BYTES / 2);
        let length = |bytes: &[u8]| bytes.try_into().ok().and_then(|bytes| usize::try_from(u32::from_le_bytes(bytes)).ok());
        let stored = length(stored).filter(|length| *length <= BLOCK_STORED_BYTES_MAX).ok_or_else(nonsense)?;
        let whole = length(whole).filter(|length| *length <= BLOCK_STORED_BYTES_MAX).ok_or_else(nonsense)?;
        let mut bytes = vec![0; stored];
        self.run.file.read_exact_at(&mut bytes, self.at + u64::try_from(HEAD_BYTES).expect("a small number"))?;
        let decompressor = match &mut self.decompressor {
            Some(decompressor) => decompressor,
            none => none.insert(Decompressor::new()?),
        };
        self.block = decompressor.decompress(&bytes, whole)?;
        self.next = 0;
        self.at += u64::try_from(HEAD_BYTES + stored).expect("a length fits in 64 bits");
        Ok(())
    }
}

impl Iterator for Reader {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.fill() {
            Ok(true) => {
                let row = self.row().to_vec();
                self.pass();
                Some(Ok(row))
            }
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}
