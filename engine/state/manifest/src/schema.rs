//! The columns of `brigade.manifest/1`, how they are stored, and what the file says of itself.

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use parquet::basic::{Compression, Encoding, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::schema::types::{ColumnPath, Type, TypePtr};

use crate::limits::{BATCH_ROWS, PAGE_BYTES_MAX, STATISTICS_BYTES_MAX};

/// Name and version of the shape of a manifest. Another set of columns is another version.
pub const SCHEMA: &str = "brigade.manifest/1";

/// What a manifest says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The source, as the job spells it.
    pub source: String,
    /// The target, as the job spells it.
    pub target: String,
    /// The run that wrote the manifest.
    pub run: String,
    /// When it was written.
    pub created: Timestamp,
}

const META_SCHEMA: &str = "brigade.schema";
const META_SOURCE: &str = "brigade.source";
const META_TARGET: &str = "brigade.target";
const META_RUN: &str = "brigade.run";
const META_CREATED: &str = "brigade.created";
const META_ROWS: &str = "brigade.rows";

/// The columns in their order.
pub(crate) const COLUMNS: [(&str, Repetition, Kind); 12] = [
    ("key", Repetition::REQUIRED, Kind::Bytes),
    ("size", Repetition::REQUIRED, Kind::Unsigned),
    ("source", Repetition::REQUIRED, Kind::Text),
    ("target", Repetition::REQUIRED, Kind::Text),
    ("crc32c", Repetition::OPTIONAL, Kind::Text),
    ("crc64nvme", Repetition::OPTIONAL, Kind::Text),
    ("md5", Repetition::OPTIONAL, Kind::Text),
    ("proof", Repetition::OPTIONAL, Kind::Word),
    ("source_modified", Repetition::OPTIONAL, Kind::Nanoseconds),
    ("known_at", Repetition::REQUIRED, Kind::Microseconds),
    ("run", Repetition::REQUIRED, Kind::Word),
    ("original", Repetition::REQUIRED, Kind::Word),
];

/// Where the key stands among the columns.
pub(crate) const KEY_COLUMN: usize = 0;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any bytes.
    Bytes,
    /// UTF-8.
    Text,
    /// UTF-8 of which few values exist: a dictionary.
    Word,
    /// A whole number from 0 to 2^64-1.
    Unsigned,
    /// UTC, nanoseconds since 1970.
    Nanoseconds,
    /// UTC, microseconds since 1970.
    Microseconds,
}

impl Kind {
    fn physical(self) -> Physical {
        match self {
            Self::Bytes | Self::Text | Self::Word => Physical::BYTE_ARRAY,
            Self::Unsigned | Self::Nanoseconds | Self::Microseconds => Physical::INT64,
        }
    }

    fn logical(self) -> Option<LogicalType> {
        match self {
            Self::Bytes => None,
            Self::Text | Self::Word => Some(LogicalType::String),
            Self::Unsigned => Some(LogicalType::integer(64, false)),
            Self::Nanoseconds => Some(LogicalType::timestamp(true, TimeUnit::NANOS)),
            Self::Microseconds => Some(LogicalType::timestamp(true, TimeUnit::MICROS)),
        }
    }
}

/// The schema of the Parquet file.
pub(crate) fn schema() -> TypePtr {
    static SCHEMA: LazyLock<TypePtr> = LazyLock::new(|| {
        let column = |(name, repetition, kind): (&str, Repetition, Kind)| {
            let builder = Type::primitive_type_builder(name, kind.physical()).with_repetition(repetition);
            Arc::new(builder.with_logical_type(kind.logical()).build().expect("each logical type fits its physical type"))
        };
        let fields = COLUMNS.into_iter().map(column).collect();
        Arc::new(Type::group_type_builder("manifest").with_fields(fields).build().expect("a flat group of primitive columns"))
    });
    SCHEMA.clone()
}

/// How the columns are stored: dictionaries only where values repeat, statistics only where a reader starts at a key.
pub(crate) fn properties() -> WriterPropertiesPtr {
    let zstd = ZstdLevel::try_new(1).expect("zstd has a level 1");
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("brigade ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(zstd))
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::PLAIN)
        .set_data_page_size_limit(PAGE_BYTES_MAX)
        .set_write_batch_size(BATCH_ROWS)
        .set_max_row_group_row_count(None)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_statistics_truncate_length(Some(STATISTICS_BYTES_MAX))
        .set_offset_index_disabled(true)
        .set_sorting_columns(Some(vec![SortingColumn { column_idx: 0, descending: false, nulls_first: false }]))
        .set_column_statistics_enabled(ColumnPath::from(COLUMNS[KEY_COLUMN].0), EnabledStatistics::Chunk);
    for (name, _, kind) in COLUMNS {
        if kind == Kind::Word {
            builder = builder.set_column_dictionary_enabled(ColumnPath::from(name), true);
        }
    }
    Arc::new(builder.build())
}

/// What the file says of itself, as key-value metadata.
pub(crate) fn describe(meta: &Meta, rows: u64) -> Vec<KeyValue> {
    [
        (META_SCHEMA, SCHEMA.to_owned()),
        (META_SOURCE, meta.source.clone()),
        (META_TARGET, meta.target.clone()),
        (META_RUN, meta.run.clone()),
        (META_CREATED, meta.created.to_string()),
        (META_ROWS, rows.to_string()),
    ]
    .into_iter()
    .map(|(key, value)| KeyValue::new(key.to_owned(), value))
    .collect()
}

/// Reads what [`describe`] gives: the description and the number of rows, or what is wrong with it.
pub(crate) fn understand(entries: Option<&Vec<KeyValue>>) -> Result<(Meta, u64), String> {
    let find = |name: &str| {
        let entry = entries.into_iter().flatten().find(|entry| entry.key == name);
        entry.and_then(|entry| entry.value.clone()).ok_or_else(|| format!("it says nothing of `{name}`"))
    };
    match find(META_SCHEMA)? {
        schema if schema == SCHEMA => {}
        other => return Err(format!("its schema is `{other}`")),
    }
    let created = find(META_CREATED)?.parse().map_err(|_| format!("its `{META_CREATED}` is no time"))?;
    let rows = find(META_ROWS)?.parse().map_err(|_| format!("its `{META_ROWS}` is no number"))?;
    Ok((Meta { source: find(META_SOURCE)?, target: find(META_TARGET)?, run: find(META_RUN)?, created }, rows))
}
