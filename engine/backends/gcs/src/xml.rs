//! The XML API's few documents: what its multipart uploads answer, and what they are told.
//!
//! A pull parser over the body, without a tree: only leaf texts by the name of their element are looked at. Whatever is not
//! understood is `None`, never a guess.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

use crate::errors::ErrorBody;

/// Deepest nesting that is followed; the documents of the XML API have four levels.
const DEPTH_MAX: usize = 16;

/// One part as `ListParts` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XmlPart {
    /// From 1.
    pub number: u32,
    /// The ETag, with its quotes as they came.
    pub etag: String,
    /// Bytes.
    pub size: u64,
}

/// A page of `ListParts`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct XmlParts {
    /// The parts.
    pub parts: Vec<XmlPart>,
    /// Where the next page starts, if there is one.
    pub next: Option<String>,
}

/// One open upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XmlUpload {
    /// Full object name.
    pub name: String,
    /// Upload id.
    pub id: String,
    /// When it was begun, as written.
    pub initiated: Option<String>,
}

/// A page of open uploads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct XmlUploads {
    /// The uploads.
    pub uploads: Vec<XmlUpload>,
    /// Where the next page starts: key and id.
    pub next: Option<(String, String)>,
}

/// The upload id of an answer to `POST ?uploads`.
pub fn parse_initiate(body: &[u8]) -> Option<String> {
    let mut id = None;
    let root = leaves(body, |path, text| {
        if path == ["InitiateMultipartUploadResult", "UploadId"] {
            id = Some(text.to_owned());
        }
    })?;
    (root == "InitiateMultipartUploadResult").then_some(id).flatten().filter(|id| !id.is_empty())
}

/// Whether a body is the answer of a completed upload.
pub fn parse_complete(body: &[u8]) -> bool {
    leaves(body, |_, _| {}).is_some_and(|root| root == "CompleteMultipartUploadResult")
}

/// A page of `ListParts`.
pub fn parse_parts(body: &[u8]) -> Option<XmlParts> {
    let mut page = XmlParts::default();
    let mut truncated = false;
    let (mut number, mut etag, mut size) = (None, None, None);
    let mut marker = None;
    let root = leaves(body, |path, text| match path {
        [_, "IsTruncated"] => truncated = text == "true",
        [_, "NextPartNumberMarker"] => marker = Some(text.to_owned()),
        [_, "Part", "PartNumber"] => number = text.parse().ok(),
        [_, "Part", "ETag"] => etag = Some(text.to_owned()),
        [_, "Part", "Size"] => size = text.parse().ok(),
        [_, "Part"] => {
            if let (Some(number), Some(etag), Some(size)) = (number.take(), etag.take(), size.take()) {
                page.parts.push(XmlPart { number, etag, size });
            }
        }
        _ => {}
    })?;
    // A cut page that names no next one would read as the end.
    page.next = if truncated { Some(marker?) } else { None };
    (root == "ListPartsResult").then_some(page)
}

/// A page of open uploads.
pub fn parse_uploads(body: &[u8]) -> Option<XmlUploads> {
    let mut page = XmlUploads::default();
    let mut truncated = false;
    let (mut name, mut id, mut initiated) = (None, None, None);
    let (mut next_key, mut next_id) = (None, None);
    let root = leaves(body, |path, text| match path {
        [_, "IsTruncated"] => truncated = text == "true",
        [_, "NextKeyMarker"] => next_key = Some(text.to_owned()),
        [_, "NextUploadIdMarker"] => next_id = Some(text.to_owned()),
        [_, "Upload", "Key"] => name = Some(text.to_owned()),
        [_, "Upload", "UploadId"] => id = Some(text.to_owned()),
        [_, "Upload", "Initiated"] => initiated = Some(text.to_owned()),
        [_, "Upload"] => {
            if let (Some(name), Some(id)) = (name.take(), id.take()) {
                page.uploads.push(XmlUpload { name, id, initiated: initiated.take() });
            }
        }
        _ => {}
    })?;
    page.next = if truncated { Some((next_key?, next_id.unwrap_or_default())) } else { None };
    (root == "ListMultipartUploadsResult").then_some(page)
}

/// Code and message of an error document.
pub(crate) fn parse_error(body: &[u8]) -> Option<ErrorBody> {
    let mut error = ErrorBody::default();
    let mut details = None;
    let root = leaves(body, |path, text| match path {
        ["Error", "Code"] => error.code = Some(text.to_owned()),
        ["Error", "Message"] => error.message = Some(text.to_owned()),
        ["Error", "Details"] => details = Some(text.to_owned()),
        _ => {}
    })?;
    if let (Some(message), Some(details)) = (&mut error.message, details) {
        *message = format!("{message} {details}");
    }
    (root == "Error").then_some(error)
}

/// The body of a request to complete an upload.
pub(crate) fn complete_body<'a>(parts: impl Iterator<Item = (u32, &'a str)>) -> String {
    let mut body = String::from("<CompleteMultipartUpload>");
    for (number, etag) in parts {
        let etag = quick_xml::escape::escape(etag);
        body.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"));
    }
    body.push_str("</CompleteMultipartUpload>");
    body
}

