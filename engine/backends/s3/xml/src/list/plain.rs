//! Pages written as S3 writes them: elements without attributes, comments or sections, one after the other.
//!
//! `None` means "not such a page", never "a wrong page": the general reader then says what it is. So everything here that is
//! not certain gives up.

use std::borrow::Cow;

use brigade_core::Key;
use memchr::memchr;

use super::{Building, Classes, Ending, Field, ListPage, Listed, decode, is_url};

/// Bytes of the usual element of one object, for the first guess at how many there are.
const OBJECT_BYTES: usize = 300;

const ROOT: &str = "ListBucketResult";

/// Longest name of an element, with its slash.
const NAME_BYTES_MAX: usize = 40;

pub(super) fn parse(document: &[u8]) -> Option<ListPage> {
    let text = std::str::from_utf8(document).ok()?;
    let mut cursor = Cursor(text.trim_start_matches('\u{feff}').trim_start());
    cursor.skip_declaration()?;
    cursor.open_root()?;
    let mut objects = Vec::with_capacity(document.len() / OBJECT_BYTES);
    let (mut ending, mut classes) = (Ending::default(), Classes::default());
    let (mut encoded, mut order) = (None, Order(Vec::new()));
    loop {
        match cursor.tag()? {
            "Contents" => objects.push(object(&mut cursor, encoded.unwrap_or(false), &mut classes, &mut order)?),
            name if name.strip_prefix('/') == Some(ROOT) => break,
            name => {
                let text = cursor.text(name)?;
                match name {
                    "IsTruncated" => ending.truncated(&text).ok()?,
                    "NextContinuationToken" => ending.token = Some(text.into_owned()),
                    // The keys before it were read without it.
                    "EncodingType" if !objects.is_empty() || encoded.is_some() => return None,
                    "EncodingType" => encoded = Some(is_url(&text)),
                    _ => {}
                }
            }
        }
    }
    let next = ending.next().ok()?;
    cursor.0.trim_ascii().is_empty().then_some(ListPage { objects, next })
}

/// The rest of a `Contents` element. `order` tells which elements the last object had, one after the other: those of the next
/// are likely the same, so each is first looked for where it was.
fn object<'a>(cursor: &mut Cursor<'a>, encoded: bool, classes: &mut Classes, order: &mut Order<'a>) -> Option<Listed> {
    let (mut key, mut building) = (None, Building::default());
    for at in 0.. {
        let name = match order.0.get(at).filter(|expected| cursor.opens(expected.name)) {
            Some(expected) => *expected,
            None => {
                let found = Element::of(cursor.tag()?);
                order.0.truncate(at);
                order.0.push(found);
                found
            }
        };
        match name.kind {
            Kind::End => return building.finish(key?).ok(),
            Kind::Key => {
                let text = cursor.text(name.name)?;
                key = Some(if encoded { Key::new(decode(text.as_bytes())) } else { Key::new(text.as_bytes()) });
            }
            Kind::ETag => building.etag = super::etag(&cursor.quoted(name.name)?),
            Kind::Other(field) => building.set(field, &cursor.text(name.name)?, classes).ok()?,
        }
    }
    None
}

/// The elements of an object, in their order.
struct Order<'a>(Vec<Element<'a>>);

#[derive(Clone, Copy)]
struct Element<'a> {
    /// As it stands in its opening tag; that of the end has a slash.
    name: &'a str,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Key,
    ETag,
    Other(Field),
    End,
}

impl<'a> Element<'a> {
    fn of(name: &'a str) -> Self {
        let kind = match name {
            "/Contents" => Kind::End,
            "Key" => Kind::Key,
            "ETag" => Kind::ETag,
            name => Kind::Other(Field::of(name)),
        };
        Self { name, kind }
    }
}

