//! A page of ListObjectsV2.

use std::sync::Arc;

use brigade_core::digest::Algorithm;
use jiff::Timestamp;
use percent_encoding::percent_decode;

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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listed {
    /// The full key, decoded.
    pub key: Vec<u8>,
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

#[derive(Default)]
struct Reading {
    page: ListPage,
    entry: Building,
    root: bool,
    /// Some servers leave it out; the token then says it alone.
    truncated: Option<bool>,
    encoded: bool,
    classes: Vec<Arc<str>>,
}

#[derive(Default)]
struct Building {
    listed: Listed,
    key: Option<String>,
    size: Option<u64>,
    algorithm: Option<Algorithm>,
    full_object: bool,
    restoring: bool,
}

impl Visitor for Reading {
    fn open(&mut self, path: &[&'static str]) {
        match path {
            ["ListBucketResult"] => self.root = true,
            ["ListBucketResult", "Contents"] => self.entry = Building::default(),
            _ => {}
        }
    }

    fn close(&mut self, path: &[&'static str], text: &str) -> Result<(), XmlError> {
        match path {
            ["ListBucketResult", "Contents", "StorageClass"] => self.entry.listed.storage_class = Some(self.class(text)),
            ["ListBucketResult", "Contents", rest @ ..] if !rest.is_empty() => self.entry.set(rest, text)?,
            ["ListBucketResult", "Contents"] => {
                let entry = std::mem::take(&mut self.entry).finish()?;
                self.page.objects.push(entry);
            }
            ["ListBucketResult", "IsTruncated"] => self.truncated = Some(truth(text).ok_or(XmlError::Element("IsTruncated"))?),
            ["ListBucketResult", "NextContinuationToken"] => self.page.next = Some(text.to_owned()),
            ["ListBucketResult", "EncodingType"] => self.encoded = text.trim() == "url",
            _ => {}
        }
        Ok(())
    }
}

impl Reading {
    /// A page has few storage classes and many objects: their names are shared.
    fn class(&mut self, name: &str) -> Arc<str> {
        if let Some(class) = self.classes.iter().find(|class| &***class == name) {
            return class.clone();
        }
        let class: Arc<str> = Arc::from(name);
        self.classes.push(class.clone());
        class
    }

    fn finish(mut self) -> Result<ListPage, XmlError> {
        if !self.root {
            return Err(XmlError::Unexpected("ListBucketResult"));
        }
        match self.truncated {
            Some(true) if self.page.next.is_none() => return Err(XmlError::Element("NextContinuationToken")),
            Some(false) => self.page.next = None,
            Some(true) | None => {}
        }
        if self.encoded {
            self.page.objects.iter_mut().for_each(|listed| listed.key = decode(&listed.key));
        }
        Ok(self.page)
    }
}

impl Building {
    fn set(&mut self, path: &[&'static str], text: &str) -> Result<(), XmlError> {
        match path {
            ["Key"] => self.key = Some(text.to_owned()),
            ["Size"] => self.size = Some(text.trim().parse().map_err(|_| XmlError::Element("Size"))?),
            ["ETag"] => self.listed.etag = Some(text.trim().trim_matches('"')).filter(|etag| !etag.is_empty()).map(Arc::from),
            ["LastModified"] => self.listed.modified = text.trim().parse().ok(),
            ["ChecksumAlgorithm"] => self.algorithm = algorithm(text.trim()).or(self.algorithm),
            ["ChecksumType"] => self.full_object = text.trim() == "FULL_OBJECT",
            ["RestoreStatus", "IsRestoreInProgress"] => self.restoring = text.trim() == "true",
            ["RestoreStatus", "RestoreExpiryDate"] => self.listed.restored = true,
            _ => {}
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Listed, XmlError> {
        self.listed.key = self.key.ok_or(XmlError::Element("Key"))?.into_bytes();
        self.listed.size = self.size.ok_or(XmlError::Element("Size"))?;
        self.listed.checksum = self.algorithm.filter(|_| self.full_object);
        self.listed.restored &= !self.restoring;
        Ok(self.listed)
    }
}

/// A boolean of XML. Anything else is no answer: a listing must not end because a word was not understood.
fn truth(text: &str) -> Option<bool> {
    match text.trim() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "CRC32C" => Some(Algorithm::Crc32c),
        "CRC64NVME" => Some(Algorithm::Crc64nvme),
        _ => None,
    }
}

/// Undoes `encoding-type=url`, which writes a space as `+`.
pub(crate) fn decode(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_decode(&spaced).collect()
}

/// Reads a page of ListObjectsV2.
pub fn parse_list_page(document: &[u8]) -> Result<ListPage, XmlError> {
    let mut reading = Reading::default();
    walk(document, &mut reading)?;
    reading.finish()
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
        assert_eq!((one.key.as_slice(), one.size), (&b"p/a b+\n/"[..], 434_234));
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
        assert_eq!(page.objects[0].key, b"p/a+b%2B%0A%2F");
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

    #[test]
    fn an_empty_bucket_is_an_empty_page() {
        let page = parse_list_page(b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>").expect("a page");
        assert_eq!(page, ListPage::default());
    }
}
