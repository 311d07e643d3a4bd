//! `storage.objects.list`: live objects, or all generations, in byte order of their names, page by page.
//!
//! Page tokens are opaque to clients: the base64 of where the next page begins.

use super::failure::Failure;
use super::wire::Answer;
use super::{Inside, resource};
use crate::world::{ListQuery, Listed, ListedVersion, Place, World};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// One page.
pub(super) fn page(inside: &Inside<'_>, bucket: &str) -> Result<Answer, Failure> {
    let query = &inside.call.query;
    for unsupported in ["matchGlob", "filter"] {
        if query.has(unsupported) {
            return Err(Failure::unsupported(unsupported));
        }
    }
    if query.is_true("softDeleted") {
        return Err(Failure::invalid("Soft delete policy is required to list soft-deleted objects."));
    }
    if query.is_true("versions") { versions(inside, bucket) } else { live(inside, bucket) }
}

/// How many items the client gets at most: "this value or 1,000, whichever is smaller".
pub(super) fn page_items(inside: &Inside<'_>) -> Result<usize, Failure> {
    let max = inside.world().limits().page_items_max;
    match inside.call.query.number("maxResults")? {
        None | Some(0) => Ok(max),
        Some(asked) => Ok(usize::try_from(asked).map_or(max, |asked| asked.min(max))),
    }
}

fn query(inside: &Inside<'_>) -> Result<ListQuery, Failure> {
    let query = &inside.call.query;
    let bytes = |name: &str| query.bytes(name).map(<[u8]>::to_vec);
    Ok(ListQuery {
        prefix: bytes("prefix").unwrap_or_default(),
        from: bytes("startOffset"),
        until: bytes("endOffset").filter(|until| !until.is_empty()),
        after: None,
        delimiter: bytes("delimiter").unwrap_or_default(),
        max: page_items(inside)?,
        behind: inside.passage.behind(),
    })
}

fn live(inside: &Inside<'_>, bucket: &str) -> Result<Answer, Failure> {
    let mut query = query(inside)?;
    query.after = token(inside)?.map(|(key, _)| key);
    let with_markers = inside.call.query.is_true("includeTrailingDelimiter") && !query.delimiter.is_empty();
    if with_markers {
        // Each common prefix may come with the object of the same name, and both count.
        query.max = query.max.div_ceil(2);
    }
    let listing = inside.world().list(bucket, &query)?;
    let mut found = listing.objects;
    if with_markers {
        found.extend(markers(inside.world(), bucket, &listing.prefixes));
        found.sort_by(|one, other| one.key.cmp(&other.key));
    }
    let items = found.iter().map(|listed| resource::object(&inside.call.origin, bucket, &listed.key, &listed.object));
    answer(inside, items.collect(), &listing.prefixes, listing.next.map(|key| encode_token(&key, 0)))
}

/// The objects that are named exactly as common prefixes, as `folder/` markers are.
fn markers(world: &World, bucket: &str, prefixes: &[Vec<u8>]) -> Vec<Listed> {
    let marker = |key: &Vec<u8>| world.peek(bucket, key).ok().map(|object| Listed { key: key.clone(), object });
    prefixes.iter().filter_map(marker).collect()
}

