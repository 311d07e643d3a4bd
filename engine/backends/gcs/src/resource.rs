//! Object resources of the JSON API: read with borrowed strings, because a listing parses a thousand of them at a time.
//!
//! Numbers come as strings from GCS and as numbers from some emulators; both are taken. Fields that nobody sent stay absent;
//! an object without name, size or generation is no object of this protocol and fails the whole answer.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use brigade_core::digest::{crc32c_from_base64, crc32c_to_base64, md5_from_base64, md5_to_base64};
use brigade_core::{Availability, Digests, Entry, Identity, Key, Metadata};
use brigade_store::{Head, Result};
use jiff::Timestamp;
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};

use crate::errors::{protocol, tame};

/// The fields of one object that this backend uses.
pub(crate) const FIELDS: &str = "name,generation,size,crc32c,md5Hash,timeCreated,updated,storageClass,contentType,contentEncoding,\
    contentDisposition,contentLanguage,cacheControl,metadata";

/// What GCS calls content whose type nobody said.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// Text that is borrowed from the answer where it holds no escape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Visit)
    }
}

/// A number that travels as a string, or as a number from an emulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl Visitor<'_> for Visit {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, as a string or as itself")
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
                Ok(Number(value))
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
                u64::try_from(value).map(Number).map_err(E::custom)
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map(Number).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visit)
    }
}

/// One object as the JSON API describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Resource<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    pub(crate) generation: Number,
    pub(crate) size: Number,
    #[serde(borrow, default)]
    crc32c: Option<Text<'a>>,
    #[serde(borrow, default)]
    md5_hash: Option<Text<'a>>,
    #[serde(borrow, default)]
    time_created: Option<Text<'a>>,
    #[serde(borrow, default)]
    updated: Option<Text<'a>>,
    #[serde(borrow, default)]
    storage_class: Option<Text<'a>>,
    #[serde(borrow, default)]
    content_type: Option<Text<'a>>,
    #[serde(borrow, default)]
    content_encoding: Option<Text<'a>>,
    #[serde(borrow, default)]
    content_disposition: Option<Text<'a>>,
    #[serde(borrow, default)]
    content_language: Option<Text<'a>>,
    #[serde(borrow, default)]
    cache_control: Option<Text<'a>>,
    #[serde(default)]
    metadata: Option<BTreeMap<String, Option<String>>>,
}

impl<'a> Resource<'a> {
    /// Reads the answer to a request for one object.
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self> {
        serde_json::from_slice(body).map_err(|error| protocol(format!("the answer is no object resource: {}", tame(&error.to_string()))))
    }

    /// Which version it is.
    pub(crate) fn identity(&self) -> Identity {
        Identity::Generation(self.generation.0)
    }

    /// Digests of the whole object. Composite objects and those of XML multipart uploads have no MD5.
    pub(crate) fn digests(&self) -> Digests {
        Digests {
            crc32c: self.crc32c.as_ref().and_then(|text| crc32c_from_base64(&text.0)),
            crc64nvme: None,
            md5: self.md5_hash.as_ref().and_then(|text| md5_from_base64(&text.0)),
        }
    }

    /// When this generation was written. `updated` also moves when only metadata change.
    fn modified(&self) -> Option<Timestamp> {
        self.time_created.as_ref().or(self.updated.as_ref()).and_then(|text| text.0.parse().ok())
    }

    pub(crate) fn metadata(&self) -> Metadata {
        let own = |text: &Option<Text<'_>>| text.as_ref().map(|text| text.0.clone().into_owned()).filter(|text| !text.is_empty());
        let user = self.metadata.iter().flatten();
        Metadata {
            content_type: own(&self.content_type),
            content_encoding: own(&self.content_encoding),
            content_disposition: own(&self.content_disposition),
            content_language: own(&self.content_language),
            cache_control: own(&self.cache_control),
            expires: None,
            user: user.filter_map(|(name, value)| Some((name.to_lowercase(), value.clone()?))).collect(),
            tags: Vec::new(),
        }
    }

    /// As the answer to a question for this object.
    pub(crate) fn head(&self) -> Head {
        Head {
            size: self.size.0,
            identity: self.identity(),
            modified: self.modified(),
            digests: self.digests(),
            metadata: Arc::new(self.metadata()),
            tags: 0,
            storage_class: self.storage_class.as_ref().map(|text| Arc::from(&*text.0)),
            availability: Availability::Ready,
        }
    }
}

/// What neighbours in a listing nearly always share: the same metadata and class are kept once, not a thousand times.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    metadata: Option<Arc<Metadata>>,
    class: Option<Arc<str>>,
}

impl Shared {
    /// As a listed entry.
    pub(crate) fn entry(&mut self, resource: &Resource<'_>, key: Key) -> Entry {
        let mut entry = Entry::new(key, resource.size.0, resource.identity());
        entry.modified = resource.modified();
        entry.digests = resource.digests();
        entry.storage_class = resource.storage_class.as_ref().map(|text| self.class(&text.0));
        entry.metadata = Some(self.metadata(resource.metadata()));
        entry
    }

    fn class(&mut self, text: &str) -> Arc<str> {
        match &self.class {
            Some(class) if **class == *text => class.clone(),
            _ => self.class.insert(Arc::from(text)).clone(),
        }
    }

