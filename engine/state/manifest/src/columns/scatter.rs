//! The columns of one row group as they are read, some rows at a time.

use std::sync::Arc;

use brigade_core::{Digests, Identity, Key, Known, Proof};
use jiff::Timestamp;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::reader::RowGroupReader;

use super::Column;
use crate::limits::BATCH_ROWS;
use crate::text;

/// What is wrong with the rows, in one sentence.
type Result<T> = std::result::Result<T, String>;

/// The columns of one row group and the rows that were read and not yet taken.
pub(crate) struct Scatter {
    rows_left: usize,
    at: usize,
    loaded: usize,
    key: Column<ByteArrayType>,
    size: Column<Int64Type>,
    source: Column<ByteArrayType>,
    target: Column<ByteArrayType>,
    crc32c: Column<ByteArrayType>,
    crc64nvme: Column<ByteArrayType>,
    md5: Column<ByteArrayType>,
    proof: Column<ByteArrayType>,
    source_modified: Column<Int64Type>,
    known_at: Column<Int64Type>,
    run: Column<ByteArrayType>,
    original: Column<ByteArrayType>,
    last_run: Arc<str>,
}

impl Scatter {
    /// Starts at the first row of a group.
    pub(crate) fn new(group: &dyn RowGroupReader) -> Result<Self> {
        let rows_left = usize::try_from(group.metadata().num_rows()).map_err(|_| "a row group has less than no rows".to_owned())?;
        Ok(Self {
            rows_left,
            at: 0,
            loaded: 0,
            key: Column::new(group, 0)?,
            size: Column::new(group, 1)?,
            source: Column::new(group, 2)?,
            target: Column::new(group, 3)?,
            crc32c: Column::new(group, 4)?,
            crc64nvme: Column::new(group, 5)?,
            md5: Column::new(group, 6)?,
            proof: Column::new(group, 7)?,
            source_modified: Column::new(group, 8)?,
            known_at: Column::new(group, 9)?,
            run: Column::new(group, 10)?,
            original: Column::new(group, 11)?,
            last_run: Arc::from(""),
        })
    }

    /// The next row, `None` at the end of the group.
    pub(crate) fn next(&mut self) -> Result<Option<Known>> {
        if self.at == self.loaded && !self.load()? {
            return Ok(None);
        }
        let at = self.at;
        self.at += 1;
        let digests = Digests {
            crc32c: self.crc32c.next(at).map(|crc| text::from_base64(crc.data()).map(u32::from_be_bytes).ok_or("a crc32c")).transpose()?,
            crc64nvme: self
                .crc64nvme
                .next(at)
                .map(|crc| text::from_base64(crc.data()).map(u64::from_be_bytes).ok_or("a crc64nvme"))
                .transpose()?,
            md5: self.md5.next(at).map(|md5| text::md5_from_hex(md5.data()).ok_or("an md5")).transpose()?,
        };
        let proof = self.proof.next(at).map(|proof| utf8(proof, Proof::from_text, "a proof")).transpose()?;
        let source_modified = self.source_modified.next(at).map(|nanoseconds| Timestamp::from_nanosecond(i128::from(*nanoseconds)));
        let known_at = Timestamp::from_microsecond(*self.known_at.next(at).ok_or("a row lacks its known_at")?);
        let run = self.run.next(at).ok_or("a row lacks its run")?;
        if run.data() != self.last_run.as_bytes() {
            self.last_run = utf8(run, |text| Some(Arc::from(text)), "a run")?;
        }
        Ok(Some(Known {
            key: Key::new(self.key.next(at).ok_or("a row lacks its key")?.data()),
            size: self.size.next(at).ok_or("a row lacks its size")?.cast_unsigned(),
            source: identity(self.source.next(at))?,
            target: identity(self.target.next(at))?,
            digests,
            proof,
            source_modified: source_modified.transpose().map_err(|_| "a source_modified is no time")?,
            known_at: known_at.map_err(|_| "a known_at is no time")?,
            run: self.last_run.clone(),
            original: utf8(self.original.next(at).ok_or("a row lacks its original")?, text::original_from_text, "an original")?,
        }))
    }

    /// Reads the next rows of all columns; no at the end of the group.
    fn load(&mut self) -> Result<bool> {
        let rows = self.rows_left.min(BATCH_ROWS);
        for column in [
            &mut self.key,
            &mut self.source,
            &mut self.target,
            &mut self.crc32c,
            &mut self.crc64nvme,
            &mut self.md5,
            &mut self.proof,
            &mut self.run,
            &mut self.original,
        ] {
            column.load(rows)?;
        }
        for column in [&mut self.size, &mut self.source_modified, &mut self.known_at] {
            column.load(rows)?;
        }
        self.rows_left -= rows;
        self.loaded = rows;
        self.at = 0;
        Ok(rows > 0)
    }
}

fn identity(text: Option<&ByteArray>) -> Result<Identity> {
    utf8(text.ok_or("a row lacks a version")?, Identity::from_text, "a version")
}

/// Understands a text.
fn utf8<T>(bytes: &ByteArray, understand: impl FnOnce(&str) -> Option<T>, what: &str) -> Result<T> {
    let text = std::str::from_utf8(bytes.data()).ok();
    text.and_then(understand).ok_or_else(|| format!("{what} cannot be understood"))
}
