//! S3 Inventories: the manifest.json, and the rows of a CSV data file.
//!
//! Beyond not panicking: every data file of a manifest has a key, and every entry is one that a listing of S3 could have given.
#![no_main]

use brigade_core::Entry;
use brigade_core::limits::KEY_BYTES_MAX;
use brigade_inventory::s3::{Columns, Document, Wanted, read_csv};
use libfuzzer_sys::fuzz_target;

const COLUMNS: [&str; 9] =
    ["Bucket", "Key", "IsLatest", "IsDeleteMarker", "Size", "LastModifiedDate", "ETag", "StorageClass", "ChecksumAlgorithm"];

fuzz_target!(|data: &[u8]| {
    if let Ok(document) = Document::parse(data) {
        assert!(document.files.iter().all(|file| !file.key.is_empty()));
        assert!(!matches!(document.columns, Columns::Csv(columns) if columns.is_empty()));
    }
    let columns = COLUMNS.map(str::to_owned);
    let wanted = Wanted { bucket: "b".into(), prefix: b"p/".to_vec() };
    let mut entries: Vec<Entry> = Vec::new();
    let mut take = |entry| {
        entries.push(entry);
        Ok(())
    };
    let _ = read_csv(data, "fuzz", &columns, &wanted, &mut take);
    for entry in &entries {
        assert!(entry.key.len() + wanted.prefix.len() <= KEY_BYTES_MAX && entry.key.as_str().is_some());
        assert!(entry.identity.as_etag().is_some_and(|etag| !etag.is_empty()) && entry.modified.is_some());
    }
});
