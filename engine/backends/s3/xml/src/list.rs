//! A page of ListObjectsV2.
//!
//! Two readers: `plain` for pages written as S3 writes them, in one pass over the bytes; and the general one here for every
//! other well-formed page. The plain one gives up at the first thing that it does not expect, so that what a page says is
//! defined by the general one alone; a test holds them to each other.

mod plain;

use std::borrow::Cow;
use std::sync::Arc;

use brigade_core::Key;
use brigade_core::digest::Algorithm;
use jiff::Timestamp;
use memchr::memchr2;

use super::{Visitor, XmlError, walk};

/// What one page says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListPage {
    /// The objects, in the order given.
    pub objects: Vec<Listed>,
    /// The token of the next page, where there is one.
    pub next: Option<String>,
}

/// One listed object.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The full key, decoded.
    pub key: Key,
    /// Size in bytes.
    pub size: u64,
    /// ETag without quotes; some servers list none.
    pub etag: Option<Arc<str>>,
    /// When it was written.
    pub modified: Option<Timestamp>,
    /// Storage class.
    pub storage_class: Option<Arc<str>>,
    /// The full-object checksum that is kept.
    pub checksum: Option<Algorithm>,
    /// Whether a restored copy of an archived object is there to be read.
    pub restored: bool,
}

/// Reads a page of ListObjectsV2.
pub fn parse_list_page(document: &[u8]) -> Result<ListPage, XmlError> {
    match plain::parse(document) {
        Some(page) => Ok(page),
        None => parse_any(document),
    }
}

fn parse_any(document: &[u8]) -> Result<ListPage, XmlError> {
    let mut reading = Reading::default();
    walk(document, &mut reading)?;
    reading.finish()
}

#[derive(Default)]
struct Reading {
    ending: Ending,
    objects: Vec<(String, Listed)>,
    key: Option<String>,
    entry: Building,
    root: bool,
    encoded: bool,
    classes: Classes,
}

impl Visitor for Reading {
    fn open(&mut self, path: &[&'static str]) {
        match path {
            ["ListBucketResult"] => self.root = true,
            ["ListBucketResult", "Contents"] => (self.key, self.entry) = Default::default(),
            _ => {}
        }
    }

    fn close(&mut self, path: &[&'static str], text: &str) -> Result<(), XmlError> {
        match path {
            ["ListBucketResult", "Contents", "Key"] => self.key = Some(text.to_owned()),
            ["ListBucketResult", "Contents", "RestoreStatus", name] => self.entry.set_restore(name, text),
            ["ListBucketResult", "Contents", name] => self.entry.set(Field::of(name), text, &mut self.classes)?,
            ["ListBucketResult", "Contents"] => {
                let key = self.key.take().ok_or(XmlError::Element("Key"))?;
                self.objects.push((key, std::mem::take(&mut self.entry).finish(Key::new(b""))?));
            }
            ["ListBucketResult", "IsTruncated"] => self.ending.truncated(text)?,
            ["ListBucketResult", "NextContinuationToken"] => self.ending.token = Some(text.to_owned()),
            ["ListBucketResult", "EncodingType"] => self.encoded = is_url(text),
            _ => {}
        }
        Ok(())
    }
}

impl Reading {
    /// Keys are decoded last: the page may say behind them that they are encoded.
    fn finish(self) -> Result<ListPage, XmlError> {
        if !self.root {
            return Err(XmlError::Unexpected("ListBucketResult"));
        }
        let next = self.ending.next()?;
        let decoded = |text: String| if self.encoded { Key::new(decode(text.as_bytes())) } else { Key::new(text) };
        let objects = self.objects.into_iter().map(|(key, listed)| Listed { key: decoded(key), ..listed }).collect();
        Ok(ListPage { objects, next })
    }
}

/// How a page says whether another one follows.
#[derive(Default)]
struct Ending {
    /// Some servers leave it out; the token then says it alone.
    truncated: Option<bool>,
    token: Option<String>,
}

impl Ending {
    /// A boolean of XML. Anything else is no answer: a listing must not end because a word was not understood.
    fn truncated(&mut self, text: &str) -> Result<(), XmlError> {
        self.truncated = Some(match text.trim() {
            "true" => true,
            "false" => false,
            _ => return Err(XmlError::Element("IsTruncated")),
        });
        Ok(())
    }

    fn next(self) -> Result<Option<String>, XmlError> {
        match self.truncated {
            Some(true) if self.token.is_none() => Err(XmlError::Element("NextContinuationToken")),
            Some(false) => Ok(None),
            Some(true) | None => Ok(self.token),
        }
    }
}

fn is_url(encoding: &str) -> bool {
    encoding.trim() == "url"
}

/// What a listing says of an object beside its key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Size,
    ETag,
    LastModified,
    StorageClass,
    ChecksumAlgorithm,
    ChecksumType,
    Other,
}

impl Field {
    fn of(name: &str) -> Self {
        match name {
            "Size" => Self::Size,
            "ETag" => Self::ETag,
            "LastModified" => Self::LastModified,
            "StorageClass" => Self::StorageClass,
            "ChecksumAlgorithm" => Self::ChecksumAlgorithm,
            "ChecksumType" => Self::ChecksumType,
            _ => Self::Other,
        }
    }
}

/// A page has few storage classes and many objects: their names are shared.
#[derive(Default)]
struct Classes(Vec<Arc<str>>);

impl Classes {
    fn shared(&mut self, name: &str) -> Arc<str> {
        if let Some(class) = self.0.iter().find(|class| &***class == name) {
            return class.clone();
        }
        let class: Arc<str> = Arc::from(name);
        self.0.push(class.clone());
        class
    }
}

/// An object while its element is read, without its key.
#[derive(Default)]
struct Building {
    size: Option<u64>,
    etag: Option<Arc<str>>,
    modified: Option<Timestamp>,
    storage_class: Option<Arc<str>>,
    algorithm: Option<Algorithm>,
    full_object: bool,
    restored: bool,
    restoring: bool,
}

impl Building {
    fn set(&mut self, field: Field, text: &str, classes: &mut Classes) -> Result<(), XmlError> {
        match field {
            Field::Size => self.size = Some(text.trim().parse().map_err(|_| XmlError::Element("Size"))?),
            Field::ETag => self.etag = etag(text),
            Field::LastModified => self.modified = moment(text.trim()),
            Field::StorageClass => self.storage_class = Some(classes.shared(text)),
            Field::ChecksumAlgorithm => self.algorithm = algorithm(text.trim()).or(self.algorithm),
            Field::ChecksumType => self.full_object = text.trim() == "FULL_OBJECT",
            Field::Other => {}
        }
        Ok(())
    }

