//! The XML that S3 answers with, pulled through once without building a tree.
//!
//! A document that is cut short is an error, never a shorter document: a listing that ends early would read as "nothing
//! more is there". Names are compared without their namespace prefix; unknown elements are passed over.
//!
//! A crate of its own, so that what reads strangers' text is measured and fuzzed without the AWS SDK beside it.

pub mod copy;
pub mod delete;
pub mod error;
pub mod list;
pub mod upload;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, Event};

pub use delete::{DeleteResult, parse_delete_result};
pub use error::{ErrorBody, parse_error};
pub use list::{ListPage, Listed, parse_list_page};

/// Elements within elements; S3's documents have five levels.
const DEPTH_MAX: usize = 16;

/// Why a document could not be understood. It quotes nothing of the document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// It is not well-formed.
    #[error("the answer is no well-formed XML: {0}")]
    Malformed(&'static str),
    /// It ended in the middle.
    #[error("the answer is XML that was cut short")]
    CutShort,
    /// It is another document than was asked for.
    #[error("the answer is no `{0}` document")]
    Unexpected(&'static str),
    /// An element is missing or holds nonsense.
    #[error("the answer's `{0}` is missing or malformed")]
    Element(&'static str),
}

/// What is told about a document while it is read. Names that no visitor knows are empty in `path`.
trait Visitor {
    /// An element opens; `path` ends with its name.
    fn open(&mut self, path: &[&'static str]);
    /// An element closes; `text` is the text directly within it.
    fn close(&mut self, path: &[&'static str], text: &str) -> Result<(), XmlError>;
}

/// Reads a whole document.
fn walk(document: &[u8], visitor: &mut impl Visitor) -> Result<(), XmlError> {
    let text = std::str::from_utf8(document).map_err(|_| XmlError::Malformed("it is not UTF-8"))?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}').trim_start());
    reader.config_mut().expand_empty_elements = true;
    let mut walked = Walked { path: Vec::with_capacity(DEPTH_MAX), text: String::with_capacity(256), seen: false };
    loop {
        match reader.read_event().map_err(|error| broken(&error))? {
            Event::Start(start) => walked.open(known(start.local_name().into_inner()), visitor)?,
            Event::End(_) => walked.close(visitor)?,
            Event::Text(content) => walked.text.push_str(&content),
            Event::CData(content) => walked.text.push_str(&content.into_inner()),
            Event::GeneralRef(reference) => walked.text.push(resolve(&reference)?),
            Event::Eof => return walked.finish(),
            Event::Empty(_) => return Err(XmlError::Malformed("an empty element was not expanded")),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

struct Walked {
    path: Vec<&'static str>,
    text: String,
    seen: bool,
}

impl Walked {
    fn open(&mut self, name: &'static str, visitor: &mut impl Visitor) -> Result<(), XmlError> {
        if self.path.len() >= DEPTH_MAX {
            return Err(XmlError::Malformed("it is nested too deeply"));
        }
        if self.path.is_empty() && self.seen {
            return Err(XmlError::Malformed("it has more than one root"));
        }
        self.seen = true;
        self.text.clear();
        self.path.push(name);
        visitor.open(&self.path);
        Ok(())
    }

    fn close(&mut self, visitor: &mut impl Visitor) -> Result<(), XmlError> {
        visitor.close(&self.path, &self.text)?;
        self.text.clear();
        self.path.pop();
        Ok(())
    }

    fn finish(self) -> Result<(), XmlError> {
        match (self.path.is_empty(), self.seen) {
            (true, true) => Ok(()),
            (true, false) => Err(XmlError::Malformed("it is empty")),
            (false, _) => Err(XmlError::CutShort),
        }
    }
}

fn broken(error: &quick_xml::Error) -> XmlError {
    match error {
        quick_xml::Error::Syntax(_) => XmlError::Malformed("its syntax is wrong"),
        quick_xml::Error::IllFormed(_) => XmlError::Malformed("its tags do not match"),
        _ => XmlError::Malformed("it cannot be read"),
    }
}

/// A character reference, or one of the five names that XML itself defines; no document type can add more.
fn resolve(reference: &BytesRef<'_>) -> Result<char, XmlError> {
    if let Some(character) = reference.resolve_char_ref().map_err(|_| XmlError::Malformed("a character reference is wrong"))? {
        return Ok(character);
    }
    match &**reference {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(XmlError::Malformed("it refers to an unknown entity")),
    }
}

/// The names that some visitor knows, so that a path is made of plain constants.
fn known(name: &str) -> &'static str {
    static NAMES: [&str; 49] = [
        "Key",
        "LastModified",
        "ETag",
        "Size",
        "StorageClass",
        "Contents",
        "ChecksumAlgorithm",
        "ChecksumType",
        "Owner",
        "RestoreStatus",
        "IsRestoreInProgress",
        "RestoreExpiryDate",
        "ListBucketResult",
        "IsTruncated",
        "NextContinuationToken",
        "EncodingType",
        "CommonPrefixes",
        "Prefix",
        "Error",
        "Code",
        "Message",
        "RequestId",
        "Region",
        "ServerTime",
        "ErrorResponse",
        "DeleteResult",
        "Deleted",
        "DeleteMarkerVersionId",
        "DeleteMarker",
        "VersionId",
        "Errors",
        "BucketRegion",
        "InitiateMultipartUploadResult",
        "CompleteMultipartUploadResult",
        "ListPartsResult",
        "ListMultipartUploadsResult",
        "UploadId",
        "ChecksumCRC32C",
        "Part",
        "PartNumber",
        "NextPartNumberMarker",
        "Upload",
        "Initiated",
        "NextKeyMarker",
        "NextUploadIdMarker",
        "ListPartsResponse",
        "CopyObjectResult",
        "CopyPartResult",
        "ChecksumCRC64NVME",
    ];
    NAMES.iter().copied().find(|known| *known == name).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Collect(Vec<(String, String)>);

    impl Visitor for Collect {
        fn open(&mut self, _path: &[&'static str]) {}

        fn close(&mut self, path: &[&'static str], text: &str) -> Result<(), XmlError> {
            self.0.push((path.join("/"), text.to_owned()));
            Ok(())
        }
    }

    #[test]
    fn text_comes_out_byte_for_byte() {
        let mut seen = Collect::default();
        let document = "<?xml version=\"1.0\"?>\n<x:Error><Key>a&amp;&#13;&#x0A;&lt;<![CDATA[<b>]]>\r\n c</Key><Code/></x:Error>";
        walk(document.as_bytes(), &mut seen).expect("well-formed");
        assert_eq!(seen.0[0], ("Error/Key".into(), "a&\r\n<<b>\r\n c".into()));
        assert_eq!(seen.0[1], ("Error/Code".into(), String::new()));
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        let whole = b"<Error><Code>a</Code></Error>";
        for cut in 0..whole.len() {
            assert!(walk(&whole[..cut], &mut Collect::default()).is_err(), "cut at {cut}");
        }
        let deep = "<a>".repeat(DEPTH_MAX + 1);
        for bad in ["<a></b>", "<a>&nope;</a>", "<a>&#0;</a>", "<a/><a/>", "<a></a><b></b>", "", "plain", "\u{feff}", deep.as_str()] {
            assert!(walk(bad.as_bytes(), &mut Collect::default()).is_err(), "{bad}");
        }
        assert!(walk(b"<a>\xff</a>", &mut Collect::default()).is_err());
    }
}
