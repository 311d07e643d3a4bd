//! What is known of an object: everything but its bytes.

use std::sync::Arc;

use crate::keys::{hex, scramble};

/// An S3 entity tag: an MD5, or with a number of parts behind it anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ETag {
    hash: [u8; 16],
    parts: u32,
}

impl ETag {
    /// The tag of an object that was written at once.
    pub(crate) fn of_md5(md5: [u8; 16]) -> Self {
        Self { hash: md5, parts: 0 }
    }

    /// The tag of an upload: a hash over the tags of its parts.
    pub(crate) fn of_parts(hash: [u8; 16], parts: u32) -> Self {
        Self { hash, parts: parts.max(1) }
    }

    /// A tag for content whose MD5 nobody computed. It names a number of parts, so nobody takes it for an MD5.
    pub(crate) fn made_up(crc32c: u32, parts: u32) -> Self {
        let (one, two) = (scramble(u64::from(crc32c)), scramble(!u64::from(crc32c)));
        let mut hash = [0; 16];
        hash[..8].copy_from_slice(&one.to_be_bytes());
        hash[8..].copy_from_slice(&two.to_be_bytes());
        Self::of_parts(hash, parts)
    }

    /// The MD5 of the object, where the tag is one.
    pub(crate) fn md5(&self) -> Option<[u8; 16]> {
        (self.parts == 0).then_some(self.hash)
    }

    /// The sixteen bytes of the tag.
    pub(crate) fn hash(&self) -> &[u8; 16] {
        &self.hash
    }

    /// Writes it without quotes.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        hex(out, &self.hash);
        if self.parts > 0 {
            out.push(b'-');
            out.extend_from_slice(self.parts.to_string().as_bytes());
        }
    }

    /// As text, without quotes.
    pub(crate) fn text(&self) -> String {
        let mut out = Vec::with_capacity(40);
        self.write(&mut out);
        String::from_utf8(out).expect("hexadecimal digits")
    }

    /// Whether a condition's value (`"tag"`, `tag`, `*`, a list) names this tag.
    pub(crate) fn is_named_by(&self, condition: &str) -> bool {
        let own = self.text();
        condition.split(',').map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"')).any(|tag| tag == "*" || tag == own)
    }
}

/// What is told about an object beside its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// `content-type` and its kin, by header name.
    pub(crate) plain: Vec<(&'static str, String)>,
    /// User metadata, by name without a prefix.
    pub(crate) user: Vec<(String, String)>,
    /// Storage class.
    pub(crate) class: Option<String>,
}

/// The headers that are kept for an object.
pub(crate) const PLAIN: [&str; 6] =
    ["content-type", "content-encoding", "content-disposition", "content-language", "cache-control", "expires"];

/// One object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    /// In bytes.
    pub(crate) size: u64,
    /// S3's name for the version.
    pub(crate) etag: ETag,
    /// CRC-32C of the whole.
    pub(crate) crc32c: u32,
    /// GCS's name for the version.
    pub(crate) generation: u64,
    /// Milliseconds since 1970.
    pub(crate) modified: u64,
    /// Which generated content it is; `None` for uploads, whose bytes are gone.
    pub(crate) content: Option<u32>,
    /// Absent where nothing was told.
    pub(crate) metadata: Option<Arc<Metadata>>,
}
