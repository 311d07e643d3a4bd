//! What Google does with objects on its own side: compose, rewrite, copy and move.
//!
//! Source: "objects: compose", "rewrite", "copy" and "move" of the JSON interface. A composed object has no MD5.

use super::failure::Failure;
use super::metadata::Described;
use super::names;
use super::route::{Named, shown};
use super::wire::Answer;
use super::{Inside, conditions, edit, read, resource};
use crate::world::{Conditions, Content, NewObject, Object, Which};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// At most so many objects are composed in one call.
const COMPOSE_SOURCES_MAX: usize = 32;

/// `maxBytesRewrittenPerCall` is a multiple of so many bytes.
const REWRITE_QUANTUM_BYTES: u64 = 1024 * 1024;

/// Rewrites that need more calls, by token.
#[derive(Debug, Default)]
pub(super) struct Rewrites(Mutex<HashMap<String, Rewriting>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rewriting {
    generation: u64,
    source: Named,
    target: Named,
    done_bytes: u64,
}

/// `storage.objects.compose`.
pub(super) async fn compose(inside: &mut Inside<'_>, target: &Named) -> Result<Answer, Failure> {
    let request = inside.call.json().await?;
    names::check_object(&target.key)?;
    let sources = request.get("sourceObjects").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if sources.is_empty() {
        return Err(Failure::new(400, "required", "InvalidArgument", "You must provide at least one source component."));
    }
    if sources.len() > COMPOSE_SOURCES_MAX {
        let message = format!("The number of source components provided ({}) exceeds the maximum (32).", sources.len());
        return Err(Failure::invalid(message));
    }
    let mut found = Vec::with_capacity(sources.len());
    for source in sources {
        found.push(component(inside, &target.bucket, source)?);
    }
    let described = Described::from_json(&inner(&request, "destination"))?;
    let conditions = copy_conditions(inside, conditions::from_query(&inside.call.query)?);
    if let Some(answer) = inside.error_in_200() {
        return Ok(answer);
    }
    let contents: Vec<&Content> = found.iter().map(|(_, object)| &object.content).collect();
    let new = NewObject {
        attributes: Arc::new(described.attributes),
        holds: described.holds,
        components: found.iter().map(|(_, object)| object.components.max(1)).sum(),
        ..NewObject::of(inside.passage.stored(Content::concat(&contents)))
    };
    let object = inside.world().put(&target.bucket, &target.key, new, &conditions)?;
    if request.get("deleteSourceObjects").and_then(Value::as_bool).unwrap_or_default() {
        for (named, source) in found.iter().filter(|(named, _)| named != target) {
            edit::remove(inside, named, Which::Generation(source.generation), Conditions::NONE)?;
        }
    }
    inside.resource(&target.bucket, &target.key, &object)
}

fn component(inside: &Inside<'_>, bucket: &str, source: &Value) -> Result<(Named, Arc<Object>), Failure> {
    let name = source.get("name").and_then(Value::as_str);
    let name = name.ok_or_else(|| Failure::new(400, "required", "InvalidArgument", "Every source component needs a name."))?;
    let named = Named { bucket: bucket.to_owned(), key: name.as_bytes().to_vec() };
    let which = number(source.get("generation"))?.map_or(Which::Current, Which::Generation);
    let wanted = source.get("objectPreconditions").and_then(|preconditions| preconditions.get("ifGenerationMatch"));
    let conditions = Conditions { if_generation_match: number(wanted)?, ..Conditions::NONE };
    let object = read::get(inside, &named, which, &copy_conditions(inside, conditions))?;
    Ok((named, object))
}

/// 64-bit numbers of the JSON interface are strings; numbers are taken too.
fn number(value: Option<&Value>) -> Result<Option<u64>, Failure> {
    let malformed = || Failure::invalid("Invalid number");
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => text.parse().map(Some).map_err(|_| malformed()),
        Some(other) => other.as_u64().map(Some).ok_or_else(malformed),
    }
}

