//! Operations on objects that are there: compose, move, rewrite, patch.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::insert::NewObject;
use super::{BAD_REQUEST, CONDITION, Call, NO_BUCKET, NO_OBJECT, Outcome, Refusal};
use crate::bucket::Bucket;
use crate::limits::COMPOSE_SOURCES_MAX;
use crate::object::{ETag, Object};
use crate::service::{Arrived, locked};
use crate::stats::Operation;
use crate::uploads::{Part, Whole};
use crate::wire::reply::Reply;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Compose {
    source_objects: Vec<Source>,
    #[serde(default)]
    destination: NewObject,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    name: String,
    #[serde(default)]
    generation: Option<serde_json::Value>,
}

impl Source {
    fn generation(&self) -> Option<u64> {
        let value = self.generation.as_ref()?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    }
}

impl Call<'_> {
    pub(super) fn compose(&self, name: &str) -> Outcome {
        let compose: Compose = serde_json::from_str(self.body.text()).map_err(|_| BAD_REQUEST)?;
        if compose.source_objects.is_empty() || compose.source_objects.len() > COMPOSE_SOURCES_MAX {
            return Err(BAD_REQUEST);
        }
        let mut bucket = locked(&self.bucket);
        let mut parts = Vec::with_capacity(compose.source_objects.len());
        for source in &compose.source_objects {
            let object = bucket.get(source.name.as_bytes()).ok_or(NO_OBJECT)?;
            if source.generation().is_some_and(|generation| generation != object.generation) {
                return Err(NO_OBJECT);
            }
            parts.push(Part { size: object.size, crc32c: object.crc32c, etag: object.etag });
        }
        self.condition_of_write(&bucket, name)?;
        let Whole { size, crc32c, .. } = Whole::of(&parts);
        // A composite object has no MD5.
        let count = u32::try_from(parts.len()).expect("at most thirty-two");
        let arrived = Arrived { size, crc32c, etag: ETag::made_up(crc32c, count) };
        let object = self.service.object(arrived, compose.destination.metadata());
        let reply = self.resource(Operation::Copy, name, &object);
        bucket.put(name.as_bytes(), object);
        Ok(reply)
    }

    /// The object that is moved or copied, under the condition on it.
    fn original(&self, bucket: &Bucket, name: &str) -> Result<Object, Refusal> {
        let object = bucket.get(name.as_bytes()).ok_or(NO_OBJECT)?;
        let demanded = self.number("ifSourceGenerationMatch").or_else(|| self.number("sourceGeneration"));
        if demanded.is_some_and(|demanded| demanded != object.generation) { Err(CONDITION) } else { Ok(object) }
    }

    pub(super) fn move_to(&self, from: &str, to: &str) -> Outcome {
        let mut bucket = locked(&self.bucket);
        let original = self.original(&bucket, from)?;
        self.condition_of_write(&bucket, to)?;
        let object = self.service.copy_of(&original, original.metadata.clone());
        let reply = self.resource(Operation::Copy, to, &object);
        bucket.put(to.as_bytes(), object);
        bucket.remove(from.as_bytes());
        Ok(reply)
    }

    /// Rewrites are done in one step, whatever their size.
    pub(super) fn copy(&self, from: &str, to_bucket: &str, to: &str, how: &str) -> Outcome {
        let original = self.original(&locked(&self.bucket), from)?;
        let new = NewObject::parse(self.body.kept.as_deref().unwrap_or_default())?;
        let target = self.service.bucket(to_bucket).ok_or(NO_BUCKET)?;
        let mut bucket = locked(&target);
        self.condition_of_write(&bucket, to)?;
        let object = self.service.copy_of(&original, new.metadata().or_else(|| original.metadata.clone()));
        let mut resource = Vec::with_capacity(512);
        // A rewrite's fields are those of the answer around the resource: the whole resource is told.
        super::Fields::all().write(&mut resource, to_bucket, to.as_bytes(), &object);
        let size = object.size.to_string();
        bucket.put(to.as_bytes(), object);
        if how == "copyTo" {
            return Ok(Reply::json(Operation::Copy, 200, resource));
        }
        let resource: serde_json::Value = serde_json::from_slice(&resource).expect("it was just written");
        let answer = json!({ "kind": "storage#rewriteResponse", "done": true, "objectSize": size, "totalBytesRewritten": size, "resource": resource });
        Ok(Reply::json(Operation::Copy, 200, answer.to_string()))
    }

    pub(super) fn patch(&self, name: &str) -> Outcome {
        let mut object = self.found(name)?;
        let new = NewObject::parse(self.body.kept.as_deref().unwrap_or_default())?;
        if let Some(told) = new.metadata() {
            let mut metadata = object.metadata.as_deref().cloned().unwrap_or_default();
            metadata.plain.retain(|(name, _)| told.plain.iter().all(|(other, _)| other != name));
            metadata.user.retain(|(name, _)| told.user.iter().all(|(other, _)| other != name));
            metadata.plain.extend(told.plain.iter().cloned());
            metadata.user.extend(told.user.iter().cloned());
            object.metadata = Some(Arc::new(metadata));
        }
        let reply = self.resource(Operation::Other, name, &object);
        locked(&self.bucket).put(name.as_bytes(), object);
        Ok(reply)
    }
}