/// What is left of the document.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn skip_declaration(&mut self) -> Option<()> {
        if let Some(declaration) = self.0.strip_prefix("<?xml ") {
            self.0 = declaration.split_once("?>")?.1.trim_start();
        }
        Some(())
    }

    /// The root alone may have an attribute: its namespace.
    fn open_root(&mut self) -> Option<()> {
        let (attributes, rest) = self.0.strip_prefix('<')?.strip_prefix(ROOT)?.split_once('>')?;
        let namespace = attributes.strip_prefix(" xmlns=\"").and_then(|rest| rest.strip_suffix('"'));
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"/:.-".contains(&byte);
        if !attributes.is_empty() && !namespace?.bytes().all(harmless) {
            return None;
        }
        self.0 = rest;
        Some(())
    }

    /// The name within the next tag, with the slash of a closing one. Nothing but white space may come before it.
    fn tag(&mut self) -> Option<&'a str> {
        let rest = match self.0.strip_prefix('<') {
            Some(rest) => rest,
            None => self.0.trim_ascii_start().strip_prefix('<')?,
        };
        // Names are short: a search that has to start up would take longer.
        let end = rest.bytes().take(NAME_BYTES_MAX).position(|byte| byte == b'>')?;
        let name = &rest[..end];
        self.0 = &rest[end + 1..];
        is_name(name).then_some(name)
    }

    /// Whether the next tag is this one, which is then passed over.
    fn opens(&mut self, name: &str) -> bool {
        let rest = self.0.strip_prefix('<').and_then(|rest| rest.strip_prefix(name)).and_then(|rest| rest.strip_prefix('>'));
        if let Some(rest) = rest {
            self.0 = rest;
        }
        rest.is_some()
    }

    /// The text up to the closing tag of `name`.
    fn text(&mut self, name: &str) -> Option<Cow<'a, str>> {
        resolved(self.raw(name)?)
    }

    /// The same, where the text is likely to stand between quotation marks that are written as references.
    fn quoted(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let text = self.raw(name)?;
        let inner = text.strip_prefix("&quot;").and_then(|rest| rest.strip_suffix("&quot;"));
        // White space within the marks is of the text, and outside of them is not.
        resolved(inner.filter(|inner| inner.trim() == *inner).unwrap_or(text))
    }

    fn raw(&mut self, name: &str) -> Option<&'a str> {
        let end = memchr(b'<', self.0.as_bytes())?;
        let (text, rest) = self.0.split_at(end);
        self.0 = rest.strip_prefix("</")?.strip_prefix(name)?.strip_prefix('>')?;
        Some(text)
    }
}

/// Whether it is a name as S3 writes them. Those of every object are known; of others the letters are looked at.
fn is_name(tag: &str) -> bool {
    if matches!(
        tag,
        "Key" | "Size" | "ETag" | "LastModified" | "StorageClass" | "ChecksumAlgorithm" | "ChecksumType" | "Contents" | "/Contents"
    ) {
        return true;
    }
    let letters = tag.strip_prefix('/').unwrap_or(tag);
    letters.starts_with(|first: char| first.is_ascii_alphabetic()) && letters.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The text with the references that S3 writes resolved.
fn resolved(text: &str) -> Option<Cow<'_, str>> {
    if memchr(b'&', text.as_bytes()).is_none() {
        return Some(Cow::Borrowed(text));
    }
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        let (name, after) = after.split_once(';')?;
        whole.push_str(before);
        whole.push(match name {
            "quot" => '"',
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "apos" => '\'',
            _ => return None,
        });
        rest = after;
    }
    whole.push_str(rest);
    Some(Cow::Owned(whole))
}

#[cfg(test)]
mod tests {
    use super::super::parse_any;
    use super::*;
    use proptest::prelude::*;