/// `storage.objects.rewrite`: one call, or several that are chained by a token.
pub(super) async fn rewrite(inside: &mut Inside<'_>, source: &Named, target: &Named) -> Result<Answer, Failure> {
    let changes = inside.call.json().await?;
    names::check_object(&target.key)?;
    let object = copied(inside, source)?;
    if let Some(answer) = inside.error_in_200() {
        return Ok(answer);
    }
    let size = object.size();
    let before = progress(inside, source, target, &object)?;
    let asked = inside.call.query.number("maxBytesRewrittenPerCall")?;
    if asked.is_some_and(|asked| asked == 0 || asked % REWRITE_QUANTUM_BYTES != 0) {
        return Err(Failure::invalid("maxBytesRewrittenPerCall must be a multiple of 1048576."));
    }
    let limit = asked.into_iter().chain(inside.shared.rewrite_bytes_per_call.map(u64::from)).min().unwrap_or(u64::MAX);
    let done_bytes = before.saturating_add(limit).min(size);
    let mut progress = json!({
        "kind": "storage#rewriteResponse",
        "totalBytesRewritten": done_bytes.to_string(),
        "objectSize": size.to_string(),
        "done": done_bytes == size,
    });
    if done_bytes < size {
        let token = inside.world().unique_id();
        let generation = object.generation;
        let rewriting = Rewriting { generation, source: source.clone(), target: target.clone(), done_bytes };
        inside.shared.rewrites.0.lock().insert(token.clone(), rewriting);
        progress["rewriteToken"] = token.into();
    } else {
        let written = put_copy(inside, &object, target, &changes)?;
        progress["resource"] = resource::object(&inside.call.origin, &target.bucket, &target.key, &written);
    }
    inside.masked(progress)
}

/// How far the rewrite of this token has come; it is void when the source has changed.
fn progress(inside: &Inside<'_>, source: &Named, target: &Named, object: &Object) -> Result<u64, Failure> {
    let Some(token) = inside.call.query.text("rewriteToken") else { return Ok(0) };
    let rewriting = inside.shared.rewrites.0.lock().remove(token);
    let same =
        |rewriting: &Rewriting| rewriting.generation == object.generation && rewriting.source == *source && rewriting.target == *target;
    let rewriting = rewriting.filter(same).ok_or_else(|| Failure::invalid("The rewrite token is invalid or no longer valid."))?;
    Ok(rewriting.done_bytes)
}

/// `storage.objects.copy`.
pub(super) async fn copy_to(inside: &mut Inside<'_>, source: &Named, target: &Named) -> Result<Answer, Failure> {
    let changes = inside.call.json().await?;
    names::check_object(&target.key)?;
    let object = copied(inside, source)?;
    if let Some(answer) = inside.error_in_200() {
        return Ok(answer);
    }
    let written = put_copy(inside, &object, target, &changes)?;
    inside.resource(&target.bucket, &target.key, &written)
}

/// `storage.objects.move`: another name in the same bucket, in one step.
pub(super) fn move_to(inside: &Inside<'_>, source: &Named, target: &[u8]) -> Result<Answer, Failure> {
    let world = inside.world();
    if !world.honours().object_move {
        return Err(Failure::not_found("Not Found"));
    }
    names::check_object(target)?;
    if source.key == target {
        return Err(Failure::invalid(format!("The source and the new name are both '{}'.", shown(target))));
    }
    if let Some(answer) = inside.error_in_200() {
        return Ok(answer);
    }
    let of_source = copy_conditions(inside, conditions::of_source(&inside.call.query)?);
    let of_target = copy_conditions(inside, conditions::from_query(&inside.call.query)?);
    let moved = world.rename(&source.bucket, (&source.key, &of_source), (target, &of_target));
    let object = moved.map_err(Inside::absent(&source.bucket, &source.key))?;
    inside.passage.spoil_stored(&source.bucket, target);
    inside.resource(&source.bucket, target, &object)
}

fn copied(inside: &Inside<'_>, source: &Named) -> Result<Arc<Object>, Failure> {
    let query = &inside.call.query;
    let which = conditions::which(query, "sourceGeneration")?;
    read::get(inside, source, which, &copy_conditions(inside, conditions::of_source(query)?))
}

/// Puts the same bytes under the target. A resource in the request replaces all metadata; without one they are copied.
fn put_copy(inside: &Inside<'_>, object: &Object, target: &Named, changes: &Map<String, Value>) -> Result<Arc<Object>, Failure> {
    let mut new = NewObject::from(object);
    new.content = inside.passage.stored(new.content);
    if !changes.is_empty() {
        let described = Described::from_json(changes)?;
        (new.attributes, new.holds) = (Arc::new(described.attributes), described.holds);
    }
    let conditions = copy_conditions(inside, conditions::from_query(&inside.call.query)?);
    Ok(inside.world().put(&target.bucket, &target.key, new, &conditions)?)
}

fn copy_conditions(inside: &Inside<'_>, conditions: Conditions) -> Conditions {
    if inside.world().honours().conditional_copy { inside.passage.conditions(conditions) } else { Conditions::NONE }
}

fn inner(request: &Map<String, Value>, name: &str) -> Map<String, Value> {
    request.get(name).and_then(Value::as_object).cloned().unwrap_or_default()
}
