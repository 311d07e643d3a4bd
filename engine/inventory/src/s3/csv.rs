//! A data file as CSV: no header, every field quoted, keys URL-encoded, compressed with gzip.

use std::borrow::Cow;
use std::io::{BufRead, Read};

use csv::{ByteRecord, ReaderBuilder};
use flate2::bufread::MultiGzDecoder;

use super::fields::Fields;
use crate::{InventoryError, Result};

/// How a file compressed with gzip begins (RFC 1952).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Where the columns that matter stand in a record.
struct Places {
    count: usize,
    bucket: Option<usize>,
    key: Option<usize>,
    is_latest: Option<usize>,
    is_delete_marker: Option<usize>,
    size: Option<usize>,
    modified: Option<usize>,
    etag: Option<usize>,
    class: Option<usize>,
    checksum: Option<usize>,
}

impl Places {
    fn of(columns: &[String]) -> Self {
        let find = |name: &str| columns.iter().position(|column| column == name);
        Self {
            count: columns.len(),
            bucket: find("Bucket"),
            key: find("Key"),
            is_latest: find("IsLatest"),
            is_delete_marker: find("IsDeleteMarker"),
            size: find("Size"),
            modified: find("LastModifiedDate"),
            etag: find("ETag"),
            class: find("StorageClass"),
            checksum: find("ChecksumAlgorithm"),
        }
    }
}

/// Gives each row of `file` to `take`.
pub(super) fn rows<R: BufRead>(
    mut file: R,
    columns: &[String],
    damaged: &dyn Fn(String) -> InventoryError,
    take: &mut dyn FnMut(&Fields<'_>) -> Result<()>,
) -> Result<()> {
    let is_gzip = file.fill_buf()?.starts_with(&GZIP_MAGIC);
    let text: Box<dyn Read + '_> = if is_gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    let places = Places::of(columns);
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(|error| damaged(error.to_string()))? {
        let line = record.position().map_or(0, csv::Position::line);
        let at = |what: String| damaged(format!("line {line}: {what}"));
        let fields = fields(&record, &places).map_err(at)?;
        take(&fields)?;
    }
    Ok(())
}

fn fields<'a>(record: &'a ByteRecord, places: &Places) -> Result<Fields<'a>, String> {
    if record.len() != places.count {
        return Err(format!("it has {} fields, and the manifest.json names {}", record.len(), places.count));
    }
    let field = |place: Option<usize>| place.and_then(|place| record.get(place)).filter(|field| !field.is_empty());
    Ok(Fields {
        bucket: field(places.bucket).unwrap_or_default(),
        key: decode(field(places.key).unwrap_or_default())?,
        is_latest: flag(field(places.is_latest))?,
        is_delete_marker: flag(field(places.is_delete_marker))?,
        size: field(places.size).map(|size| number(size).ok_or("a size is no number")).transpose()?,
        modified: field(places.modified).map(|time| number(time).ok_or("a time is none")).transpose()?,
        etag: field(places.etag),
        class: field(places.class),
        checksum: field(places.checksum),
    })
}

fn number<T: std::str::FromStr>(field: &[u8]) -> Option<T> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

fn flag(field: Option<&[u8]>) -> Result<Option<bool>, String> {
    match field {
        None => Ok(None),
        Some(b"true") => Ok(Some(true)),
        Some(b"false") => Ok(Some(false)),
        Some(_) => Err("a flag is neither true nor false".into()),
    }
}

/// Takes the URL encoding off a key. S3 writes a space as `+` or `%20` and a plus sign as `%2B` in whatever it encodes
/// ("ListObjectsV2: encoding-type", Amazon S3 API reference); an escape that is none would be another key, so it is an error.
fn decode(field: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    if !field.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return Ok(Cow::Borrowed(field));
    }
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
    let mut key = Vec::with_capacity(field.len());
    let mut rest = field.iter();
    while let Some(byte) = rest.next() {
        key.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                high.zip(low).map(|(high, low)| high << 4 | low).ok_or("a key is not URL-encoded")?
            }
            plain => *plain,
        });
    }
    Ok(Cow::Owned(key))
}

#[cfg(test)]
mod tests {
    use super::decode;
    use crate::s3::{Document, Wanted, read_csv};
    use brigade_core::Entry;
    use proptest::prelude::*;

    fn entries(text: &[u8]) -> Option<Vec<Entry>> {
        let columns =
            ["Bucket", "Key", "IsLatest", "IsDeleteMarker", "Size", "LastModifiedDate", "ETag", "StorageClass"].map(str::to_owned);
        let wanted = Wanted { bucket: "b".into(), prefix: Vec::new() };
        let mut entries = Vec::new();
        let mut take = |entry| {
            entries.push(entry);
            Ok(())
        };
        read_csv(text, "f", &columns, &wanted, &mut take).is_ok().then_some(entries)
    }

    #[test]
    fn p14_a_key_is_decoded_byte_for_byte() {
        for (field, key) in [(&b"a/b"[..], &b"a/b"[..]), (b"a+b%20c%2Bd", b"a b c+d"), (b"%c3%A9%0A%25", b"\xc3\xa9\n%"), (b"", b"")] {
            assert_eq!(decode(field).as_deref(), Ok(key));
        }
        for wrong in [&b"%"[..], b"%4", b"a%zz", b"%+1"] {
            assert!(decode(wrong).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn strangers_text_is_entries_or_an_error(text in "(\"b\",\"[a-z%+0-9]{0,4}\",\"(true|false|x)?\",\"\",\"[0-9]{0,3}\",\"(2026-01-01T00:00:00Z)?\",\"[a\"]?\",\"[A-Z]{0,2}\"\n?){0,3}") {
            if let Some(entries) = entries(text.as_bytes()) {
                for entry in entries {
                    prop_assert!(!entry.key.is_empty() && entry.key.as_str().is_some() && entry.modified.is_some());
                    prop_assert!(entry.identity.as_etag().is_some_and(|etag| !etag.is_empty()));
                }
            }
        }

        #[test]
        fn strangers_bytes_are_no_inventory(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let gzip = [&super::GZIP_MAGIC[..], &bytes].concat();
            prop_assert!(entries(&bytes).is_none_or(|entries| entries.is_empty()));
            prop_assert!(entries(&gzip).is_none());
            prop_assert!(Document::parse(&bytes).is_err());
        }
    }
}
