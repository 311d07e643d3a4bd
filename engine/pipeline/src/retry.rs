//! Keys that failed in earlier runs are tried before anything else.
//!
//! Each is looked at by itself, at both ends, and dealt with as the join would. Its outcome is kept until the listings come to
//! the key, so that every key still is decided once (p09). What the listings never come to is not reported.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use brigade_core::diff::{DiffRules, Existing, Trust, both, only_source};
use brigade_core::outcome::Done;
use brigade_core::{Action, Entry, ErrorKind, Key};
use brigade_state::Note;
use brigade_store::{Head, List, Result};
use futures::StreamExt;

use crate::ctx::Ctx;
use crate::limits::RETRIED_FIRST_MAX;
use crate::transfer::{carry_out, checksum_kept};

/// Tries the keys of the quarantine that the filters let through and that do not go last, a few at once. With more failures than `--max-errors` allows it
/// ends: the listings come to the same keys, and stop the run.
pub async fn retry(rules: &DiffRules, cx: &Arc<Ctx>) {
    let failed = AtomicU64::new(0);
    let goes_on = || !cx.stop.is_cancelled() && cx.job.errors_max.is_none_or(|max| failed.load(Ordering::Relaxed) <= max);
    let is_tried = |key: &Key| cx.job.filter.includes_key(key.as_bytes()) && !cx.goes_last(key);
    let keys = cx.suspects.sorted().into_iter().filter(is_tried).take(RETRIED_FIRST_MAX);
    let tries = futures::stream::iter(keys).take_while(|_| std::future::ready(goes_on()));
    tries.for_each_concurrent(cx.job.concurrency.max(1), |key| Box::pin(one(key, rules, cx, &failed))).await;
}

async fn one(key: Key, rules: &DiffRules, cx: &Arc<Ctx>, failed: &AtomicU64) {
    let source = match look(&*cx.source, &key).await {
        Ok(Some(source)) => source,
        // What is gone from the source cannot be copied any more.
        Ok(None) => return cx.note(Note::Release(key)).await,
        // The listing will meet the same trouble, and say so.
        Err(error) => return tracing::debug!(%key, error = %error.message, "a key that failed before cannot be looked at"),
    };
    if !cx.job.filter.includes_size_and_age(source.size, source.modified) {
        return;
    }
    let identity = source.identity.clone();
    let action = match look(&*cx.target, &key).await {
        Ok(Some(_)) if rules.existing == Existing::Ignore => return,
        Ok(Some(target)) => both(source, target, None, Trust::Suspect, rules),
        Ok(None) => only_source(source, rules),
        Err(error) => return tracing::debug!(%key, error = %error.message, "a key that failed before cannot be looked at"),
    };
    if matches!(action, Action::Refuse { .. }) {
        return;
    }
    let outcome = carry_out(action, rules, cx).await;
    failed.fetch_add(u64::from(matches!(outcome.result, Done::Failed(_))), Ordering::Relaxed);
    if !matches!(outcome.result, Done::Unknown) {
        cx.retried.put(identity, outcome);
    }
}

/// The entry of one key as a look shows it; `None` where there is none.
async fn look(store: &(impl List + ?Sized), key: &Key) -> Result<Option<Entry>> {
    match store.head(key).await {
        Ok(head) => Ok(Some(entry(key, head))),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn entry(key: &Key, head: Head) -> Entry {
    Entry {
        modified: head.modified,
        digests: head.digests,
        checksum_kept: checksum_kept(&head.digests),
        storage_class: head.storage_class,
        availability: head.availability,
        metadata: Some(head.metadata),
        ..Entry::new(key.clone(), head.size, head.identity)
    }
}