    fn metadata(&mut self, metadata: Metadata) -> Arc<Metadata> {
        match &self.metadata {
            Some(shared) if **shared == metadata => shared.clone(),
            _ => self.metadata.insert(Arc::new(metadata)).clone(),
        }
    }
}

/// What is told of an object that is written: the body of inserts, patches and composes.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewResource<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crc32c: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    md5_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    storage_class: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_encoding: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_disposition: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_language: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a BTreeMap<String, String>>,
}

impl<'a> NewResource<'a> {
    /// Headers, user metadata and class.
    pub(crate) fn carrying(metadata: &'a Metadata, storage_class: Option<&'a str>) -> Self {
        Self {
            storage_class,
            content_type: metadata.content_type.as_deref(),
            content_encoding: metadata.content_encoding.as_deref(),
            content_disposition: metadata.content_disposition.as_deref(),
            content_language: metadata.content_language.as_deref(),
            cache_control: metadata.cache_control.as_deref(),
            metadata: Some(&metadata.user).filter(|user| !user.is_empty()),
            ..Self::default()
        }
    }

    /// The name, in bodies whose path does not hold it.
    pub(crate) fn named(self, name: &'a str) -> Self {
        Self { name: Some(name), ..self }
    }

    /// Takes the place of everything that a copy would inherit from its source, also where there is nothing to say: an empty body
    /// would mean that all is to be inherited ("Objects: rewrite").
    pub(crate) fn replacing(self) -> Self {
        Self { content_type: self.content_type.or(Some(UNKNOWN_TYPE)), ..self }
    }

    /// A content type that may stand in a header of a `multipart/related` body.
    pub(crate) fn part_type(&self) -> &'a str {
        self.content_type.filter(|text| !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))).unwrap_or(UNKNOWN_TYPE)
    }

    /// Digests that the store compares with what arrives.
    pub(crate) fn proving(self, crc32c: u32, md5: Option<[u8; 16]>) -> Self {
        Self { crc32c: Some(crc32c_to_base64(crc32c)), md5_hash: md5.map(md5_to_base64), ..self }
    }
}

/// The body as JSON.
pub(crate) fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("maps with string keys and plain values always serialize")
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: &[u8] = br#"{"kind":"storage#object","id":"b/a/1","name":"a \u00e9\"","bucket":"b","generation":"1700000000000001","metageneration":"1",
        "contentType":"text/plain","storageClass":"NEARLINE","size":"5","md5Hash":"XUFAKrxLKna5cZ2REBfFkg==","crc32c":"mnG7TA==","etag":"CJ==",
        "timeCreated":"2026-11-20T03:00:00.123Z","updated":"2026-11-21T03:00:00Z","metadata":{"Mtime":"x","gone":null}}"#;

    #[test]
    fn a_real_resource_is_understood() {
        let resource = Resource::parse(REAL).expect("a resource");
        assert_eq!(resource.name.0, "a \u{e9}\"");
        let head = resource.head();
        assert_eq!((head.size, head.identity.as_generation()), (5, Some(1_700_000_000_000_001)));
        assert_eq!(head.modified.expect("a time").to_string(), "2026-11-20T03:00:00.123Z");
        assert_eq!(head.digests.crc32c.map(crc32c_to_base64).as_deref(), Some("mnG7TA=="));
        assert_eq!(head.digests.md5.map(hex_of).as_deref(), Some("5d41402abc4b2a76b9719d911017c592"));
        assert_eq!(head.metadata.user, [("mtime".to_owned(), "x".to_owned())].into());
        assert_eq!(head.storage_class.as_deref(), Some("NEARLINE"));
    }

    fn hex_of(bytes: [u8; 16]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn numbers_as_numbers_and_absent_digests_are_taken_and_lacking_facts_are_not() {
        let emulator = br#"{"name":"a","generation":7,"size":0,"md5Hash":null,"crc32c":"-"}"#;
        let resource = Resource::parse(emulator).expect("a resource");
        assert!(resource.digests().is_empty());
        for bad in [
            &br#"{"name":"a","size":"1"}"#[..],
            br#"{"name":"a","generation":"-1","size":"1"}"#,
            br#"{"generation":"1","size":"1"}"#,
            b"[]",
        ] {
            assert!(Resource::parse(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn names_are_borrowed_and_neighbours_share_their_metadata() {
        let body = br#"{"name":"plain","generation":"1","size":"1","storageClass":"STANDARD","contentType":"a/b"}"#;
        let resource = Resource::parse(body).expect("a resource");
        assert!(matches!(resource.name.0, Cow::Borrowed("plain")));
        let mut shared = Shared::default();
        let (one, two) = (shared.entry(&resource, Key::from("1")), shared.entry(&resource, Key::from("2")));
        assert!(Arc::ptr_eq(&one.metadata.expect("listed"), &two.metadata.expect("listed")));
    }

    #[test]
    fn what_is_written_says_no_more_than_it_must() {
        let metadata = Metadata { content_type: Some("a/b".into()), user: [("k".into(), "v".into())].into(), ..Metadata::default() };
        let body = json(&NewResource::carrying(&metadata, Some("COLDLINE")).named("n").proving(0xe306_9283, None));
        let expected = r#"{"name":"n","crc32c":"4waSgw==","storageClass":"COLDLINE","contentType":"a/b","metadata":{"k":"v"}}"#;
        assert_eq!(String::from_utf8(body).expect("text"), expected);
        assert_eq!(json(&NewResource::default()), b"{}");
    }
}