    fn set_restore(&mut self, name: &str, text: &str) {
        match name {
            "IsRestoreInProgress" => self.restoring = text.trim() == "true",
            "RestoreExpiryDate" => self.restored = true,
            _ => {}
        }
    }

    fn finish(self, key: Key) -> Result<Listed, XmlError> {
        Ok(Listed {
            key,
            size: self.size.ok_or(XmlError::Element("Size"))?,
            etag: self.etag,
            modified: self.modified,
            storage_class: self.storage_class,
            checksum: self.algorithm.filter(|_| self.full_object),
            restored: self.restored && !self.restoring,
        })
    }
}

/// An ETag without quotes, where there is one.
fn etag(text: &str) -> Option<Arc<str>> {
    Some(text.trim().trim_matches('"')).filter(|etag| !etag.is_empty()).map(Arc::from)
}

fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "CRC32C" => Some(Algorithm::Crc32c),
        "CRC64NVME" => Some(Algorithm::Crc64nvme),
        _ => None,
    }
}

/// A moment as S3 writes it (`2026-10-12T17:50:30.000Z`), read without the general parser; others by that one.
fn moment(text: &str) -> Option<Timestamp> {
    written_by_s3(text).or_else(|| text.parse().ok())
}

fn written_by_s3(text: &str) -> Option<Timestamp> {
    let bytes: &[u8; 24] = text.as_bytes().try_into().ok()?;
    let shape = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')];
    if shape.iter().any(|(at, byte)| bytes[*at] != *byte) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| {
        bytes[range].iter().try_fold(0_i16, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i16::from(byte - b'0')))
    };
    let small = |range| number(range).and_then(|number| i8::try_from(number).ok());
    let millis = i32::from(number(20..23)?);
    let time = jiff::civil::DateTime::new(
        number(0..4)?,
        small(5..7)?,
        small(8..10)?,
        small(11..13)?,
        small(14..16)?,
        small(17..19)?,
        millis * 1_000_000,
    );
    jiff::tz::Offset::UTC.to_timestamp(time.ok()?).ok()
}

