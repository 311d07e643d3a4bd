//! Objects and buckets as JSON resources, and entity tags as Google writes them.
//!
//! Source: the `Objects` and `Buckets` resources of the Cloud Storage JSON interface. 64-bit numbers are strings there.

use super::digest::{crc32c_base64, md5_base64};
use super::names::encode;
use crate::world::{Object, Versioning};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// The storage class of objects that name none.
pub(super) const STANDARD: &str = "STANDARD";

/// The `etag` of a resource: generation and metageneration as a protocol buffer, in base64.
pub(super) fn etag(object: &Object) -> String {
    let mut bytes = Vec::with_capacity(12);
    for (field, mut value) in [(0x08, object.generation), (0x10, object.metageneration)] {
        bytes.push(field);
        loop {
            let low = u8::try_from(value & 0x7f).expect("masked to seven bits");
            value >>= 7;
            bytes.push(if value == 0 { low } else { low | 0x80 });
            if value == 0 {
                break;
            }
        }
    }
    BASE64.encode(bytes)
}

/// The `ETag` of the XML interface, without quotes: the MD5 where there is one.
pub(super) fn xml_etag(object: &Object) -> String {
    object.md5().map_or_else(|| format!("-{}", etag(object)), hex::encode)
}

/// A time as resources write it.
pub(super) fn time(moment: Timestamp) -> String {
    format!("{moment:.3}")
}

/// An object's resource.
pub(super) fn object(origin: &str, bucket: &str, key: &[u8], object: &Object) -> Value {
    let (name, encoded, generation) = (String::from_utf8_lossy(key), encode(key), object.generation);
    let mut resource = json!({
        "kind": "storage#object",
        "id": format!("{bucket}/{name}/{generation}"),
        "selfLink": format!("{origin}/storage/v1/b/{bucket}/o/{encoded}"),
        "mediaLink": format!("{origin}/download/storage/v1/b/{bucket}/o/{encoded}?generation={generation}&alt=media"),
        "name": name,
        "bucket": bucket,
        "generation": generation.to_string(),
        "metageneration": object.metageneration.to_string(),
        "storageClass": object.attributes.storage_class.as_deref().unwrap_or(STANDARD),
        "size": object.size().to_string(),
        "crc32c": crc32c_base64(&object.content),
        "etag": etag(object),
        "timeCreated": time(object.modified),
        "updated": time(object.updated),
        "timeStorageClassUpdated": time(object.modified),
        "timeFinalized": time(object.modified),
    });
    if let Value::Object(fields) = &mut resource {
        add_optional(fields, object);
    }
    resource
}

fn add_optional(fields: &mut Map<String, Value>, object: &Object) {
    let attributes = &object.attributes;
    let texts = [
        ("contentType", attributes.content_type.clone()),
        ("contentEncoding", attributes.content_encoding.clone()),
        ("contentDisposition", attributes.content_disposition.clone()),
        ("contentLanguage", attributes.content_language.clone()),
        ("cacheControl", attributes.cache_control.clone()),
        ("md5Hash", md5_base64(object)),
        ("customTime", attributes.custom_time.map(time)),
        ("retentionExpirationTime", object.holds.retain_until.map(time)),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            fields.insert(name.to_owned(), text.into());
        }
    }
    if !attributes.metadata.is_empty() {
        fields.insert("metadata".to_owned(), json!(attributes.metadata));
    }
    if object.components > 0 {
        fields.insert("componentCount".to_owned(), object.components.into());
    }
    if object.holds.temporary {
        fields.insert("temporaryHold".to_owned(), true.into());
    }
    if object.holds.event_based {
        fields.insert("eventBasedHold".to_owned(), true.into());
    }
    if let Some(until) = object.holds.retain_until {
        fields.insert("retention".to_owned(), json!({"mode": "Unlocked", "retainUntilTime": time(until)}));
    }
}

/// A bucket's resource.
pub(super) fn bucket(origin: &str, name: &str, created: Timestamp, versioning: Versioning) -> Value {
    json!({
        "kind": "storage#bucket",
        "id": name,
        "selfLink": format!("{origin}/storage/v1/b/{name}"),
        "name": name,
        "projectNumber": "0",
        "generation": created.as_microsecond().to_string(),
        "metageneration": "1",
        "location": "US",
        "locationType": "multi-region",
        "storageClass": STANDARD,
        "etag": "CAE=",
        "timeCreated": time(created),
        "updated": time(created),
        "versioning": {"enabled": versioning == Versioning::Enabled},
        "softDeletePolicy": {"retentionDurationSeconds": "0"},
        "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": true}, "publicAccessPrevention": "inherited"},
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::world::World;

    #[test]
    fn an_etag_is_that_of_google_for_the_same_numbers() {
        let world = World::new();
        let mut object = Object::clone(&world.seed("b", "k", "x").unwrap());
        (object.generation, object.metageneration) = (1_700_000_000_000_000, 1);
        // Field 1 and field 2 of a protocol buffer, each a varint.
        assert_eq!(BASE64.decode(etag(&object)).unwrap(), [8, 0x80, 0x80, 0xf9, 0xc0, 0xc1, 0xc4, 0x82, 0x03, 0x10, 1]);
    }
}
