//! The answer to DeleteObjects, and the request itself.

use std::fmt::Write as _;

use super::error::harmless;
use super::{Visitor, XmlError, walk};

/// What became of each key of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteResult {
    /// Keys that are gone.
    pub deleted: Vec<Deleted>,
    /// Keys that are not, and why.
    pub errors: Vec<DeleteError>,
}

/// A key that is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// The full key.
    pub key: String,
    /// The delete marker that now hides it, in a versioned bucket.
    pub marker: Option<String>,
}

/// A key that was not deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteError {
    /// The full key.
    pub key: String,
    /// `AccessDenied`, `PreconditionFailed`, ...
    pub code: String,
    /// For people.
    pub message: String,
}

#[derive(Default)]
struct Reading {
    result: DeleteResult,
    deleted: Deleted,
    error: DeleteError,
    root: bool,
}

impl Visitor for Reading {
    fn open(&mut self, path: &[&'static str]) {
        match path {
            ["DeleteResult"] => self.root = true,
            ["DeleteResult", "Deleted"] => self.deleted = Deleted::default(),
            ["DeleteResult", "Error"] => self.error = DeleteError::default(),
            _ => {}
        }
    }

    fn close(&mut self, path: &[&'static str], text: &str) -> Result<(), XmlError> {
        match path {
            ["DeleteResult", "Deleted", "Key"] => text.clone_into(&mut self.deleted.key),
            ["DeleteResult", "Deleted", "DeleteMarkerVersionId"] => self.deleted.marker = Some(text.to_owned()),
            ["DeleteResult", "Error", "Key"] => text.clone_into(&mut self.error.key),
            ["DeleteResult", "Error", "Code"] => self.error.code = harmless(text),
            ["DeleteResult", "Error", "Message"] => self.error.message = harmless(text),
            ["DeleteResult", "Deleted"] => self.result.deleted.push(std::mem::take(&mut self.deleted)),
            ["DeleteResult", "Error"] => self.result.errors.push(std::mem::take(&mut self.error)),
            _ => {}
        }
        Ok(())
    }
}

/// Reads the answer to DeleteObjects.
pub fn parse_delete_result(document: &[u8]) -> Result<DeleteResult, XmlError> {
    let mut reading = Reading::default();
    walk(document, &mut reading)?;
    if reading.root { Ok(reading.result) } else { Err(XmlError::Unexpected("DeleteResult")) }
}

/// Whether a key can stand in an XML 1.0 document at all: most control characters cannot, in no spelling.
pub fn fits_xml(key: &str) -> bool {
    key.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}'))
}

/// The body of DeleteObjects. `etag` is given without quotes.
pub fn delete_request<'a>(objects: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (key, etag) in objects {
        text.push_str("<Object><Key>");
        escape(&mut text, key);
        text.push_str("</Key>");
        if let Some(etag) = etag {
            text.push_str("<ETag>&quot;");
            escape(&mut text, etag);
            text.push_str("&quot;</ETag>");
        }
        text.push_str("</Object>");
    }
    text.push_str("<Quiet>false</Quiet></Delete>");
    text
}

/// Line ends and tabs are written as references, because a reader may change them otherwise (XML 1.0, section 2.11).
fn escape(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\t' | '\n' | '\r' | '\u{85}' | '\u{2028}' => {
                write!(text, "&#{};", u32::from(character)).expect("writing to a string never fails");
            }
            plain => text.push(plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_halves_of_an_answer_are_read() {
        let document = b"<DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Deleted><Key>a&#13;b</Key></Deleted>\
            <Deleted><Key>c</Key><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>v9</DeleteMarkerVersionId></Deleted>\
            <Error><Key>d</Key><Code>PreconditionFailed</Code><Message>no</Message></Error></DeleteResult>";
        let result = parse_delete_result(document).expect("well-formed");
        assert_eq!(result.deleted[0].key, "a\rb");
        assert_eq!(result.deleted[1].marker.as_deref(), Some("v9"));
        assert_eq!((result.errors[0].key.as_str(), result.errors[0].code.as_str()), ("d", "PreconditionFailed"));
        assert!(parse_delete_result(b"<Error><Code>AccessDenied</Code></Error>").is_err());
        let hostile = b"<DeleteResult><Error><Key>k</Key><Code>No\x1b[2J</Code></Error></DeleteResult>";
        assert_eq!(parse_delete_result(hostile).expect("well-formed").errors[0].code, "No [2J");
    }

    proptest! {
        #[test]
        fn every_key_that_fits_survives_the_request(key in "\\PC{0,20}[\t\n\r&<>\"' ]{0,4}") {
            prop_assume!(fits_xml(&key));
            let request = delete_request([(key.as_str(), Some("e"))]);
            let answer = request.replace("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">", "<DeleteResult>")
                .replace("</Delete>", "</DeleteResult>").replace("Object>", "Deleted>");
            prop_assert_eq!(&parse_delete_result(answer.as_bytes()).expect("well-formed").deleted[0].key, &key);
        }
    }

    #[test]
    fn control_characters_do_not_fit() {
        assert!(fits_xml("a\t\n\r\u{1f600}"));
        for odd in ["\u{0}", "\u{1}", "\u{1f}", "\u{fffe}", "\u{ffff}"] {
            assert!(!fits_xml(odd));
        }
    }
}