/// Google lists the generations of a name from the oldest on; the world from the newest. Whole names are fetched and turned round.
fn versions(inside: &Inside<'_>, bucket: &str) -> Result<Answer, Failure> {
    let mut query = query(inside)?;
    let max = query.max;
    let after = token(inside)?;
    if let Some((key, _)) = &after {
        query.from = Some(query.from.unwrap_or_default().max(key.clone()));
    }
    let (found, prefixes) = whole_names(inside.world(), bucket, &query, after.as_ref())?;
    let mut entries: Vec<(Vec<u8>, u64, Option<Value>)> = prefixes.into_iter().map(|prefix| (prefix, 0, None)).collect();
    for (index, listed) in found.iter().enumerate().filter(|(_, listed)| !listed.object.is_marker()) {
        let mut item = resource::object(&inside.call.origin, bucket, &listed.key, &listed.object);
        if listed.place == Place::Older {
            // The version listed before an older one is the one that replaced it.
            item["timeDeleted"] = resource::time(found[index - 1].object.modified).into();
        }
        entries.push((listed.key.clone(), listed.object.generation, Some(item)));
    }
    entries.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
    entries.retain(|(key, generation, _)| after.as_ref().is_none_or(|after| (key, generation) > (&after.0, &after.1)));
    let more = entries.len() > max;
    entries.truncate(max);
    let next = entries.last().filter(|_| more).map(|(key, generation, _)| encode_token(key, *generation));
    let prefixes: Vec<Vec<u8>> = entries.iter().filter(|entry| entry.2.is_none()).map(|entry| entry.0.clone()).collect();
    answer(inside, entries.into_iter().filter_map(|(_, _, item)| item).collect(), &prefixes, next)
}

/// At least one item more than a page after the token, where there are so many, and never a part of a name's generations.
fn whole_names(
    world: &World,
    bucket: &str,
    query: &ListQuery,
    after: Option<&(Vec<u8>, u64)>,
) -> Result<(Vec<ListedVersion>, Vec<Vec<u8>>), Failure> {
    let mut query = ListQuery { max: query.max + 1, ..query.clone() };
    let is_new = |key: &[u8], generation: u64| after.is_none_or(|after| (key, generation) > (after.0.as_slice(), after.1));
    let (mut versions, mut prefixes, mut after_version) = (Vec::<ListedVersion>::new(), Vec::new(), None);
    loop {
        let page = world.list_versions(bucket, &query, after_version)?;
        versions.extend(page.versions);
        prefixes.extend(page.prefixes);
        let Some((key, version)) = page.next else { return Ok((versions, prefixes)) };
        let last = versions.last().map(|listed| listed.key.clone());
        let is_whole = |listed: &ListedVersion| Some(&listed.key) != last.as_ref();
        let counts =
            |listed: &&ListedVersion| is_whole(listed) && !listed.object.is_marker() && is_new(&listed.key, listed.object.generation);
        let new_prefixes = prefixes.iter().filter(|prefix: &&Vec<u8>| is_new(prefix, 0)).count();
        if versions.iter().filter(counts).count() + new_prefixes >= query.max {
            versions.retain(is_whole);
            return Ok((versions, prefixes));
        }
        (query.after, after_version) = (Some(key), version);
    }
}

fn answer(inside: &Inside<'_>, items: Vec<Value>, prefixes: &[Vec<u8>], next: Option<String>) -> Result<Answer, Failure> {
    let mut page = json!({"kind": "storage#objects"});
    if let Some(next) = next {
        page["nextPageToken"] = next.into();
    }
    if !prefixes.is_empty() {
        page["prefixes"] = prefixes.iter().map(|prefix| String::from_utf8_lossy(prefix)).collect::<Vec<_>>().into();
    }
    if !items.is_empty() {
        page["items"] = items.into();
    }
    inside.masked(page)
}

fn encode_token(key: &[u8], generation: u64) -> String {
    URL_SAFE_NO_PAD.encode([&generation.to_be_bytes(), key].concat())
}

fn token(inside: &Inside<'_>) -> Result<Option<(Vec<u8>, u64)>, Failure> {
    let Some(text) = inside.call.query.text("pageToken").filter(|text| !text.is_empty()) else { return Ok(None) };
    let decoded = URL_SAFE_NO_PAD.decode(text).ok();
    let split = decoded.as_ref().and_then(|bytes| bytes.split_first_chunk::<8>());
    match split {
        Some((generation, key)) => Ok(Some((key.to_vec(), u64::from_be_bytes(*generation)))),
        None => Err(Failure::invalid("Invalid argument: pageToken")),
    }
}
