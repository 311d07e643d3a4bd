//! Rows that gather until they fill a row group.

use brigade_core::Known;
use bytes::Bytes;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::Result;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter, SerializedRowGroupWriter};

use crate::limits::{BATCH_ROWS, GROUP_BYTES_MAX, GROUP_ROWS_MAX};
use crate::seal::Sealing;
use crate::text;

/// Definition level of a value that is there.
const PRESENT: i16 = 1;

/// Definition level of a null.
const NULL: i16 = 0;

/// Bytes of one row beside its texts: three numbers, and the places of nine texts.
const ROW_BYTES: usize = 3 * 8 + 9 * 8;

/// A writer of a manifest file.
pub(crate) type FileWriter = SerializedFileWriter<std::io::BufWriter<Sealing>>;

/// One row group in the making.
#[derive(Default)]
pub(crate) struct Gather {
    key: Texts,
    size: Vec<i64>,
    source: Texts,
    target: Texts,
    crc32c: Texts,
    crc64nvme: Texts,
    md5: Texts,
    proof: Texts,
    source_modified: Numbers,
    known_at: Vec<i64>,
    run: Texts,
    original: Texts,
}

impl Gather {
    /// Takes one row.
    pub(crate) fn push(&mut self, known: &Known) {
        self.key.push(|bytes| bytes.extend_from_slice(known.key.as_bytes()));
        self.size.push(known.size.cast_signed());
        self.source.push_text(|text| known.source.write_text(text));
        self.target.push_text(|text| known.target.write_text(text));
        self.crc32c.push_some(known.digests.crc32c.map(|crc| crc.to_be_bytes()), |text, bytes| text::push_base64(text, &bytes));
        self.crc64nvme.push_some(known.digests.crc64nvme.map(|crc| crc.to_be_bytes()), |text, bytes| text::push_base64(text, &bytes));
        self.md5.push_some(known.digests.md5, text::push_hex);
        self.proof.push_some(known.proof, |text, proof| proof.write_text(text));
        self.source_modified.push(known.source_modified.and_then(|time| i64::try_from(time.as_nanosecond()).ok()));
        self.known_at.push(known.known_at.as_microsecond());
        self.run.push_text(|text| text.push_str(&known.run));
        self.original.push_text(|text| text.push_str(text::original_to_text(known.original)));
    }

    /// Whether another row belongs into the next group.
    pub(crate) fn is_full(&self) -> bool {
        self.size.len() >= GROUP_ROWS_MAX || self.bytes() >= GROUP_BYTES_MAX
    }

    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.size.is_empty()
    }

    fn bytes(&self) -> usize {
        let texts =
            [&self.key, &self.source, &self.target, &self.crc32c, &self.crc64nvme, &self.md5, &self.proof, &self.run, &self.original];
        self.size.len() * ROW_BYTES + texts.iter().map(|texts| texts.bytes.len()).sum::<usize>()
    }

    /// Writes the rows as one row group and is empty afterwards. The columns come in the order of the schema.
    pub(crate) fn write(&mut self, file: &mut FileWriter) -> Result<()> {
        let mut group = file.next_row_group()?;
        column(&mut group, |column| self.key.write_sorted(column))?;
        column(&mut group, |column| write_numbers(column, &mut self.size))?;
        column(&mut group, |column| self.source.write(column))?;
        column(&mut group, |column| self.target.write(column))?;
        column(&mut group, |column| self.crc32c.write_optional(column))?;
        column(&mut group, |column| self.crc64nvme.write_optional(column))?;
        column(&mut group, |column| self.md5.write_optional(column))?;
        column(&mut group, |column| self.proof.write_optional(column))?;
        column(&mut group, |column| self.source_modified.write(column))?;
        column(&mut group, |column| write_numbers(column, &mut self.known_at))?;
        column(&mut group, |column| self.run.write(column))?;
        column(&mut group, |column| self.original.write(column))?;
        group.close().map(drop)
    }
}

