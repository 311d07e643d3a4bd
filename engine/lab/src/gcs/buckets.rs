//! Buckets of the JSON interface: made, described, listed and removed; versioning is the only setting that has an effect.

use super::failure::Failure;
use super::wire::Answer;
use super::{Inside, names, resource};
use crate::world::{Versioning, World, WorldError};
use serde_json::{Map, Value, json};

/// `storage.buckets.list` and `storage.buckets.insert`.
pub(super) async fn all(inside: &mut Inside<'_>) -> Result<Answer, Failure> {
    match inside.call.method.as_str() {
        "GET" => list(inside),
        "POST" => insert(inside).await,
        _ => Err(Failure::new(405, "methodNotAllowed", "MethodNotAllowed", "Method not allowed.")),
    }
}

/// Everything about one bucket.
pub(super) async fn one(inside: &mut Inside<'_>, bucket: &str) -> Result<Answer, Failure> {
    match inside.call.method.as_str() {
        "GET" => describe(inside, bucket),
        "DELETE" => {
            inside.world().delete_bucket(bucket)?;
            Ok(Answer::empty(204))
        }
        "PATCH" | "PUT" => {
            let settings = inside.call.json().await?;
            describe(inside, bucket)?;
            set_versioning(inside.world(), bucket, &settings)?;
            describe(inside, bucket)
        }
        _ => Err(Failure::new(405, "methodNotAllowed", "MethodNotAllowed", "Method not allowed.")),
    }
}

/// `storage.buckets.testIamPermissions`: whoever came in may do everything.
pub(super) fn permissions(inside: &Inside<'_>) -> Answer {
    let asked: Vec<String> = inside.call.query.all("permissions").collect();
    Answer::json(200, &json!({"kind": "storage#testIamPermissionsResponse", "permissions": asked}))
}

async fn insert(inside: &mut Inside<'_>) -> Result<Answer, Failure> {
    let settings = inside.call.json().await?;
    let name = settings.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    names::check_bucket(&name)?;
    inside.world().create_bucket(&name)?;
    set_versioning(inside.world(), &name, &settings)?;
    describe(inside, &name)
}

fn set_versioning(world: &World, bucket: &str, settings: &Map<String, Value>) -> Result<(), Failure> {
    let enabled = settings.get("versioning").and_then(|versioning| versioning.get("enabled")).and_then(Value::as_bool);
    let versioning = match enabled {
        None => return Ok(()),
        Some(true) => Versioning::Enabled,
        Some(false) if world.versioning(bucket)? == Versioning::Off => Versioning::Off,
        Some(false) => Versioning::Suspended,
    };
    Ok(world.set_versioning(bucket, versioning)?)
}

fn describe(inside: &Inside<'_>, bucket: &str) -> Result<Answer, Failure> {
    let (name, created) = inside.world().buckets().into_iter().find(|(name, _)| name == bucket).ok_or(WorldError::NoSuchBucket)?;
    let versioning = inside.world().versioning(bucket)?;
    inside.masked(resource::bucket(&inside.call.origin, &name, created, versioning))
}

fn list(inside: &Inside<'_>) -> Result<Answer, Failure> {
    let (query, world) = (&inside.call.query, inside.world());
    let prefix = query.text("prefix").unwrap_or_default();
    let after = query.text("pageToken");
    let max = super::list::page_items(inside)?;
    let wanted = |name: &str| name.starts_with(prefix) && after.is_none_or(|after| name > after);
    let mut found: Vec<_> = world.buckets().into_iter().filter(|(name, _)| wanted(name)).collect();
    let mut page = json!({"kind": "storage#buckets"});
    if found.len() > max {
        found.truncate(max);
        page["nextPageToken"] = found.last().map(|(name, _)| name.clone()).unwrap_or_default().into();
    }
    let mut items = Vec::with_capacity(found.len());
    for (name, created) in found {
        items.push(resource::bucket(&inside.call.origin, &name, created, world.versioning(&name)?));
    }
    if !items.is_empty() {
        page["items"] = items.into();
    }
    inside.masked(page)
}