    /// Pieces of pages, right, wrong and odd, to be put together in any order.
    const PIECES: [&str; 36] = [
        "<ListBucketResult>",
        "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">",
        "<ListBucketResult xmlns='x' a=\"b>c\">",
        "</ListBucketResult>",
        "<Contents>",
        "</Contents>",
        "<Contents/>",
        "<Key>a+b%2Fc</Key>",
        "<Key>\u{e4}&amp;&#10;&lt;</Key>",
        "<Key/>",
        "<Key>",
        "</Key>",
        "<Size>12</Size>",
        "<Size> 7 </Size>",
        "<Size>-1</Size>",
        "<ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag>",
        "<ETag></ETag>",
        "<ETag> &quot; e &quot; </ETag>",
        "<ETag>&quot; e&quot;</ETag>",
        "<LastModified>2026-10-12T17:50:30.000Z</LastModified>",
        "<LastModified>yesterday</LastModified>",
        "<StorageClass>STANDARD</StorageClass>",
        "<ChecksumAlgorithm>CRC32C</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>",
        "<RestoreStatus><RestoreExpiryDate>2027-01-01T00:00:00Z</RestoreExpiryDate></RestoreStatus>",
        "<Owner><ID>1</ID></Owner>",
        "<x:Size>3</x:Size>",
        "<IsTruncated>true</IsTruncated>",
        "<IsTruncated>false</IsTruncated>",
        "<IsTruncated>maybe</IsTruncated>",
        "<NextContinuationToken>t&gt;</NextContinuationToken>",
        "<EncodingType>url</EncodingType>",
        "<?xml version=\"1.0\"?>",
        "<!-- <Contents> -->",
        "<![CDATA[<Key>]]>",
        " \n",
        "text",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn p03_a_plain_page_says_what_the_general_reader_reads(
            inner in proptest::collection::vec(0..PIECES.len(), 0..14),
            objects in 0..4_usize,
            cut in any::<proptest::sample::Index>(),
            broken in proptest::bool::weighted(0.3),
        ) {
            let object = "<Contents><Key>k%2B</Key><Size>1</Size><ETag>&quot;e&quot;</ETag></Contents>";
            let inner: String = inner.iter().map(|piece| PIECES[*piece]).collect();
            let page = format!("<ListBucketResult><EncodingType>url</EncodingType>{}{inner}</ListBucketResult>", object.repeat(objects));
            let mut page = page.as_str();
            if broken {
                let mut at = cut.index(page.len());
                while !page.is_char_boundary(at) {
                    at -= 1;
                }
                page = &page[..at];
            }
            if let Some(read) = parse(page.as_bytes()) {
                prop_assert_eq!(Ok(read), parse_any(page.as_bytes()), "{}", page);
            }
        }
    }

    /// What an object may hold, usual and odd.
    const FIELDS: [&str; 14] = [
        "<Key>a+b%2Fc</Key>",
        "<Key>&amp;&lt;</Key>",
        "<Size>12</Size>",
        "<Size> 7 </Size>",
        "<ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag>",
        "<ETag>e-2</ETag>",
        "<ETag></ETag>",
        "<ETag> &quot; e &quot; </ETag>",
        "<ETag>&quot; e&quot;</ETag>",
        "<ETag>&quot;&quot;e&quot;&quot;</ETag>",
        "<ETag>&quot;</ETag>",
        "<LastModified>2026-10-12T17:50:30.000Z</LastModified>",
        "<ChecksumAlgorithm>CRC32C</ChecksumAlgorithm>",
        "<StorageClass>STANDARD</StorageClass> ",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn p03_objects_say_what_the_general_reader_reads_in_whatever_order_their_elements_come(
            objects in proptest::collection::vec(proptest::collection::vec(0..FIELDS.len(), 0..6), 1..5),
        ) {
            let object = |fields: &Vec<usize>| {
                let fields: String = fields.iter().map(|field| FIELDS[*field]).collect();
                format!("<Contents><Key>k</Key><Size>1</Size>{fields}</Contents>")
            };
            let objects: String = objects.iter().map(object).collect();
            let page = format!("<ListBucketResult><EncodingType>url</EncodingType>{objects}</ListBucketResult>");
            prop_assert_eq!(parse(page.as_bytes()), parse_any(page.as_bytes()).ok(), "{}", page);
        }
    }

    #[test]
    fn the_page_of_s3_itself_is_plain() {
        let object = "<Contents><Key>p/a+b</Key><LastModified>2026-10-12T17:50:30.000Z</LastModified><ETag>&quot;e-2&quot;</ETag>\
            <ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType><Size>4</Size>\
            <StorageClass>STANDARD</StorageClass></Contents>";
        let page = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Name>b</Name><Prefix></Prefix><KeyCount>2</KeyCount><MaxKeys>2</MaxKeys><EncodingType>url</EncodingType>\
             <IsTruncated>true</IsTruncated><NextContinuationToken>t=</NextContinuationToken>{}</ListBucketResult>",
            object.repeat(2)
        );
        let read = parse(page.as_bytes()).expect("it is plain");
        assert_eq!((read.objects.len(), read.objects[0].key.as_bytes()), (2, &b"p/a b"[..]));
        assert_eq!(Ok(read), parse_any(page.as_bytes()));
    }
}
