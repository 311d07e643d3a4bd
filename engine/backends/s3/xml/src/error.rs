//! S3's error document.

use super::{Visitor, XmlError, walk};

/// Longest message that is passed on, in characters.
const MESSAGE_CHARS_MAX: usize = 300;

/// What an error document says. Everything else in it (signatures, keys, host ids) is dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// `NoSuchKey`, `SlowDown`, ...
    pub code: Option<String>,
    /// For people: one line, without control characters.
    pub message: Option<String>,
    /// The provider's id of the request.
    pub request_id: Option<String>,
    /// The region that should have been asked.
    pub region: Option<String>,
}

impl ErrorBody {
    fn set(&mut self, name: &str, text: &str) {
        let field = match name {
            "Code" => &mut self.code,
            "Message" => &mut self.message,
            "RequestId" => &mut self.request_id,
            "Region" | "BucketRegion" => &mut self.region,
            _ => return,
        };
        if field.is_none() && !text.trim().is_empty() {
            *field = Some(harmless(text.trim()));
        }
    }
}

struct Reading {
    body: ErrorBody,
    within: bool,
}

impl Visitor for Reading {
    fn open(&mut self, path: &[&'static str]) {
        self.within |= path.last() == Some(&"Error");
    }

    fn close(&mut self, path: &[&'static str], text: &str) -> Result<(), XmlError> {
        if let [.., "Error", name] | ["ErrorResponse", name] = path {
            self.body.set(name, text);
        }
        Ok(())
    }
}

/// Reads an error document: `<Error>` at the root or within another document.
pub fn parse_error(document: &[u8]) -> Result<ErrorBody, XmlError> {
    let mut reading = Reading { body: ErrorBody::default(), within: false };
    walk(document, &mut reading)?;
    if reading.within { Ok(reading.body) } else { Err(XmlError::Unexpected("Error")) }
}

/// One line, no control characters, bounded.
pub(super) fn harmless(text: &str) -> String {
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut short: String = line.take(MESSAGE_CHARS_MAX).collect();
    if short.len() < text.len() && text.chars().nth(MESSAGE_CHARS_MAX).is_some() {
        short.push_str("...");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_that_matter_are_kept_and_the_rest_is_dropped() {
        let document = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AuthorizationHeaderMalformed</Code>\
            <Message>The region is wrong;\nexpecting 'eu-west-1'</Message><Region>eu-west-1</Region><RequestId>R1</RequestId>\
            <StringToSign>secret stuff</StringToSign></Error>";
        let body = parse_error(document).expect("an error document");
        assert_eq!(body.code.as_deref(), Some("AuthorizationHeaderMalformed"));
        assert_eq!(body.message.as_deref(), Some("The region is wrong; expecting 'eu-west-1'"));
        assert_eq!((body.region.as_deref(), body.request_id.as_deref()), (Some("eu-west-1"), Some("R1")));
        assert!(!format!("{body:?}").contains("secret"));
    }

    #[test]
    fn other_documents_and_nested_errors_are_told_apart() {
        assert!(parse_error(b"<CompleteMultipartUploadResult><Key>a</Key></CompleteMultipartUploadResult>").is_err());
        assert!(parse_error(b"<html><body>502</body></html>").is_err());
        let nested = parse_error(b"<ErrorResponse><Error><Code>ExpiredToken</Code></Error><RequestId>7</RequestId></ErrorResponse>");
        assert_eq!(nested.map(|body| (body.code, body.request_id)), Ok((Some("ExpiredToken".into()), Some("7".into()))));
        let long = "x".repeat(MESSAGE_CHARS_MAX * 2);
        let body = parse_error(format!("<Error><Message>{long}</Message></Error>").as_bytes()).expect("an error document");
        assert_eq!(body.message.expect("present").len(), MESSAGE_CHARS_MAX + 3);
    }
}
