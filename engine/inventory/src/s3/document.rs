//! The `manifest.json` of an inventory ("Inventory manifest", Amazon S3 user guide).
//!
//! It comes from a bucket that others may write to, so nothing in it is believed that cannot be checked: each data file by its
//! MD5, each row by the bucket that it names.

use jiff::Timestamp;
use serde::Deserialize;

use crate::{InventoryError, Result};

/// How the data files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Rows of text, usually compressed with gzip.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// A `manifest.json`, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The bucket that was listed.
    pub bucket: String,
    /// When listing it began.
    pub created: Timestamp,
    /// Which columns the data files have.
    pub columns: Columns,
    /// The data files.
    pub files: Vec<DataFile>,
}

/// One data file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// Its key in the bucket that the inventory is written to.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// The MD5 of its bytes.
    pub md5: [u8; 16],
}

/// The columns of the data files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Columns {
    /// The names of the columns in their order: CSV has no header.
    Csv(Vec<String>),
    /// A Parquet file names its own.
    Parquet,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    source_bucket: String,
    file_format: String,
    file_schema: String,
    creation_timestamp: String,
    files: Vec<RawFile>,
}

#[derive(Deserialize)]
struct RawFile {
    key: String,
    size: u64,
    #[serde(rename = "MD5checksum")]
    md5: String,
}

/// Columns that every entry needs. All but the first two are optional fields of an inventory's configuration.
const NEEDED: [(&str, &str); 5] =
    [("Bucket", "bucket"), ("Key", "key"), ("Size", "size"), ("LastModifiedDate", "last_modified_date"), ("ETag", "e_tag")];

/// Columns that only an inventory of all versions has.
const OF_VERSIONS: [(&str, &str); 3] = [("VersionId", "version_id"), ("IsLatest", "is_latest"), ("IsDeleteMarker", "is_delete_marker")];

const MANIFEST: &str = "the manifest.json";

impl Document {
    /// Understands a `manifest.json`.
    ///
    /// # Errors
    /// It is none, its format is not read, or it lacks a column that entries need.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let damaged = |what: String| InventoryError::damaged(MANIFEST, what);
        let raw: Raw = serde_json::from_slice(text).map_err(|error| damaged(format!("it is no manifest of an S3 Inventory: {error}")))?;
        let millis = raw.creation_timestamp.parse().ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
        let created = millis.ok_or_else(|| damaged("its creationTimestamp is no time".into()))?;
        let format = format(&raw.file_format)?;
        let columns = columns(format, &raw.file_schema)?;
        let files = raw.files.into_iter().map(data_file).collect::<Result<_, String>>().map_err(damaged)?;
        Ok(Self { bucket: raw.source_bucket, created, columns, files })
    }
}

fn format(name: &str) -> Result<Format> {
    match name {
        "CSV" => Ok(Format::Csv),
        "Parquet" => Ok(Format::Parquet),
        other => Err(InventoryError::Unfit {
            what: format!("its files are in the format {}", tame(other)),
            hint: "have the inventory written as CSV or Parquet",
        }),
    }
}

/// A word of a stranger, as far as it is shown.
fn tame(word: &str) -> String {
    word.chars().filter(char::is_ascii_graphic).take(40).collect()
}

/// Which columns there are; an error where entries could not be made of them.
fn columns(format: Format, schema: &str) -> Result<Columns> {
    let (names, columns): (Vec<String>, _) = match format {
        Format::Csv => {
            let names: Vec<String> = schema.split(',').map(|name| name.trim().to_owned()).collect();
            (names.clone(), Columns::Csv(names))
        }
        // A message of Parquet: each field ends in its name, before `(` or `;`.
        Format::Parquet => {
            let fields = schema.split(['{', ';']).filter_map(|field| field.split('(').next()?.split_whitespace().last());
            (fields.map(str::to_owned).collect(), Columns::Parquet)
        }
    };
    let has = |(csv, parquet): &(&str, &str)| names.iter().any(|name| name == if format == Format::Csv { csv } else { parquet });
    if let Some((missing, _)) = NEEDED.iter().find(|column| !has(column)) {
        return Err(InventoryError::Unfit {
            what: format!("it has no column {missing}"),
            hint: "add the optional fields Size, Last modified date and ETag to the inventory's configuration",
        });
    }
    if OF_VERSIONS.iter().any(has) && !OF_VERSIONS[1..].iter().all(has) {
        return Err(InventoryError::Unfit {
            what: "it holds versions, and not which of them is the latest".into(),
            hint: "have the inventory written for current versions, or with all of its columns",
        });
    }
    Ok(columns)
}

fn data_file(raw: RawFile) -> Result<DataFile, String> {
    let mut md5 = [0; 16];
    hex::decode_to_slice(&raw.md5, &mut md5).map_err(|_| "an MD5checksum is none".to_owned())?;
    if raw.key.is_empty() {
        return Err("a file has no key".into());
    }
    Ok(DataFile { key: raw.key, size: raw.size, md5 })
}
