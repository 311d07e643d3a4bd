//! Deleting, after everything else.
//!
//! The right to delete is a [`CleanRun`], and the only way to one is [`CleanRun::earn`]: every listing ended, nothing failed,
//! nothing is unknown, and the guards hold. Guards count before the first delete and are all or nothing (p03). Each delete
//! names the version that was proven (p13).

use std::sync::Arc;

use brigade_core::event::{Event, Side};
use brigade_core::job::{DeleteGuards, Mode, Unconditional};
use brigade_core::report::{FailureRecord, FailureStatus, ObjectCounts};
use brigade_core::{ErrorKind, Identity};
use brigade_state::{Ledger, Table, Waiting};
use brigade_store::{Delete, Deletion, Facts, Honoured, List, StoreError};
use futures::StreamExt;

use crate::ctx::{Ctx, Fatal};
use crate::limits::DELETES_AT_ONCE_MAX;
use crate::list::ListingEnd;

/// Proof that a run may delete: it cannot be made but by [`CleanRun::earn`].
#[derive(Debug)]
pub struct CleanRun(());

/// Why nothing is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotClean {
    /// Something failed or is unknown; the report says what.
    Unclean,
    /// A guard refused: the sentence says which and what to do.
    Refused(String),
}

/// What the guards are asked about.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    /// Whether all listings ended.
    pub listing: ListingEnd,
    /// The outcomes.
    pub objects: ObjectCounts,
    /// Objects that the target's listing held.
    pub target_listed: u64,
    /// Originals that wait to be deleted.
    pub originals: u64,
    /// Objects of the target that wait to be deleted.
    pub extras: u64,
}

impl CleanRun {
    /// The one way to the right to delete.
    pub fn earn(tally: &Tally, guards: &DeleteGuards) -> Result<Self, NotClean> {
        let objects = &tally.objects;
        if tally.listing != ListingEnd::Complete || objects.failed > 0 || objects.unknown > 0 || !objects.balances() {
            return Err(NotClean::Unclean);
        }
        refusal(tally, guards).map_or(Ok(Self(())), |why| Err(NotClean::Refused(why)))
    }
}

fn refusal(tally: &Tally, guards: &DeleteGuards) -> Option<String> {
    let deletes = tally.originals + tally.extras;
    if let Some(max) = guards.deletes_max
        && deletes > max
    {
        return Some(format!("{deletes} objects would be deleted, more than --max-delete {max} allows; nothing was deleted"));
    }
    if tally.extras > 0 && tally.objects.listed == 0 {
        return Some(format!(
            "the source lists no object at all, so all {} objects of the target would be deleted; nothing was deleted. \
             Check the source's location; if it is meant to be empty, delete the target's objects by hand",
            tally.extras
        ));
    }
    let percent = 100.0 * as_float(tally.extras) / as_float(tally.target_listed.max(1));
    if tally.extras > 0 && percent > guards.target_percent_max {
        return Some(format!(
            "{} of {} objects of the target ({percent:.1} %) would be deleted, more than --max-delete-percent {} allows; nothing was deleted. \
             Look at `brigade plan` and raise the limit if this is right",
            tally.extras, tally.target_listed, guards.target_percent_max
        ));
    }
    None
}

fn as_float(count: u64) -> f64 {
    // Exact up to 2^53 objects.
    u32::try_from(count >> 32).map_or(f64::MAX, f64::from) * 4_294_967_296.0
        + f64::from(u32::try_from(count & 0xffff_ffff).unwrap_or(u32::MAX))
}

/// Whether originals can be deleted safely at all; asked before anything is copied.
pub fn refuses_migration(mode: Mode, guards: &DeleteGuards, source: &Facts) -> Option<String> {
    let unsafe_delete = source.conditional_delete != Honoured::Yes && guards.unconditional == Unconditional::Refuse;
    (mode == Mode::Migrate && unsafe_delete).then(|| {
        "the source ignores the condition of a delete, so an original that is overwritten at the last moment could be lost; nothing was copied. \
         Use `brigade copy`, or accept the weaker rule (a fresh look before each batch) with --delete-unconditional"
            .to_owned()
    })
}

/// One side's deletes.
pub struct Deletes<'a> {
    /// What waits.
    pub table: Table,
    /// Which end.
    pub side: Side,
    /// The handle.
    pub handle: Arc<dyn Delete>,
    /// For the fresh look of the weaker rule.
    pub look: &'a dyn List,
    /// What this end can do.
    pub facts: &'a Facts,
}

/// What a delete phase did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Objects deleted.
    pub objects: u64,
    /// Objects that were not, each in the report.
    pub failed: u64,
}

/// Deletes what waits in the ledger, batch by batch, a few batches at once.
pub async fn delete(_token: &CleanRun, deletes: &Deletes<'_>, cx: &Ctx) -> Deleted {
    let batches = futures::stream::unfold(0_i64, |after| async move {
        if cx.stop.is_cancelled() {
            return None;
        }
        match cx.ledger.batch(deletes.table, after, deletes.facts.delete_batch_max.max(1)).await {
            Ok(batch) => batch.last().map(|last| last.row).map(|row| (batch, row)),
            Err(error) => {
                cx.give_up(Fatal::ledger(&error));
                None
            }
        }
    });
    let done = batches.map(|batch| delete_batch(batch, deletes, cx)).buffer_unordered(DELETES_AT_ONCE_MAX);
    done.fold(Deleted::default(), |sum, one| async move { Deleted { objects: sum.objects + one.objects, failed: sum.failed + one.failed } })
        .await
}

