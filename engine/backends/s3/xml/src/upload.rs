//! The answers about uploads in parts.
//!
//! The AWS SDK reads these first; it gives up on keys with control characters, which servers echo in forms that XML 1.0 does
//! not know, and on numbers left empty. Such an answer is read here: the request has taken effect, and the id in it matters.

use super::{Visitor, XmlError, walk};

/// What completing an upload tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completed {
    /// With its quotes.
    pub etag: Option<String>,
    /// Base64.
    pub crc32c: Option<String>,
    /// Base64.
    pub crc64nvme: Option<String>,
    /// `FULL_OBJECT` or `COMPOSITE`.
    pub checksum_type: Option<String>,
}

/// One part that an upload holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedPart {
    /// From 1.
    pub number: Option<u32>,
    /// In bytes.
    pub size: Option<u64>,
    /// With its quotes.
    pub etag: Option<String>,
    /// Base64.
    pub crc32c: Option<String>,
    /// Base64.
    pub crc64nvme: Option<String>,
}

/// A page of ListParts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartsPage {
    /// The parts.
    pub parts: Vec<ListedPart>,
    /// Whether more follow.
    pub truncated: bool,
    /// Where they follow.
    pub next: Option<String>,
}

/// One unfinished upload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedUpload {
    /// As written in the answer.
    pub key: String,
    /// The upload's id.
    pub id: String,
    /// RFC 3339.
    pub initiated: String,
}

/// A page of ListMultipartUploads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadsPage {
    /// The uploads.
    pub uploads: Vec<ListedUpload>,
    /// Whether keys are URL-encoded.
    pub encoded: bool,
    /// Whether more follow.
    pub truncated: bool,
    /// The key after which they follow, as written.
    pub next_key: Option<String>,
    /// The upload after which they follow.
    pub next_id: Option<String>,
}

#[derive(Default)]
struct Reading {
    root: Option<&'static str>,
    upload_id: Option<String>,
    completed: Completed,
    part: ListedPart,
    parts: PartsPage,
    upload: ListedUpload,
    uploads: UploadsPage,
}

