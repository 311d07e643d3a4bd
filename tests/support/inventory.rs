//! Inventories as S3 writes them: CSV with its files and its `manifest.json`, for buckets of the lab.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test crate uses its part of this, and a broken set-up should panic"
)]

use std::fmt::Write as _;
use std::io::Write as _;

use brigade_core::{Availability, Entry};
use flate2::Compression;
use flate2::write::GzEncoder;
use md5::{Digest, Md5};

/// One row: a version of a key.
#[derive(Clone, Debug)]
pub struct Row {
    pub key: Vec<u8>,
    pub is_latest: bool,
    pub is_delete_marker: bool,
    /// What a listing says of it, where it is current; of an older version what it said once.
    pub entry: Entry,
}

impl Row {
    /// The row of a current object, named below `prefix` in the bucket.
    pub fn current(prefix: &str, entry: &Entry) -> Self {
        let key = [prefix.as_bytes(), entry.key.as_bytes()].concat();
        Self { key, is_latest: true, is_delete_marker: false, entry: entry.clone() }
    }
}

/// The columns that these inventories have.
pub const SCHEMA: &str = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass, ChecksumAlgorithm";

/// A key as S3 writes it: everything but letters, digits, `-_.*` and `/` escaped, a space as a plus sign.
pub fn encoded(key: &[u8]) -> String {
    let mut text = String::new();
    for byte in key {
        match byte {
            b' ' => text.push('+'),
            byte if byte.is_ascii_alphanumeric() || b"-_.*/".contains(byte) => text.push(char::from(*byte)),
            byte => write!(text, "%{byte:02X}").unwrap(),
        }
    }
    text
}

/// Rows as a data file.
pub fn csv(bucket: &str, rows: &[Row]) -> Vec<u8> {
    let mut file = GzEncoder::new(Vec::new(), Compression::fast());
    for row in rows {
        let Row { key, is_latest, is_delete_marker, entry } = row;
        let mut fields = vec![bucket.to_owned(), encoded(key), "v1".into(), is_latest.to_string(), is_delete_marker.to_string()];
        let mut object = [
            entry.size.to_string(),
            entry.modified.unwrap().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
            entry.identity.as_etag().unwrap_or_default().to_owned(),
            entry.storage_class.as_deref().unwrap_or_default().to_owned(),
            entry.checksum_kept.map(|algorithm| algorithm.name().to_uppercase()).unwrap_or_default(),
        ];
        if *is_delete_marker {
            for at in [0, 2, 3, 4] {
                object[at].clear();
            }
        }
        fields.extend(object);
        let quoted: Vec<String> = fields.iter().map(|field| format!("\"{field}\"")).collect();
        writeln!(file, "{}", quoted.join(",")).unwrap();
    }
    file.finish().unwrap()
}

/// The `manifest.json` over these data files, by key.
pub fn manifest(bucket: &str, format: (&str, &str), created_ms: i64, files: &[(String, Vec<u8>)]) -> String {
    let file = |(key, bytes): &(String, Vec<u8>)| serde_json::json!({"key": key, "size": bytes.len(), "MD5checksum": hex::encode(Md5::digest(bytes))});
    serde_json::json!({
        "sourceBucket": bucket,
        "destinationBucket": "arn:aws:s3:::inventories",
        "version": "2016-11-30",
        "creationTimestamp": created_ms.to_string(),
        "fileFormat": format.0,
        "fileSchema": format.1,
        "files": files.iter().map(file).collect::<Vec<_>>(),
    })
    .to_string()
}

/// The MD5 as the `manifest.checksum` holds it.
pub fn checksum(text: &str) -> String {
    format!("{}\n", hex::encode(Md5::digest(text)))
}

/// Whether a row's class says that its bytes cannot be read, as an inventory knows it.
pub fn availability(entry: &Entry) -> Availability {
    match entry.storage_class.as_deref() {
        Some("GLACIER" | "DEEP_ARCHIVE") => Availability::Archived,
        _ => Availability::Ready,
    }
}
