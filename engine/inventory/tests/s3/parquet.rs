//! Data files as Parquet, in the schema that S3 names in its manifest.

use std::sync::Arc;

use parquet::basic::{Compression, GzipLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use crate::inventory::Row;
use crate::stage::BUCKET;

pub const SCHEMA: &str = "message s3.inventory { required binary bucket (UTF8); required binary key (UTF8); optional binary version_id (UTF8); \
    optional boolean is_latest; optional boolean is_delete_marker; optional int64 size; optional int64 last_modified_date (TIMESTAMP_MILLIS); \
    optional binary e_tag (UTF8); optional binary storage_class (UTF8); optional binary checksum_algorithm (UTF8);}";

/// Rows of one group: small, so that files have several.
const GROUP_ROWS: usize = 7;

/// Rows as a data file, compressed in one of the ways that S3 may choose.
pub fn file(rows: &[Row], seed: u64) -> Vec<u8> {
    let compression =
        [Compression::SNAPPY, Compression::GZIP(GzipLevel::default()), Compression::UNCOMPRESSED][usize::try_from(seed % 3).unwrap()];
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties).unwrap();
    for rows in rows.chunks(GROUP_ROWS) {
        let mut group = writer.next_row_group().unwrap();
        let text = |bytes: &[u8]| Some(ByteArray::from(bytes.to_vec()));
        let word = |row: &Row, word: Option<&str>| word.filter(|word| !row.is_delete_marker && !word.is_empty()).map(ByteArray::from);
        texts(&mut group, rows, Need::Required, |_| text(BUCKET.as_bytes()));
        texts(&mut group, rows, Need::Required, |row| text(&row.key));
        texts(&mut group, rows, Need::Optional, |_| text(b"v1"));
        flags(&mut group, rows, |row| row.is_latest);
        flags(&mut group, rows, |row| row.is_delete_marker);
        numbers(&mut group, rows, |row| (!row.is_delete_marker).then(|| i64::try_from(row.entry.size).unwrap()));
        numbers(&mut group, rows, |row| Some(row.entry.modified.unwrap().as_millisecond()));
        texts(&mut group, rows, Need::Optional, |row| word(row, row.entry.identity.as_etag()));
        texts(&mut group, rows, Need::Optional, |row| word(row, row.entry.storage_class.as_deref()));
        texts(&mut group, rows, Need::Optional, |row| {
            word(row, row.entry.checksum_kept.map(|algorithm| algorithm.name().to_uppercase()).as_deref())
        });
        group.close().unwrap();
    }
    writer.close().unwrap();
    bytes
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Required,
    Optional,
}

type Group<'a, 'b> = SerializedRowGroupWriter<'a, &'b mut Vec<u8>>;

fn texts(group: &mut Group<'_, '_>, rows: &[Row], need: Need, value: impl Fn(&Row) -> Option<ByteArray>) {
    let values: Vec<Option<ByteArray>> = rows.iter().map(value).collect();
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<ByteArray> = values.into_iter().flatten().collect();
    let mut column = group.next_column().unwrap().unwrap();
    let levels = (need == Need::Optional).then_some(levels.as_slice());
    column.typed::<ByteArrayType>().write_batch(&values, levels, None).unwrap();
    column.close().unwrap();
}

fn numbers(group: &mut Group<'_, '_>, rows: &[Row], value: impl Fn(&Row) -> Option<i64>) {
    let values: Vec<Option<i64>> = rows.iter().map(value).collect();
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<i64> = values.into_iter().flatten().collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&values, Some(&levels), None).unwrap();
    column.close().unwrap();
}

fn flags(group: &mut Group<'_, '_>, rows: &[Row], value: impl Fn(&Row) -> bool) {
    let values: Vec<bool> = rows.iter().map(value).collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<BoolType>().write_batch(&values, Some(&vec![1; rows.len()]), None).unwrap();
    column.close().unwrap();
}