impl Visitor for Reading {
    fn open(&mut self, path: &[&'static str]) {
        match path {
            [root] => self.root = Some(root),
            [_, "Part"] => self.part = ListedPart::default(),
            [_, "Upload"] => self.upload = ListedUpload::default(),
            _ => {}
        }
    }

    fn close(&mut self, path: &[&'static str], text: &str) -> Result<(), XmlError> {
        let filled = || Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
        match path {
            ["InitiateMultipartUploadResult", "UploadId"] => self.upload_id = filled(),
            ["CompleteMultipartUploadResult", "ETag"] => self.completed.etag = filled(),
            ["CompleteMultipartUploadResult", "ChecksumCRC32C"] => self.completed.crc32c = filled(),
            ["CompleteMultipartUploadResult", "ChecksumCRC64NVME"] => self.completed.crc64nvme = filled(),
            ["CompleteMultipartUploadResult", "ChecksumType"] => self.completed.checksum_type = filled(),
            ["ListPartsResult" | "ListPartsResponse", "IsTruncated"] => self.parts.truncated = text.trim() == "true",
            ["ListPartsResult" | "ListPartsResponse", "NextPartNumberMarker"] => self.parts.next = filled(),
            ["ListPartsResult" | "ListPartsResponse", "Part", "PartNumber"] => self.part.number = text.trim().parse().ok(),
            ["ListPartsResult" | "ListPartsResponse", "Part", "Size"] => self.part.size = text.trim().parse().ok(),
            ["ListPartsResult" | "ListPartsResponse", "Part", "ETag"] => self.part.etag = filled(),
            ["ListPartsResult" | "ListPartsResponse", "Part", "ChecksumCRC32C"] => self.part.crc32c = filled(),
            ["ListPartsResult" | "ListPartsResponse", "Part", "ChecksumCRC64NVME"] => self.part.crc64nvme = filled(),
            ["ListPartsResult" | "ListPartsResponse", "Part"] => self.parts.parts.push(std::mem::take(&mut self.part)),
            ["ListMultipartUploadsResult", "EncodingType"] => self.uploads.encoded = text.trim() == "url",
            ["ListMultipartUploadsResult", "IsTruncated"] => self.uploads.truncated = text.trim() == "true",
            ["ListMultipartUploadsResult", "NextKeyMarker"] => self.uploads.next_key = filled(),
            ["ListMultipartUploadsResult", "NextUploadIdMarker"] => self.uploads.next_id = filled(),
            ["ListMultipartUploadsResult", "Upload", "Key"] => text.clone_into(&mut self.upload.key),
            ["ListMultipartUploadsResult", "Upload", "UploadId"] => text.trim().clone_into(&mut self.upload.id),
            ["ListMultipartUploadsResult", "Upload", "Initiated"] => text.trim().clone_into(&mut self.upload.initiated),
            ["ListMultipartUploadsResult", "Upload"] => self.uploads.uploads.push(std::mem::take(&mut self.upload)),
            _ => {}
        }
        Ok(())
    }
}

fn read(document: &[u8], roots: &[&'static str]) -> Result<Reading, XmlError> {
    let mut reading = Reading::default();
    walk(document, &mut reading)?;
    match reading.root {
        Some(root) if roots.contains(&root) => Ok(reading),
        _ => Err(XmlError::Unexpected(roots[0])),
    }
}

/// The id in the answer to CreateMultipartUpload.
pub fn parse_initiate(document: &[u8]) -> Result<String, XmlError> {
    read(document, &["InitiateMultipartUploadResult"])?.upload_id.ok_or(XmlError::Element("UploadId"))
}

/// The answer to CompleteMultipartUpload.
pub fn parse_complete(document: &[u8]) -> Result<Completed, XmlError> {
    Ok(read(document, &["CompleteMultipartUploadResult"])?.completed)
}

/// A page of ListParts. moto calls it a response.
pub fn parse_parts(document: &[u8]) -> Result<PartsPage, XmlError> {
    Ok(read(document, &["ListPartsResult", "ListPartsResponse"])?.parts)
}

/// A page of ListMultipartUploads.
pub fn parse_uploads(document: &[u8]) -> Result<UploadsPage, XmlError> {
    Ok(read(document, &["ListMultipartUploadsResult"])?.uploads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_with_control_characters_are_read() {
        for key in ["a\u{1}b", "a&#x1;b", "a&#1;b"] {
            let begun = format!("<InitiateMultipartUploadResult><Key>{key}</Key><UploadId>id/1</UploadId></InitiateMultipartUploadResult>");
            assert_eq!(parse_initiate(begun.as_bytes()).as_deref(), Ok("id/1"));
            let listed = format!(
                "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated><Upload><Key>{key}</Key><UploadId>u</UploadId>\
                 <Initiated>2026-11-20T00:00:00Z</Initiated></Upload></ListMultipartUploadsResult>"
            );
            let page = parse_uploads(listed.as_bytes()).expect("a page");
            assert_eq!((page.uploads[0].key.as_str(), page.uploads[0].id.as_str(), page.truncated), ("a\u{1}b", "u", false));
        }
        assert!(parse_initiate(b"<InitiateMultipartUploadResult/>").is_err());
        assert!(parse_initiate(b"<Error><UploadId>x</UploadId></Error>").is_err());
    }

    #[test]
    fn parts_and_their_end_are_read() {
        let page = "<ListPartsResult><NextPartNumberMarker></NextPartNumberMarker><IsTruncated>false</IsTruncated><Part><PartNumber>1\
            </PartNumber><Size>5</Size><ETag>\"e\"</ETag><ChecksumCRC32C>4waSgw==</ChecksumCRC32C></Part></ListPartsResult>";
        let page = parse_parts(page.as_bytes()).expect("a page");
        let part =
            ListedPart { number: Some(1), size: Some(5), etag: Some("\"e\"".into()), crc32c: Some("4waSgw==".into()), crc64nvme: None };
        assert_eq!(page, PartsPage { parts: vec![part], truncated: false, next: None });
        let done = parse_complete(b"<CompleteMultipartUploadResult><ETag>&quot;x-1&quot;</ETag></CompleteMultipartUploadResult>");
        assert_eq!(done.map(|done| done.etag), Ok(Some("\"x-1\"".into())));
    }
}