/// Undoes `encoding-type=url`, which writes a space as `+`. A `%` that no two digits follow stays.
pub fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr2(b'+', b'%', text) else { return Cow::Borrowed(text) };
    let mut decoded = Vec::with_capacity(text.len());
    decoded.extend_from_slice(&text[..first]);
    let mut rest = &text[first..];
    while let Some((byte, after)) = rest.split_first() {
        (rest, _) = match (byte, after) {
            (b'+', _) => (after, decoded.push(b' ')),
            (b'%', [high, low, after @ ..]) if let (Some(high), Some(low)) = (digit(*high), digit(*low)) => {
                (after, decoded.push(high << 4 | low))
            }
            (byte, _) => (after, decoded.push(*byte)),
        };
    }
    Cow::Owned(decoded)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
        <Name>b</Name><Prefix>p/</Prefix><KeyCount>2</KeyCount><MaxKeys>2</MaxKeys><EncodingType>url</EncodingType>\
        <IsTruncated>true</IsTruncated><NextContinuationToken>to+ken=</NextContinuationToken>\
        <Contents><Key>p/a+b%2B%0A%2F</Key><LastModified>2026-10-12T17:50:30.000Z</LastModified>\
        <ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag><ChecksumAlgorithm>CRC32C</ChecksumAlgorithm>\
        <ChecksumType>FULL_OBJECT</ChecksumType><Size>434234</Size><StorageClass>STANDARD</StorageClass></Contents>\
        <Contents><Key>p/z</Key><ETag>x-2</ETag><ChecksumAlgorithm>CRC32C</ChecksumAlgorithm><ChecksumType>COMPOSITE</ChecksumType>\
        <Size>0</Size><StorageClass>GLACIER</StorageClass><Owner><ID>1</ID></Owner><RestoreStatus>\
        <IsRestoreInProgress>false</IsRestoreInProgress><RestoreExpiryDate>2027-01-01T00:00:00Z</RestoreExpiryDate></RestoreStatus></Contents>\
        </ListBucketResult>";

    #[test]
    fn a_page_is_read() {
        let page = parse_list_page(PAGE.as_bytes()).expect("a page");
        assert_eq!(page.next.as_deref(), Some("to+ken="));
        let [one, two] = page.objects.as_slice() else { panic!("two objects") };
        assert_eq!((one.key.as_bytes(), one.size), (&b"p/a b+\n/"[..], 434_234));
        assert_eq!(one.etag.as_deref(), Some("fba9dede5f27731c9771645a39863328"));
        assert_eq!(one.modified, "2026-10-12T17:50:30Z".parse().ok());
        assert_eq!((one.checksum, two.checksum), (Some(Algorithm::Crc32c), None));
        assert_eq!((one.restored, two.restored), (false, true));
        assert_eq!(two.storage_class.as_deref(), Some("GLACIER"));
    }

    #[test]
    fn keys_are_decoded_only_where_the_server_says_that_it_encoded_them() {
        let plain = PAGE.replace("<EncodingType>url</EncodingType>", "");
        let page = parse_list_page(plain.as_bytes()).expect("a page");
        assert_eq!(page.objects[0].key.as_bytes(), b"p/a+b%2B%0A%2F");
    }

    #[test]
    fn p03_a_page_that_is_not_whole_is_an_error() {
        for cut in 0..PAGE.len() {
            assert!(parse_list_page(&PAGE.as_bytes()[..cut]).is_err(), "cut at {cut}");
        }
        for (from, to) in [
            ("<NextContinuationToken>to+ken=</NextContinuationToken>", ""),
            ("<IsTruncated>true", "<IsTruncated>yes"),
            ("<IsTruncated>true", "<IsTruncated>"),
            ("<Size>0</Size>", ""),
            ("<Size>0</Size>", "<Size>-1</Size>"),
            ("<Key>p/z</Key>", ""),
            ("ListBucketResult", "ListAllMyBucketsResult"),
        ] {
            assert!(parse_list_page(PAGE.replace(from, to).as_bytes()).is_err(), "{from} -> {to}");
        }
        assert!(parse_list_page(b"<Error><Code>SlowDown</Code></Error>").is_err());
        assert!(parse_list_page(PAGE.repeat(2).as_bytes()).is_err(), "two pages glued together");
        let silent = PAGE.replace("<IsTruncated>true</IsTruncated>", "");
        assert_eq!(parse_list_page(silent.as_bytes()).expect("a page").next.as_deref(), Some("to+ken="));
    }

    proptest::proptest! {
        #[test]
        fn p14_decoding_is_that_of_the_crate(text in "([a-z/]|\\+|%[0-9a-fA-F]{0,2}|%|é){0,20}") {
            let spaced: Vec<u8> = text.bytes().map(|byte| if byte == b'+' { b' ' } else { byte }).collect();
            let by_the_crate: Vec<u8> = percent_encoding::percent_decode(&spaced).collect();
            proptest::prop_assert_eq!(decode(text.as_bytes()).into_owned(), by_the_crate);
        }
    }

    #[test]
    fn a_moment_is_read_as_the_general_parser_reads_it() {
        let usual = ["2026-10-12T17:50:30.000Z", "1970-01-01T00:00:00.999Z", "2024-02-29T23:59:59.001Z"];
        for text in usual {
            assert!(written_by_s3(text).is_some(), "{text}");
        }
        let odd = ["2023-02-29T00:00:00.000Z", "2026-13-01T00:00:00.000Z", "2026-10-12T24:00:00.000Z", "2026-10-12T17:50:30Z", "today"];
        for text in usual.into_iter().chain(odd) {
            assert_eq!(moment(text), text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn an_empty_bucket_is_an_empty_page() {
        let page = parse_list_page(b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>").expect("a page");
        assert_eq!(page, ListPage::default());
    }
}