/// Calls `visit` with the path and the text of every element when it ends. Returns the root's name, or `None` for anything that
/// is not one well-formed document.
fn leaves(body: &[u8], mut visit: impl FnMut(&[&str], &str)) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let mut reader = Reader::from_str(text);
    let mut path: Vec<String> = Vec::new();
    let mut value = String::new();
    let mut root = None;
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                if path.len() == DEPTH_MAX || (path.is_empty() && root.is_some()) {
                    return None;
                }
                let name = start.local_name().into_inner().to_owned();
                if path.is_empty() {
                    root = Some(name.clone());
                }
                path.push(name);
                value.clear();
            }
            Event::Empty(empty) => {
                if path.is_empty() && root.is_some() {
                    return None;
                }
                if path.is_empty() {
                    root = Some(empty.local_name().into_inner().to_owned());
                }
                value.clear();
            }
            Event::Text(part) => value.push_str(&part.xml10_content()),
            Event::CData(part) => value.push_str(&part.xml10_content()),
            Event::GeneralRef(reference) => value.push_str(&resolve(&reference)?),
            Event::End(_) => {
                let names: Vec<&str> = path.iter().map(String::as_str).collect();
                visit(&names, &value);
                path.pop()?;
                value.clear();
            }
            Event::Eof => return root.filter(|_| path.is_empty()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            // A document type can define entities; no answer of GCS has one.
            Event::DocType(_) => return None,
        }
    }
}

fn resolve(reference: &quick_xml::events::BytesRef<'_>) -> Option<String> {
    if let Some(character) = reference.resolve_char_ref().ok()? {
        return Some(character.to_string());
    }
    resolve_predefined_entity(reference).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_id_is_found_and_nothing_else_is_taken_for_one() {
        let good = br#"<?xml version='1.0' encoding='UTF-8'?><InitiateMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>b</Bucket><Key>a&amp;b</Key><UploadId>AB-1&#x2F;_</UploadId></InitiateMultipartUploadResult>"#;
        assert_eq!(parse_initiate(good), Some("AB-1/_".into()));
        for bad in [&b""[..], b"{}", b"<html><UploadId>x</UploadId></html>", b"<InitiateMultipartUploadResult><UploadId>x"] {
            assert_eq!(parse_initiate(bad), None, "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn parts_are_read_in_pages() {
        let body = b"<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>2</NextPartNumberMarker>\
            <Part><PartNumber>1</PartNumber><ETag>&quot;e1&quot;</ETag><Size>5</Size></Part>\
            <Part><PartNumber>2</PartNumber><ETag>\"e2\"</ETag><Size>6</Size></Part></ListPartsResult>";
        let page = parse_parts(body).expect("parts");
        assert_eq!(page.next.as_deref(), Some("2"));
        assert_eq!(page.parts[0], XmlPart { number: 1, etag: "\"e1\"".into(), size: 5 });
        assert_eq!(page.parts[1].size, 6);
        assert_eq!(parse_parts(b"<Error/>"), None);
        assert_eq!(parse_parts(b"<ListPartsResult><IsTruncated>true</IsTruncated></ListPartsResult>"), None);
    }

    #[test]
    fn uploads_are_read_in_pages() {
        let body = b"<ListMultipartUploadsResult><NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>i</NextUploadIdMarker><IsTruncated>true</IsTruncated>\
            <Upload><Key>a b</Key><UploadId>u</UploadId><Initiated>2026-11-20T03:00:00.000Z</Initiated></Upload></ListMultipartUploadsResult>";
        let page = parse_uploads(body).expect("uploads");
        assert_eq!(page.next, Some(("k".into(), "i".into())));
        assert_eq!(page.uploads[0].name, "a b");
        assert_eq!(parse_uploads(b"<ListMultipartUploadsResult><IsTruncated>true</IsTruncated></ListMultipartUploadsResult>"), None);
    }

    #[test]
    fn an_entity_bomb_is_no_document() {
        let bomb = b"<!DOCTYPE x [<!ENTITY a \"aaaa\">]><Error><Code>&a;</Code></Error>";
        assert_eq!(parse_error(bomb), None);
        assert_eq!(parse_error(b"<Error><Code>&unknown;</Code></Error>"), None);
        let deep = "<a>".repeat(100);
        assert_eq!(parse_error(deep.as_bytes()), None);
    }

    #[test]
    fn an_error_before_or_behind_a_success_is_no_success() {
        let (failed, done) = ("<Error><Code>InternalError</Code></Error>", "<CompleteMultipartUploadResult/>");
        assert!(parse_complete(done.as_bytes()));
        for glued in [format!("{failed}{done}"), format!("{done}{failed}"), format!("<Error/>{done}"), format!("{done}{done}")] {
            assert!(!parse_complete(glued.as_bytes()), "{glued}");
        }
    }

    #[test]
    fn etags_are_escaped() {
        let body = complete_body([(1, "\"a<b\"")].into_iter());
        assert_eq!(
            body,
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;a&lt;b&quot;</ETag></Part></CompleteMultipartUpload>"
        );
    }
}
