//! Listings of objects: ListObjectsV2, and ListObjects for clients of old.

use std::io::Write as _;

use super::xml::{escape, escaped};
use super::{BAD_REQUEST, Call, Outcome};
use crate::limits::PAGE_KEYS_MAX;
use crate::listing::{From, Item, Query, page};
use crate::object::Object;
use crate::service::locked;
use crate::stats::Operation;
use crate::time::rfc3339;
use crate::wire::reply::Reply;
use crate::wire::request::encode;

/// Bytes of one listed object, to begin with a buffer of the right size.
const ENTRY_BYTES: usize = 420;

/// How keys are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spelling {
    Xml,
    Url,
}

impl Spelling {
    fn write(self, out: &mut Vec<u8>, key: &[u8]) {
        match self {
            Self::Xml => escape(out, key),
            Self::Url => encode(out, key),
        }
    }

    fn text(self, text: &str) -> String {
        let mut out = Vec::with_capacity(text.len());
        self.write(&mut out, text.as_bytes());
        String::from_utf8(out).expect("either spelling is UTF-8")
    }
}

/// Writes objects, remembering how the last date was spelled: most neighbours share it.
struct Writer {
    out: Vec<u8>,
    spelling: Spelling,
    date: (u64, String),
    count: usize,
}

impl Writer {
    fn item(&mut self, key: &[u8], item: Item<'_>) {
        self.count += 1;
        match item {
            Item::Prefix => {
                self.out.extend_from_slice(b"<CommonPrefixes><Prefix>");
                self.spelling.write(&mut self.out, key);
                self.out.extend_from_slice(b"</Prefix></CommonPrefixes>");
            }
            Item::Object(object) => self.object(key, object),
        }
    }

    fn object(&mut self, key: &[u8], object: &Object) {
        if self.date.0 != object.modified {
            self.date = (object.modified, rfc3339(object.modified));
        }
        let out = &mut self.out;
        out.extend_from_slice(b"<Contents><Key>");
        self.spelling.write(out, key);
        out.extend_from_slice(b"</Key><LastModified>");
        out.extend_from_slice(self.date.1.as_bytes());
        out.extend_from_slice(b"</LastModified><ETag>&quot;");
        object.etag.write(out);
        out.extend_from_slice(b"&quot;</ETag><ChecksumAlgorithm>CRC32C</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>");
        let class = object.metadata.as_ref().and_then(|metadata| metadata.class.as_deref()).unwrap_or("STANDARD");
        write!(out, "<Size>{}</Size><StorageClass>{class}</StorageClass></Contents>", object.size).expect("writing to memory never fails");
    }
}

impl Call<'_> {
    pub(super) fn list(&self) -> Outcome {
        let request = self.request;
        let param = |name| request.param(name).unwrap_or_default().into_owned();
        let second = request.has("list-type");
        let (prefix, delimiter) = (param("prefix"), param("delimiter"));
        let asked = request.param("max-keys").map_or(Ok(PAGE_KEYS_MAX), |text| text.parse::<usize>()).map_err(|_| BAD_REQUEST)?;
        let token = request.param("continuation-token").filter(|_| second);
        let from = match (&token, request.param(if second { "start-after" } else { "marker" })) {
            (Some(token), _) => From::of_token(token).ok_or(BAD_REQUEST)?,
            (None, Some(marker)) if !second && !delimiter.is_empty() && marker.ends_with(&delimiter) => From::past(marker.as_bytes()),
            (None, Some(after)) if !after.is_empty() => From::Behind(after.into_owned().into_bytes()),
            _ => From::Beginning,
        };
        let spelling = if request.param("encoding-type").as_deref() == Some("url") { Spelling::Url } else { Spelling::Xml };
        let items_max = asked.min(PAGE_KEYS_MAX);
        let query = Query { prefix, delimiter, from, before: None, items_max };
        let mut writer = Writer { out: Vec::with_capacity(items_max * ENTRY_BYTES + 1_024), spelling, date: (0, String::new()), count: 0 };
        let mut last = Vec::new();
        let next = page(&locked(&self.bucket), &query, |key, item| {
            writer.item(key, item);
            if !second {
                key.clone_into(&mut last);
            }
        });
        // Prefixes and objects may be mixed here; they are told apart by their elements, and every client measured does so.
        let mut out = Vec::with_capacity(writer.out.len() + 1_024);
        out.extend_from_slice(
            b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">",
        );
        let (name, prefix) = (escaped(self.bucket_name), spelling.text(&query.prefix));
        write!(out, "<Name>{name}</Name><Prefix>{prefix}</Prefix><MaxKeys>{asked}</MaxKeys>").expect("writing to memory never fails");
        if !query.delimiter.is_empty() {
            write!(out, "<Delimiter>{}</Delimiter>", spelling.text(&query.delimiter)).expect("writing to memory never fails");
        }
        if spelling == Spelling::Url {
            out.extend_from_slice(b"<EncodingType>url</EncodingType>");
        }
        write!(out, "<IsTruncated>{}</IsTruncated>", next.is_some()).expect("writing to memory never fails");
        if second {
            write!(out, "<KeyCount>{}</KeyCount>", writer.count).expect("writing to memory never fails");
        }
        if let Some(next) = next {
            let (element, text) = if second {
                ("NextContinuationToken", next.token())
            } else {
                ("NextMarker", spelling.text(&String::from_utf8_lossy(&last)))
            };
            write!(out, "<{element}>{text}</{element}>").expect("writing to memory never fails");
        }
        out.extend_from_slice(&writer.out);
        out.extend_from_slice(b"</ListBucketResult>");
        Ok(Reply::xml(Operation::List, 200, out))
    }
}