async fn delete_batch(batch: Vec<Waiting>, deletes: &Deletes<'_>, cx: &Ctx) -> Deleted {
    let mut sum = Deleted::default();
    let batch = match deletes.facts.conditional_delete {
        Honoured::Yes => batch,
        Honoured::No | Honoured::Unknown => still_the_same(batch, deletes, cx, &mut sum).await,
    };
    if batch.is_empty() {
        return sum;
    }
    let request: Vec<Deletion> =
        batch.iter().map(|waiting| Deletion { key: waiting.key.clone(), identity: waiting.identity.clone() }).collect();
    match deletes.handle.delete(&request).await {
        Ok(results) => {
            for (waiting, result) in batch.iter().zip(results) {
                match result {
                    Ok(()) => sum.objects += 1,
                    // Somebody else deleted it: what was wanted.
                    Err(error) if error.kind == ErrorKind::NotFound => {}
                    Err(error) => fail(waiting, error, deletes.side, cx, &mut sum).await,
                }
            }
        }
        Err(error) => {
            for waiting in &batch {
                fail(waiting, error.clone(), deletes.side, cx, &mut sum).await;
            }
        }
    }
    cx.observer.observe(&Event::Deleted(deletes.side, sum.objects));
    sum
}

/// The weaker rule: each object is looked at right before its batch, and only the same version goes.
async fn still_the_same(batch: Vec<Waiting>, deletes: &Deletes<'_>, cx: &Ctx, sum: &mut Deleted) -> Vec<Waiting> {
    let looks = batch.into_iter().map(|waiting| async move {
        let head = deletes.look.head(&waiting.key).await;
        (waiting, head)
    });
    let looks: Vec<_> = futures::stream::iter(looks).buffered(cx.job.concurrency.max(1)).collect().await;
    let mut same = Vec::new();
    for (waiting, head) in looks {
        match head {
            Ok(head) if head.identity == waiting.identity => same.push(waiting),
            Ok(head) => fail(&waiting, changed(&waiting.identity, &head.identity), deletes.side, cx, sum).await,
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => fail(&waiting, error, deletes.side, cx, sum).await,
        }
    }
    same
}

fn changed(known: &Identity, found: &Identity) -> StoreError {
    StoreError::new(ErrorKind::Changed, format!("it is {found} now, not {known}"))
}

async fn fail(waiting: &Waiting, error: StoreError, side: Side, cx: &Ctx, sum: &mut Deleted) {
    sum.failed += 1;
    let (kind, what) = match error.kind {
        ErrorKind::Conflict | ErrorKind::Changed => (ErrorKind::Changed, "it changed after it was looked at, and was left"),
        kind => (kind, "it could not be deleted"),
    };
    let message = format!("{what} in {}: {}", Ctx::side_name(side), error.message);
    let hint = if kind == ErrorKind::Changed { "give the same command again to copy the newer version" } else { kind.hint() };
    let failure = FailureRecord {
        key: waiting.key.to_string(),
        status: FailureStatus::Failed,
        kind: kind.name().to_owned(),
        message,
        hint: hint.to_owned(),
    };
    if let Err(error) = append(&cx.ledger, failure).await {
        cx.give_up(error);
    }
}

async fn append(ledger: &Ledger, failure: FailureRecord) -> Result<(), Fatal> {
    ledger.fail(failure).await.map_err(|error| Fatal::ledger(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUARDS: DeleteGuards = DeleteGuards { deletes_max: None, target_percent_max: 50.0, unconditional: Unconditional::Refuse };

    fn tally() -> Tally {
        let objects = ObjectCounts { listed: 10, kept: 10, ..ObjectCounts::default() };
        Tally { listing: ListingEnd::Complete, objects, target_listed: 20, originals: 0, extras: 10 }
    }

    #[test]
    fn p03_only_a_clean_run_may_delete() {
        assert!(CleanRun::earn(&tally(), &GUARDS).is_ok());
        let cut = Tally { listing: ListingEnd::Cut, ..tally() };
        let failed = Tally { objects: ObjectCounts { kept: 9, failed: 1, ..tally().objects }, ..tally() };
        let unknown = Tally { objects: ObjectCounts { kept: 9, unknown: 1, ..tally().objects }, ..tally() };
        let unbalanced = Tally { objects: ObjectCounts { kept: 9, ..tally().objects }, ..tally() };
        for unclean in [cut, failed, unknown, unbalanced] {
            assert!(matches!(CleanRun::earn(&unclean, &GUARDS), Err(NotClean::Unclean)), "{unclean:?}");
        }
    }

    #[test]
    fn p03_the_guards_are_counted_before_the_first_delete() {
        let refused = |tally: &Tally, guards: &DeleteGuards| matches!(CleanRun::earn(tally, guards), Err(NotClean::Refused(_)));
        assert!(refused(&Tally { extras: 11, ..tally() }, &GUARDS), "more than half");
        assert!(refused(&tally(), &DeleteGuards { deletes_max: Some(9), ..GUARDS }));
        assert!(refused(&Tally { originals: 5, extras: 0, ..tally() }, &DeleteGuards { deletes_max: Some(4), ..GUARDS }));
        assert!(!refused(&Tally { originals: 50, extras: 0, ..tally() }, &GUARDS), "migrate deletes everything that it moved");
        let empty = Tally { objects: ObjectCounts::default(), extras: 1, target_listed: 100, ..tally() };
        assert!(refused(&empty, &GUARDS), "an empty source");
        assert!(!refused(&Tally { extras: 0, ..empty }, &GUARDS));
    }
}
