//! Object resources, written by hand: a listing writes a thousand of them, and clients ask for some fields only.

use std::io::Write as _;

use crate::object::{Metadata, Object};
use crate::time::rfc3339;
use crate::wire::body::{crc32c_text, md5_text};
use crate::wire::request::Request;

/// The fields that a resource can have here, in the order in which they are written.
const NAMES: [&str; 14] = [
    "kind",
    "name",
    "bucket",
    "generation",
    "metageneration",
    "contentType",
    "storageClass",
    "size",
    "md5Hash",
    "crc32c",
    "etag",
    "timeCreated",
    "updated",
    "metadata",
];

/// Which fields were asked for, by their place in `NAMES`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields([bool; NAMES.len()]);

impl Fields {
    /// The fields of a request; all of them where it names none.
    pub(super) fn of(request: &Request<'_>) -> Self {
        match request.param("fields") {
            Some(fields) if !fields.contains('*') && !fields.is_empty() && fields != "items" => {
                let words: Vec<&str> = fields.split(['(', ')', ',', '/']).map(str::trim).collect();
                Self(NAMES.map(|name| words.contains(&name)))
            }
            _ => Self::all(),
        }
    }

    /// All that a resource can have.
    pub(super) fn all() -> Self {
        Self([true; NAMES.len()])
    }

    /// Writes a resource.
    pub(super) fn write(self, out: &mut Vec<u8>, bucket: &str, name: &[u8], object: &Object) {
        out.push(b'{');
        let metadata = object.metadata.as_deref();
        for (field, _) in NAMES.iter().zip(self.0).filter(|(_, wanted)| *wanted) {
            let before = out.len();
            if out.last() != Some(&b'{') {
                out.push(b',');
            }
            write!(out, "\"{field}\":").expect("writing to memory never fails");
            if !write_value(out, field, bucket, name, object, metadata) {
                out.truncate(before);
            }
        }
        if let Some(metadata) = metadata {
            for (name, value) in metadata.plain.iter().filter(|(name, _)| *name != "content-type") {
                if let Some(field) = field_of(name) {
                    out.extend_from_slice(if out.last() == Some(&b'{') { b"\"" } else { b",\"" });
                    out.extend_from_slice(field.as_bytes());
                    out.extend_from_slice(b"\":");
                    text(out, value.as_bytes());
                }
            }
        }
        out.push(b'}');
    }
}

/// The JSON field of a header.
fn field_of(header: &str) -> Option<&'static str> {
    FIELDS.iter().find(|(name, _)| *name == header).map(|(_, field)| *field)
}

/// Headers and the JSON fields that carry them.
pub(super) const FIELDS: [(&str, &str); 5] = [
    ("content-type", "contentType"),
    ("content-encoding", "contentEncoding"),
    ("content-disposition", "contentDisposition"),
    ("content-language", "contentLanguage"),
    ("cache-control", "cacheControl"),
];

/// Writes the value of a field; false where the object has none.
fn write_value(out: &mut Vec<u8>, field: &str, bucket: &str, name: &[u8], object: &Object, metadata: Option<&Metadata>) -> bool {
    let plain = |wanted: &str| {
        metadata.and_then(|metadata| metadata.plain.iter().find(|(name, _)| *name == wanted)).map(|(_, value)| value.as_str())
    };
    let quoted = |out: &mut Vec<u8>, value: std::fmt::Arguments<'_>| write!(out, "\"{value}\"").expect("writing to memory never fails");
    match field {
        "kind" => quoted(out, format_args!("storage#object")),
        "name" => text(out, name),
        "bucket" => text(out, bucket.as_bytes()),
        "generation" | "etag" => quoted(out, format_args!("{}", object.generation)),
        "metageneration" => quoted(out, format_args!("1")),
        "contentType" => text(out, plain("content-type").unwrap_or("application/octet-stream").as_bytes()),
        "storageClass" => text(out, metadata.and_then(|metadata| metadata.class.as_deref()).unwrap_or("STANDARD").as_bytes()),
        "size" => quoted(out, format_args!("{}", object.size)),
        "crc32c" => quoted(out, format_args!("{}", crc32c_text(object.crc32c))),
        "md5Hash" => match object.etag.md5() {
            Some(md5) => quoted(out, format_args!("{}", md5_text(md5))),
            None => return false,
        },
        "timeCreated" | "updated" => quoted(out, format_args!("{}", rfc3339(object.modified))),
        "metadata" => match metadata.map(|metadata| &metadata.user).filter(|user| !user.is_empty()) {
            Some(user) => {
                for (index, (name, value)) in user.iter().enumerate() {
                    out.push(if index == 0 { b'{' } else { b',' });
                    text(out, name.as_bytes());
                    out.push(b':');
                    text(out, value.as_bytes());
                }
                out.push(b'}');
            }
            None => return false,
        },
        _ => return false,
    }
    true
}

/// A JSON string.
pub(super) fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            0..=31 => write!(out, "\\u{byte:04x}").expect("writing to memory never fails"),
            plain => out.push(*plain),
        }
    }
    out.push(b'"');
}
