//! A data file as Apache Parquet: the columns by name, keys as they are.
//!
//! The Parquet crate may panic over bytes that make no sense. What is parsed here was compared with the MD5 that the manifest
//! names; a panic all the same ends the reading of the inventory, not the process.

use std::borrow::Cow;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};

use brigade_manifest::Column;
use jiff::Timestamp;
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};

use super::fields::Fields;
use crate::limits::BATCH_ROWS;
use crate::{InventoryError, Result};

/// What is wrong with the file, in one sentence.
type Parsed<T> = std::result::Result<T, String>;

/// Gives each row of `file` to `take`.
pub(super) fn rows(file: File, damaged: &dyn Fn(String) -> InventoryError, take: &mut dyn FnMut(&Fields<'_>) -> Result<()>) -> Result<()> {
    let parse = || -> Result<()> {
        let file = SerializedFileReader::new(file).map_err(|error| damaged(error.to_string()))?;
        for group in 0..file.num_row_groups() {
            let group = file.get_row_group(group).map_err(|error| damaged(error.to_string()))?;
            let mut group = Group::new(&*group).map_err(damaged)?;
            while group.load().map_err(damaged)? {
                while let Some(fields) = group.next().map_err(damaged)? {
                    take(&fields)?;
                }
            }
        }
        Ok(())
    };
    catch_unwind(AssertUnwindSafe(parse)).unwrap_or_else(|_| Err(damaged("its content makes no sense to the Parquet parser".into())))
}

/// The columns of one row group, and the rows that were read and not yet taken.
struct Group {
    rows_left: usize,
    at: usize,
    loaded: usize,
    bucket: Column<ByteArrayType>,
    key: Column<ByteArrayType>,
    size: Column<Int64Type>,
    modified: Column<Int64Type>,
    per_second: i64,
    etag: Column<ByteArrayType>,
    is_latest: Option<Column<BoolType>>,
    is_delete_marker: Option<Column<BoolType>>,
    class: Option<Column<ByteArrayType>>,
    checksum: Option<Column<ByteArrayType>>,
}

impl Group {
    fn new(group: &dyn RowGroupReader) -> Parsed<Self> {
        let rows_left = usize::try_from(group.metadata().num_rows()).map_err(|_| "a row group has less than no rows".to_owned())?;
        Ok(Self {
            rows_left,
            at: 0,
            loaded: 0,
            bucket: needed(group, "bucket")?,
            key: needed(group, "key")?,
            size: needed(group, "size")?,
            modified: needed(group, "last_modified_date")?,
            per_second: ticks(group)?,
            etag: needed(group, "e_tag")?,
            is_latest: column(group, "is_latest")?,
            is_delete_marker: column(group, "is_delete_marker")?,
            class: column(group, "storage_class")?,
            checksum: column(group, "checksum_algorithm")?,
        })
    }

    /// Reads the next rows of all columns; no at the end of the group.
    fn load(&mut self) -> Parsed<bool> {
        let rows = self.rows_left.min(BATCH_ROWS);
        let texts = [&mut self.bucket, &mut self.key, &mut self.etag].into_iter();
        for column in texts.chain(&mut self.class).chain(&mut self.checksum) {
            column.load(rows)?;
        }
        for column in [&mut self.size, &mut self.modified] {
            column.load(rows)?;
        }
        for column in self.is_latest.iter_mut().chain(&mut self.is_delete_marker) {
            column.load(rows)?;
        }
        self.rows_left -= rows;
        self.loaded = rows;
        self.at = 0;
        Ok(rows > 0)
    }

    /// The next row that was read.
    fn next(&mut self) -> Parsed<Option<Fields<'_>>> {
        if self.at == self.loaded {
            return Ok(None);
        }
        let at = self.at;
        self.at += 1;
        let size = self.size.next(at).map(|size| u64::try_from(*size)).transpose().map_err(|_| "a size is below 0")?;
        let per_second = self.per_second;
        let modified = self.modified.next(at).map(|ticks| time(*ticks, per_second)).transpose()?;
        Ok(Some(Fields {
            bucket: self.bucket.next(at).map_or(&[], ByteArray::data),
            key: Cow::Borrowed(self.key.next(at).map_or(&[], ByteArray::data)),
            is_latest: self.is_latest.as_mut().and_then(|column| column.next(at).copied()),
            is_delete_marker: self.is_delete_marker.as_mut().and_then(|column| column.next(at).copied()),
            size,
            modified,
            etag: self.etag.next(at).map(ByteArray::data),
            class: self.class.as_mut().and_then(|column| column.next(at)).map(ByteArray::data),
            checksum: self.checksum.as_mut().and_then(|column| column.next(at)).map(ByteArray::data),
        }))
    }
}

fn needed<T: DataType>(group: &dyn RowGroupReader, name: &str) -> Parsed<Column<T>> {
    column(group, name)?.ok_or_else(|| format!("it has no column {name}"))
}

/// How many units of `last_modified_date` make a second: milliseconds as S3 writes them, or finer ones.
fn ticks(group: &dyn RowGroupReader) -> Parsed<i64> {
    let place = place(group, "last_modified_date").ok_or("it has no column last_modified_date")?;
    let column = group.metadata().column(place).column_descr();
    match (column.logical_type_ref(), column.converted_type()) {
        (Some(LogicalType::Timestamp(stamp)), _) => Ok(match stamp.unit {
            TimeUnit::MILLIS => 1_000,
            TimeUnit::MICROS => 1_000_000,
            TimeUnit::NANOS => 1_000_000_000,
        }),
        (_, ConvertedType::TIMESTAMP_MILLIS) => Ok(1_000),
        (_, ConvertedType::TIMESTAMP_MICROS) => Ok(1_000_000),
        _ => Err("its last_modified_date holds no times".into()),
    }
}

fn time(ticks: i64, per_second: i64) -> Parsed<Timestamp> {
    let nanoseconds = i128::from(ticks) * i128::from(1_000_000_000 / per_second);
    Timestamp::from_nanosecond(nanoseconds).map_err(|_| "a time is none".into())
}

fn place(group: &dyn RowGroupReader, name: &str) -> Option<usize> {
    group.metadata().columns().iter().position(|column| column.column_path().string() == name)
}

/// The column of this name, where there is one; an error where it holds something else or more than one value a row.
fn column<T: DataType>(group: &dyn RowGroupReader, name: &str) -> Parsed<Option<Column<T>>> {
    let Some(place) = place(group, name) else { return Ok(None) };
    let column = group.metadata().column(place).column_descr();
    let physical: Physical = T::get_physical_type();
    if column.physical_type() != physical || column.max_def_level() > 1 || column.max_rep_level() > 0 {
        return Err(format!("its column {name} is not what S3 writes"));
    }
    Column::new(group, place).map(Some)
}
