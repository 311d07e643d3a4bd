//! XML as S3 speaks it, written and read with nothing lost: keys may hold any character, and CR survives only as a reference.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use quick_xml::Reader;
use quick_xml::events::Event;
use std::fmt::{Display, Write as _};

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// A document being written.
pub(crate) struct Xml(String);

impl Xml {
    /// A document of one root element in S3's namespace.
    pub(crate) fn document(root: &str, content: impl FnOnce(&mut Self)) -> String {
        let mut xml = Self(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} xmlns=\"{NAMESPACE}\">"));
        content(&mut xml);
        xml.close(root);
        xml.0
    }

    /// An error document; those have no namespace.
    pub(crate) fn error(content: impl FnOnce(&mut Self)) -> String {
        let mut xml = Self("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>".to_owned());
        content(&mut xml);
        xml.close("Error");
        xml.0
    }

    /// An element with other elements inside.
    pub(crate) fn nest(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.0.push('<');
        self.0.push_str(name);
        self.0.push('>');
        content(self);
        self.close(name);
    }

    /// An element with text.
    pub(crate) fn text(&mut self, name: &str, text: impl Display) {
        let text = text.to_string();
        self.nest(name, |xml| text.chars().for_each(|character| xml.escape(character)));
    }

    /// Text inside the element that is open.
    pub(crate) fn raw_text(&mut self, text: &str) {
        text.chars().for_each(|character| self.escape(character));
    }

    /// An element with text, when there is any.
    pub(crate) fn maybe(&mut self, name: &str, text: Option<impl Display>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    fn escape(&mut self, character: char) {
        match character {
            '&' => self.0.push_str("&amp;"),
            '<' => self.0.push_str("&lt;"),
            '>' => self.0.push_str("&gt;"),
            '"' => self.0.push_str("&quot;"),
            '\n' | '\t' => self.0.push(character),
            control if control.is_control() => {
                write!(self.0, "&#x{:x};", u32::from(control)).expect("writing to a string cannot fail");
            }
            other => self.0.push(other),
        }
    }

    fn close(&mut self, name: &str) {
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }
}

/// How names are written in listings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As text. Control characters make such a listing unreadable for strict parsers, as in the real one.
    Plain,
    /// `encoding-type=url`.
    Url,
}

/// What `encoding-type=url` escapes: all but letters, digits, `-`, `_`, `.`, `/` and `*`; a space becomes `+`.
const LISTED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'/').remove(b'*').remove(b' ');

impl Encoding {
    /// A name as it stands in a listing.
    pub(crate) fn name(self, bytes: &[u8]) -> String {
        match self {
            Self::Plain => String::from_utf8_lossy(bytes).into_owned(),
            Self::Url => percent_encode(bytes, LISTED).to_string().replace(' ', "+"),
        }
    }
}

/// An element that was read.
#[derive(Debug, Default)]
pub(crate) struct Element {
    name: String,
    /// All character data directly inside, references resolved.
    pub(crate) text: String,
    children: Vec<Element>,
}

/// No element nests deeper in any S3 request.
const DEPTH_MAX: usize = 16;

impl Element {
    /// The root element of a document; `None` when it is not well-formed.
    pub(crate) fn parse(document: &[u8]) -> Option<Self> {
        let mut reader = Reader::from_str(std::str::from_utf8(document).ok()?);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) if open.len() < DEPTH_MAX => open.push(Self::named(start.local_name().as_ref())),
                Event::Start(_) => return None,
                Event::Empty(empty) => open.last_mut()?.children.push(Self::named(empty.local_name().as_ref())),
                Event::End(_) => {
                    let done = open.pop()?;
                    open.last_mut()?.children.push(done);
                }
                Event::Text(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
                Event::CData(data) => open.last_mut()?.text.push_str(&data.xml10_content()),
                Event::GeneralRef(reference) => open.last_mut()?.text.push(resolve(&reference)?),
                Event::Eof => break,
                _ => {}
            }
        }
        let mut document = open.pop().filter(|_| open.is_empty())?;
        document.children.pop().filter(|_| document.children.is_empty())
    }

    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Its name, without a namespace prefix.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The elements of that name directly inside.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first of them.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first element of that name.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }
}

/// A character or predefined entity reference. XML 1.0 forbids references to most control characters; S3 takes them.
fn resolve(reference: &str) -> Option<char> {
    if let Some(number) = reference.strip_prefix('#') {
        let code = match number.strip_prefix('x') {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => number.parse(),
        };
        return char::from_u32(code.ok()?);
    }
    match reference {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn any_key_survives_being_written_and_read() {
        let key = " a\r\n\t&<>\"'\u{1}\u{e9}\u{1f600} ";
        let document = Xml::document("Delete", |xml| xml.nest("Object", |xml| xml.text("Key", key)));
        let root = Element::parse(document.as_bytes()).unwrap();
        assert_eq!(root.name(), "Delete");
        assert_eq!(root.child("Object").unwrap().value("Key"), Some(key));
    }

    #[test]
    fn a_raw_carriage_return_becomes_a_line_feed() {
        let root = Element::parse(b"<A><Key>a\r\nb\rc&#13;</Key></A>").unwrap();
        assert_eq!(root.value("Key"), Some("a\nb\nc\r"));
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for document in ["", "<a>", "<a></b>", "<a/><b/>", "<a>&unknown;</a>", "<a>&#xd800;</a>"] {
            assert!(Element::parse(document.as_bytes()).is_none(), "{document}");
        }
        assert!(Element::parse("<a>".repeat(100).as_bytes()).is_none());
    }

    #[test]
    fn listed_names_are_escaped_as_s3_does() {
        assert_eq!(Encoding::Url.name(b"a b/c+d~*\n\xc3\xa9%"), "a+b/c%2Bd%7E*%0A%C3%A9%25");
    }
}
