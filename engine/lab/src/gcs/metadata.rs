//! What clients say about an object beside its bytes, from JSON resources and from headers.
//!
//! Source: Cloud Storage "Object metadata" and the `Objects` resource.

use super::failure::Failure;
use super::wire::Call;
use crate::world::{Attributes, Holds, Object};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::sync::Arc;

/// The limit of custom metadata, names and values together, bytes ("Quotas & limits").
const CUSTOM_METADATA_BYTES_MAX: usize = 8 * 1024;

/// The storage classes that a write may name.
const STORAGE_CLASSES: [&str; 7] =
    ["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE", "MULTI_REGIONAL", "REGIONAL", "DURABLE_REDUCED_AVAILABILITY"];

/// What one resource sets.
#[derive(Clone, Debug, Default)]
pub(super) struct Described {
    pub(super) attributes: Attributes,
    pub(super) holds: Holds,
}

impl Described {
    /// From the resource of an insert, compose or rewrite: what is absent stays unset.
    pub(super) fn from_json(resource: &Map<String, Value>) -> Result<Self, Failure> {
        let mut described = Self::default();
        described.merge(resource)?;
        if let Some(class) = resource.get("storageClass").and_then(Value::as_str) {
            described.attributes.storage_class = Some(storage_class(class)?);
        }
        Ok(described)
    }

    /// What an object has now, to be changed.
    pub(super) fn of(object: &Object) -> Self {
        Self { attributes: Attributes::clone(&object.attributes), holds: object.holds }
    }

    /// Puts this in the place of what an object has.
    pub(super) fn apply(self, object: &mut Object) {
        object.attributes = Arc::new(self.attributes);
        object.holds = self.holds;
    }

    /// A patch: what is absent stays, `null` clears, custom metadata is merged name by name.
    pub(super) fn merge(&mut self, resource: &Map<String, Value>) -> Result<(), Failure> {
        let attributes = &mut self.attributes;
        set_text(resource, "contentType", &mut attributes.content_type)?;
        set_text(resource, "contentEncoding", &mut attributes.content_encoding)?;
        set_text(resource, "contentDisposition", &mut attributes.content_disposition)?;
        set_text(resource, "contentLanguage", &mut attributes.content_language)?;
        set_text(resource, "cacheControl", &mut attributes.cache_control)?;
        match resource.get("metadata") {
            None => {}
            Some(Value::Null) => attributes.metadata.clear(),
            Some(Value::Object(custom)) => {
                for (name, value) in custom {
                    match value {
                        Value::Null => drop(attributes.metadata.remove(name)),
                        Value::String(text) => drop(attributes.metadata.insert(name.clone(), text.clone())),
                        other => drop(attributes.metadata.insert(name.clone(), other.to_string())),
                    }
                }
            }
            Some(_) => return Err(Failure::invalid("Invalid value for: metadata")),
        }
        check_custom(attributes)?;
        if let Some(time) = time_field(resource, "customTime")? {
            if attributes.custom_time.is_some_and(|before| time < before) {
                return Err(Failure::invalid("The custom time cannot be set to an earlier time."));
            }
            attributes.custom_time = Some(time);
        }
        self.merge_holds(resource)
    }

    /// An update: every field that can be changed is replaced, and what is absent is cleared.
    pub(super) fn replace(&mut self, resource: &Map<String, Value>) -> Result<(), Failure> {
        let kept = (self.attributes.storage_class.take(), self.attributes.custom_time.take());
        *self = Self::default();
        (self.attributes.storage_class, self.attributes.custom_time) = kept;
        self.merge(resource)
    }

    fn merge_holds(&mut self, resource: &Map<String, Value>) -> Result<(), Failure> {
        if let Some(hold) = resource.get("temporaryHold") {
            self.holds.temporary = hold.as_bool().unwrap_or_default();
        }
        if let Some(hold) = resource.get("eventBasedHold") {
            self.holds.event_based = hold.as_bool().unwrap_or_default();
        }
        match resource.get("retention") {
            None => {}
            Some(Value::Object(retention)) => self.holds.retain_until = time_field(retention, "retainUntilTime")?,
            Some(_) => self.holds.retain_until = None,
        }
        Ok(())
    }

    /// From the headers of the XML interface.
    pub(super) fn from_headers(call: &Call) -> Result<Self, Failure> {
        let mut attributes = Attributes {
            content_type: call.owned_header("content-type"),
            content_encoding: call.owned_header("content-encoding"),
            content_disposition: call.owned_header("content-disposition"),
            content_language: call.owned_header("content-language"),
            cache_control: call.owned_header("cache-control"),
            storage_class: call.header("x-goog-storage-class").map(storage_class).transpose()?,
            custom_time: call.header("x-goog-custom-time").map(parse_time).transpose()?,
            ..Attributes::default()
        };
        for (name, value) in &call.headers {
            if let Some(name) = name.as_str().strip_prefix("x-goog-meta-") {
                attributes.metadata.insert(name.to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned());
            }
        }
        check_custom(&attributes)?;
        Ok(Self { attributes, holds: Holds::default() })
    }
}

fn check_custom(attributes: &Attributes) -> Result<(), Failure> {
    let bytes: usize = attributes.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes <= CUSTOM_METADATA_BYTES_MAX {
        return Ok(());
    }
    Err(Failure::new(
        400,
        "invalid",
        "MetadataTooLarge",
        format!("Custom metadata is {bytes} bytes, more than {CUSTOM_METADATA_BYTES_MAX}."),
    ))
}

fn set_text(resource: &Map<String, Value>, name: &str, field: &mut Option<String>) -> Result<(), Failure> {
    match resource.get(name) {
        None => {}
        Some(Value::Null) => *field = None,
        Some(Value::String(text)) => *field = Some(text.clone()).filter(|text| !text.is_empty()),
        Some(_) => return Err(Failure::invalid(format!("Invalid value for: {name}"))),
    }
    Ok(())
}

fn time_field(resource: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, Failure> {
    resource.get(name).and_then(Value::as_str).map(parse_time).transpose()
}

fn parse_time(text: &str) -> Result<Timestamp, Failure> {
    text.parse().map_err(|_| Failure::invalid(format!("Invalid time: {text}")))
}

fn storage_class(name: &str) -> Result<String, Failure> {
    let upper = name.to_ascii_uppercase();
    if STORAGE_CLASSES.contains(&upper.as_str()) {
        return Ok(upper);
    }
    Err(Failure::new(400, "invalid", "InvalidStorageClass", format!("The storage class '{name}' is not valid.")))
}