/// Writes the next column.
fn column<F>(group: &mut SerializedRowGroupWriter<'_, std::io::BufWriter<Sealing>>, write: F) -> Result<()>
where
    F: FnOnce(&mut SerializedColumnWriter<'_>) -> Result<()>,
{
    let mut column = group.next_column()?.expect("as many columns are written as the schema has");
    write(&mut column)?;
    column.close()
}

fn write_numbers(column: &mut SerializedColumnWriter<'_>, numbers: &mut Vec<i64>) -> Result<()> {
    column.typed::<Int64Type>().write_batch(numbers, None, None)?;
    numbers.clear();
    Ok(())
}

/// A column of numbers and nulls.
#[derive(Default)]
struct Numbers {
    values: Vec<i64>,
    levels: Vec<i16>,
}

impl Numbers {
    fn push(&mut self, value: Option<i64>) {
        self.levels.push(if value.is_some() { PRESENT } else { NULL });
        self.values.extend(value);
    }

    fn write(&mut self, column: &mut SerializedColumnWriter<'_>) -> Result<()> {
        column.typed::<Int64Type>().write_batch(&self.values, Some(&self.levels), None)?;
        self.values.clear();
        self.levels.clear();
        Ok(())
    }
}

/// A column of byte strings and nulls: the bytes of all values one after the other, and where each ends.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    levels: Vec<i16>,
    scratch: String,
}

impl Texts {
    /// Takes a value that `fill` appends. No level: for columns without nulls.
    fn push(&mut self, fill: impl FnOnce(&mut Vec<u8>)) {
        fill(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// As [`Texts::push`], for a value that is text.
    fn push_text(&mut self, fill: impl FnOnce(&mut String)) {
        self.scratch.clear();
        fill(&mut self.scratch);
        self.bytes.extend_from_slice(self.scratch.as_bytes());
        self.ends.push(self.bytes.len());
    }

    /// Takes a value or a null: for columns that have both.
    fn push_some<T>(&mut self, value: Option<T>, fill: impl FnOnce(&mut String, T)) {
        self.levels.push(if value.is_some() { PRESENT } else { NULL });
        if let Some(value) = value {
            self.push_text(|text| fill(text, value));
        }
    }

    /// Hands the values over in batches, as slices of one allocation that is kept for the next group.
    fn hand_over(&mut self, mut write: impl FnMut(&[ByteArray]) -> Result<()>) -> Result<()> {
        let bytes = Bytes::from(std::mem::take(&mut self.bytes));
        let mut start = 0;
        let mut batch = Vec::with_capacity(BATCH_ROWS);
        for ends in self.ends.chunks(BATCH_ROWS) {
            batch.clear();
            for &end in ends {
                batch.push(ByteArray::from(bytes.slice(start..end)));
                start = end;
            }
            write(&batch)?;
        }
        drop(batch);
        self.bytes = Vec::from(bytes);
        self.bytes.clear();
        self.ends.clear();
        Ok(())
    }

    fn write(&mut self, column: &mut SerializedColumnWriter<'_>) -> Result<()> {
        self.hand_over(|batch| column.typed::<ByteArrayType>().write_batch(batch, None, None).map(drop))
    }

    /// Writes values that are known to be sorted, so the statistics need no comparison.
    fn write_sorted(&mut self, column: &mut SerializedColumnWriter<'_>) -> Result<()> {
        let typed = column.typed::<ByteArrayType>();
        self.hand_over(|batch| typed.write_batch_with_statistics(batch, None, None, batch.first(), batch.last(), None).map(drop))
    }

    /// Writes values and nulls: each batch with its levels and those of the nulls before its last value. Nulls behind the last
    /// value of all come at the end.
    fn write_optional(&mut self, column: &mut SerializedColumnWriter<'_>) -> Result<()> {
        let levels = std::mem::take(&mut self.levels);
        let typed = column.typed::<ByteArrayType>();
        let mut at = 0;
        self.hand_over(|batch| {
            let from = at;
            let mut present = 0;
            while present < batch.len() {
                present += usize::from(levels[at] == PRESENT);
                at += 1;
            }
            typed.write_batch(batch, Some(&levels[from..at]), None).map(drop)
        })?;
        if at < levels.len() {
            typed.write_batch(&[], Some(&levels[at..]), None)?;
        }
        self.levels = levels;
        self.levels.clear();
        Ok(())
    }
}
