//! The answers to copying an object or a part.
//!
//! S3 begins such an answer before the copy is done, and sends white space while it works: a status of 200 says nothing yet, and an
//! error may be all that the document holds. Only a result document is a result.

use super::{Visitor, XmlError, walk};

/// What the store says of what it copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyResult {
    /// With its quotes.
    pub etag: Option<String>,
    /// Base64.
    pub crc32c: Option<String>,
    /// Base64.
    pub crc64nvme: Option<String>,
    /// `FULL_OBJECT` or `COMPOSITE`; absent for parts.
    pub checksum_type: Option<String>,
}

#[derive(Default)]
struct Reading {
    is_result: bool,
    result: CopyResult,
}

impl Visitor for Reading {
    fn open(&mut self, path: &[&'static str]) {
        if let [root] = path {
            self.is_result = matches!(*root, "CopyObjectResult" | "CopyPartResult");
        }
    }

    fn close(&mut self, path: &[&'static str], text: &str) -> Result<(), XmlError> {
        let filled = || Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
        match path {
            [_, "ETag"] => self.result.etag = filled(),
            [_, "ChecksumCRC32C"] => self.result.crc32c = filled(),
            [_, "ChecksumCRC64NVME"] => self.result.crc64nvme = filled(),
            [_, "ChecksumType"] => self.result.checksum_type = filled(),
            _ => {}
        }
        Ok(())
    }
}

/// Reads `CopyObjectResult` or `CopyPartResult`, with whatever white space came before it. An error document is none.
pub fn parse_copy(document: &[u8]) -> Result<CopyResult, XmlError> {
    let mut reading = Reading::default();
    walk(document, &mut reading)?;
    if reading.is_result { Ok(reading.result) } else { Err(XmlError::Unexpected("CopyObjectResult")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_after_white_space_is_read() {
        let document = "  \n \n<?xml version=\"1.0\"?><CopyObjectResult><LastModified>2026-11-20T00:00:00Z</LastModified><ETag>&quot;e&quot;</ETag>\
            <ChecksumType>FULL_OBJECT</ChecksumType><ChecksumCRC64NVME>rosUhgp5mIg=</ChecksumCRC64NVME></CopyObjectResult>";
        let result = parse_copy(document.as_bytes()).expect("a result");
        assert_eq!(result.etag.as_deref(), Some("\"e\""));
        assert_eq!((result.crc64nvme.as_deref(), result.checksum_type.as_deref()), (Some("rosUhgp5mIg="), Some("FULL_OBJECT")));
        let part = parse_copy(b"<CopyPartResult><ETag>e</ETag><ChecksumCRC32C>4waSgw==</ChecksumCRC32C></CopyPartResult>");
        assert_eq!(part.expect("a result").crc32c.as_deref(), Some("4waSgw=="));
    }

    #[test]
    fn p02_an_error_or_half_a_result_is_no_result() {
        for document in ["<Error><Code>InternalError</Code></Error>", "<CopyObjectResult><ETag>e</ETag>", "", "   ", "<html/>"] {
            assert!(parse_copy(document.as_bytes()).is_err(), "{document}");
        }
    }
}
