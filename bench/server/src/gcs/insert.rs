//! Writes of whole objects in one request.

use std::collections::BTreeMap;
use std::sync::Arc;

use memchr::memmem;
use serde::Deserialize;

use super::{BAD_REQUEST, Call, Outcome, Refusal};
use crate::content::crc32c;
use crate::object::Metadata;
use crate::service::{Arrived, Mismatch, locked};
use crate::stats::Operation;
use crate::wire::body::crc32c_of;

/// What a client tells of a new object.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct NewObject {
    pub(super) name: Option<String>,
    pub(super) crc32c: Option<String>,
    md5_hash: Option<String>,
    storage_class: Option<String>,
    content_type: Option<String>,
    content_encoding: Option<String>,
    content_disposition: Option<String>,
    content_language: Option<String>,
    cache_control: Option<String>,
    metadata: BTreeMap<String, Option<String>>,
}

impl NewObject {
    pub(super) fn parse(text: &[u8]) -> Result<Self, Refusal> {
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        serde_json::from_slice(text).map_err(|_| BAD_REQUEST)
    }

    pub(super) fn metadata(&self) -> Option<Arc<Metadata>> {
        let plain = [
            ("content-type", &self.content_type),
            ("content-encoding", &self.content_encoding),
            ("content-disposition", &self.content_disposition),
            ("content-language", &self.content_language),
            ("cache-control", &self.cache_control),
        ];
        let metadata = Metadata {
            plain: plain.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect(),
            user: self.metadata.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))).collect(),
            class: self.storage_class.clone(),
        };
        (metadata != Metadata::default()).then(|| Arc::new(metadata))
    }
}

impl Call<'_> {
    /// `uploadType=media`: the body is the object.
    pub(super) fn insert_media(&self) -> Outcome {
        let arrived = self.service.verify(self.request, &self.body)?;
        let metadata = Metadata {
            plain: self.request.header("content-type").map(|kind| ("content-type", kind.to_owned())).into_iter().collect(),
            ..Metadata::default()
        };
        let name = self.request.param("name").ok_or(BAD_REQUEST)?.into_owned();
        self.insert(&name, arrived, Some(Arc::new(metadata)))
    }

    /// `uploadType=multipart`: the body is the resource, and the object behind it.
    pub(super) fn insert_related(&self) -> Outcome {
        let body = self.body.kept.as_deref().ok_or(BAD_REQUEST)?;
        let (resource, content) = related(self.request.header("content-type").unwrap_or_default(), body).ok_or(BAD_REQUEST)?;
        let new = NewObject::parse(resource)?;
        let crc32c = crc32c(content);
        if new.crc32c.as_deref().is_some_and(|promised| crc32c_of(promised) != Some(crc32c)) {
            return Err(Mismatch::Checksum.into());
        }
        let size = u64::try_from(content.len()).expect("a length");
        let arrived = self.service.name(size, crc32c, Some(content), new.md5_hash.as_deref())?;
        let named = self.request.param("name").map(|name| name.into_owned());
        let name = new.name.clone().or(named).ok_or(BAD_REQUEST)?;
        self.insert(&name, arrived, new.metadata())
    }

    fn insert(&self, name: &str, arrived: Arrived, metadata: Option<Arc<Metadata>>) -> Outcome {
        let object = self.service.object(arrived, metadata);
        let mut bucket = locked(&self.bucket);
        self.condition_of_write(&bucket, name)?;
        let reply = self.resource(Operation::Put, name, &object);
        bucket.put(name.as_bytes(), object);
        Ok(reply)
    }
}

/// The two parts of a `multipart/related` body.
fn related<'a>(content_type: &str, body: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let boundary = content_type.split("boundary=").nth(1)?.split(';').next()?.trim().trim_matches(['"', '\'']);
    let delimiter = format!("--{boundary}");
    let after = |bytes: &'a [u8], what: &[u8]| memmem::find(bytes, what).map(|at| &bytes[at + what.len()..]);
    let first = after(after(body, delimiter.as_bytes())?, b"\r\n\r\n")?;
    let end = memmem::find(first, delimiter.as_bytes())?;
    let second = after(&first[end..], b"\r\n\r\n")?;
    let close = memmem::rfind(second, format!("\r\n{delimiter}--").as_bytes())?;
    Some((first[..end].trim_ascii(), &second[..close]))
}

#[cfg(test)]
mod tests {
    use super::related;

    #[test]
    fn both_parts_are_found_and_content_may_hold_anything_but_the_end() {
        let body =
            b"--b\r\nContent-Type: application/json\r\n\r\n{\"name\":\"x\"}\r\n--b\r\nContent-Type: a/b\r\n\r\na\r\n\r\n--b b\r\n--b--\r\n";
        let (resource, content) = related("multipart/related; boundary=\"b\"", body).expect("two parts");
        assert_eq!((resource, content), (&b"{\"name\":\"x\"}"[..], &b"a\r\n\r\n--b b"[..]));
        assert_eq!(related("multipart/related; boundary=c", body), None);
        assert_eq!(related("multipart/related; boundary=b", &body[..body.len() - 6]), None);
    }
}
