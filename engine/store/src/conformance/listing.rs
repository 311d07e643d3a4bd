//! Claims about listings.

use std::sync::Arc;

use brigade_core::{Key, KeyRange, KeyRules};
use tokio::task::JoinSet;

use super::area::{Area, Check, During, ensure, rope, same, spec, sum};
use crate::{Deletion, When};

/// Keys of the large listing: more than one page of any store.
const MANY: usize = 1_005;

/// Writers of the large listing at once.
const WRITERS: usize = 16;

async fn put_all(area: &Area<'_>, tails: &[&str]) -> Check {
    for tail in tails {
        area.put(&area.key(tail), tail.as_bytes()).await?;
    }
    Ok(())
}

fn sorted(area: &Area<'_>, tails: &[&str]) -> Vec<Key> {
    let mut keys: Vec<Key> = tails.iter().map(|tail| area.key(tail)).collect();
    keys.sort();
    keys
}

/// By bytes of UTF-8: neither by locale, nor by UTF-16 units, nor directory by directory.
pub(super) async fn order(area: &Area<'_>) -> Check {
    let mut tails = vec!["B", "a!", "a-b", "a.b", "a/b", "a/b.c", "a0", "ab", "b/c/d", "b.c", "é", "z", "~", "\u{fffd}", "\u{1f600}"];
    if area.facts.keys != KeyRules::File {
        tails.extend(["a", "b", "b/c"]);
    }
    put_all(area, &tails).await?;
    let first = area.list(&area.range()).await?;
    let keys: Vec<Key> = first.iter().map(|entry| entry.key.clone()).collect();
    same("the listing", &keys, &sorted(area, &tails))?;
    let second = area.list(&area.range()).await?;
    ensure(first == second, || "two listings of unchanged keys differ".to_owned())
}

/// `a/` is neither `a`, `ab` nor `a.b`.
pub(super) async fn neighbours(area: &Area<'_>) -> Check {
    put_all(area, &["a-b", "a.b", "a/x", "a/y/z", "a0", "ab", "aba/x"]).await?;
    let range = KeyRange { after: Some(area.key("a/")), through: Some(area.key("a/\u{10ffff}")) };
    let keys: Vec<Key> = area.list(&range).await?.into_iter().map(|entry| entry.key).collect();
    same("the listing below `a/`", &keys, &sorted(area, &["a/x", "a/y/z"]))
}

/// The lower border is exclusive, the upper one inclusive, and neither has to exist.
pub(super) async fn borders(area: &Area<'_>) -> Check {
    let tails = ["a", "b/x", "b/y", "c", "d"];
    put_all(area, &tails).await?;
    let cases: [(&str, &str, &[&str]); 8] = [
        ("a", "c", &["b/x", "b/y", "c"]),
        ("b/x", "b/y", &["b/y"]),
        ("b", "b/xx", &["b/x"]),
        ("b/", "b0", &["b/x", "b/y"]),
        ("c", "c", &[]),
        ("0", "a", &["a"]),
        ("c", "zzz", &["d"]),
        ("b/y", "c!", &["c"]),
    ];
    for (after, through, expected) in cases {
        let range = KeyRange { after: Some(area.key(after)), through: Some(area.key(through)) };
        let keys: Vec<Key> = area.list(&range).await?.into_iter().map(|entry| entry.key).collect();
        same(&format!("the listing after {after:?} through {through:?}"), &keys, &sorted(area, expected))?;
    }
    let open = KeyRange { after: Some(area.key("c")), through: None };
    ensure(area.list(&open).await?.first().map(|entry| &entry.key) == Some(&area.key("d")), || {
        "a listing without an upper border does not begin after its lower one".to_owned()
    })?;
    let open = KeyRange { after: None, through: Some(area.key("b/x")) };
    ensure(area.list(&open).await?.last().map(|entry| &entry.key) == Some(&area.key("b/x")), || {
        "a listing without a lower border does not end with its upper one".to_owned()
    })
}

pub(super) async fn empty(area: &Area<'_>) -> Check {
    same("a listing of nothing", &area.keys().await?, &Vec::new())?;
    area.put(&area.key("b"), b"x").await?;
    let range = KeyRange { after: Some(area.key("b")), through: Some(area.key("c")) };
    same("a listing of a range without keys", &area.list(&range).await?.len(), &0)
}

/// Over the border of a page, and in full batches of deletes.
pub(super) async fn many_keys(area: &Area<'_>) -> Check {
    let keys: Vec<Key> = (0..MANY).map(|number| area.key(format!("{}/{number:05}", number % 7))).collect();
    let mut writers = JoinSet::new();
    for slice in keys.chunks(MANY.div_ceil(WRITERS)) {
        let (target, slice) = (Arc::clone(area.target()), slice.to_vec());
        writers.spawn(async move {
            for key in slice {
                let body = rope(key.as_bytes());
                target.put(&key, &body, &sum(&body), None, &spec(When::Always)).await.during(format_args!("put {key:?}"))?;
            }
            Check::Ok(())
        });
    }
    for result in writers.join_all().await {
        result?;
    }
    let mut expected = keys;
    expected.sort();
    let entries = area.list(&area.range()).await?;
    same("the number of listed keys", &entries.len(), &MANY)?;
    let listed: Vec<Key> = entries.iter().map(|entry| entry.key.clone()).collect();
    ensure(listed == expected, || {
        format!("the listing does not show what was written; first: {:?}", first_difference(&listed, &expected))
    })?;
    let range = KeyRange { after: Some(expected[499].clone()), through: Some(expected[999].clone()) };
    same("the number of keys in the middle", &area.list(&range).await?.len(), &500)?;
    let deletions: Vec<Deletion> = entries.into_iter().map(|entry| Deletion { key: entry.key, identity: entry.identity }).collect();
    for batch in deletions.chunks(area.facts.delete_batch_max) {
        let results = area.subject.delete.delete(batch).await.during(format_args!("delete {} keys", batch.len()))?;
        same("the number of answers to a batch", &results.len(), &batch.len())?;
        for (deletion, result) in batch.iter().zip(results) {
            result.during(format_args!("delete {:?}", deletion.key))?;
        }
    }
    same("the number of keys after deleting all", &area.keys().await?.len(), &0)
}

fn first_difference<'a>(one: &'a [Key], other: &'a [Key]) -> Option<(&'a Key, &'a Key)> {
    one.iter().zip(other).find(|(one, other)| one != other)
}
