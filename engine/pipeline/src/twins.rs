//! Two names of one place: a migration from a place to itself finds every copy there already, and would delete the only one.
//!
//! Places are told apart by their names before anything is opened; that a name is another's which only DNS, a proxy or a port knows is
//! not seen there. What gives them away is a pair of twins: an object and its copy that are the same version, written at the same
//! time. Replicas that a provider keeps look like that too, so what decides is a small object that is written to the target under a
//! name that nobody else has: where the source shows it, the two are one place.

use std::mem::discriminant;
use std::sync::Arc;

use brigade_core::digest::Wanted;
use brigade_core::{Entry, ErrorKind, Identity, Key};
use brigade_store::{Result, Rope, StoreError, When, WriteSpec};

use crate::ctx::Ctx;

/// How the name of the small object begins; the run's ULID follows.
const NAME: &str = ".brigade-one-place-";

/// Whether an object and its copy could be one: a copy that was made is younger than its original. Two dialects name one version in two
/// ways, so there the time alone tells; a list from elsewhere may tell no time.
pub fn are_twins(source: &Entry, target: &Entry) -> bool {
    let same_version = source.identity == target.identity || discriminant(&source.identity) != discriminant(&target.identity);
    let same_time = source.modified.zip(target.modified).is_none_or(|(source, target)| source == target);
    same_time && same_version
}

/// Why no original may be deleted, where twins were seen.
pub async fn refusal(cx: &Ctx) -> Option<String> {
    match is_one_place(cx).await {
        Ok(false) => None,
        Ok(true) => Some(
            "source and target are two names of one place: what was written to the target was seen at the source, so each copy is its original; nothing was deleted"
                .to_owned(),
        ),
        Err(error) => Some(format!(
            "copies have the same version and time as their originals, so source and target may be two names of one place, and that could not be found out: {}; nothing was deleted",
            error.message
        )),
    }
}

async fn is_one_place(cx: &Ctx) -> Result<bool> {
    let key = Key::from(format!("{NAME}{}", cx.run).as_str());
    let written = put(&key, cx).await?;
    let seen = cx.source.head(&key).await;
    if let Err(left) = cx.target.retract(&key, &written).await {
        tracing::warn!(%key, error = %left.message, "a small object that told source and target apart could not be removed from the target");
    }
    match seen {
        Ok(_) => Ok(true),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.context("cannot look at the source")),
    }
}

/// Writes the small object; returns its version. Nobody else has its name, so it needs no condition: one would mistake an attempt
/// whose answer was lost for somebody else's.
async fn put(key: &Key, cx: &Ctx) -> Result<Identity> {
    let failed = |error: StoreError| error.context("cannot write a small object to the target");
    let bytes = Rope::from(cx.run.as_bytes().to_vec());
    let spec = WriteSpec { metadata: Arc::default(), storage_class: None, when: When::Always };
    let sum = bytes.sum(Wanted::default());
    let written = cx.target.put(key, &bytes, &sum, None, &spec).await.map_err(failed)?;
    match written.identity {
        Some(identity) => Ok(identity),
        None => Ok(cx.target.head(key).await.map_err(failed)?.identity),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(identity: Identity, modified: Option<&str>) -> Entry {
        let modified = modified.map(|time| time.parse().expect("a time"));
        Entry { modified, ..Entry::new(Key::from("a"), 1, identity) }
    }

    #[test]
    fn a_copy_that_was_made_is_no_twin_of_its_original() {
        const EARLY: Option<&str> = Some("2026-11-20T03:00:00Z");
        const LATE: Option<&str> = Some("2026-11-20T03:00:01Z");
        let etag = || Identity::etag("v");
        assert!(!are_twins(&entry(etag(), EARLY), &entry(etag(), LATE)));
        assert!(!are_twins(&entry(etag(), EARLY), &entry(Identity::etag("w"), EARLY)));
        assert!(are_twins(&entry(etag(), EARLY), &entry(etag(), EARLY)));
        assert!(are_twins(&entry(etag(), None), &entry(etag(), EARLY)), "nothing tells them apart");
        assert!(are_twins(&entry(etag(), EARLY), &entry(Identity::Generation(7), EARLY)), "two dialects of one place");
        assert!(!are_twins(&entry(etag(), EARLY), &entry(Identity::Generation(7), LATE)));
    }
}
