//! Deleting, after everything else, and only with a [`CleanRun`] in hand.
//!
//! Each delete names the version that was proven (p13). What is under a hold or retention is left, and said so. That originals are
//! about to go is durable before the first of them goes: a run that was killed must not make the next one miss them (p05).

use std::sync::Arc;

use brigade_core::event::{Event, Side};
use brigade_core::known::Change;
use brigade_core::report::{FailureRecord, FailureStatus};
use brigade_core::{ErrorKind, Identity};
use brigade_state::journal::{Table, Waiting};
use brigade_state::{Note, StateError};
use brigade_store::{Delete, Deletion, Facts, Honoured, List, StoreError};
use futures::{Stream, StreamExt};

use crate::ctx::{Ctx, Fatal};
use crate::guards::CleanRun;
use crate::limits::DELETES_AT_ONCE_MAX;

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

/// Everything that waits in the journal, in batches of the size that the store takes.
pub fn waiting<'a>(deletes: &Deletes<'a>, cx: &'a Ctx) -> impl Stream<Item = Vec<Waiting>> + use<'a> {
    let (table, limit) = (deletes.table, deletes.facts.delete_batch_max.max(1));
    futures::stream::unfold(0_i64, move |after| async move {
        if cx.stop.is_cancelled() {
            return None;
        }
        match cx.journal.batch(table, after, limit).await {
            Ok(batch) => batch.last().map(|last| last.row).map(|row| (batch, row)),
            Err(error) => {
                cx.give_up(Fatal::state(&error));
                None
            }
        }
    })
}

/// Deletes batch by batch, a few batches at once.
pub async fn delete(_token: &CleanRun, deletes: &Deletes<'_>, batches: impl Stream<Item = Vec<Waiting>>, cx: &Ctx) -> Deleted {
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
    if let Err(error) = announce(&batch, deletes.table, cx).await {
        cx.give_up(Fatal::state(&error));
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

/// What the next run must know, whatever becomes of this one: these originals are moved, not missing. One that stays all the same
/// is listed again, and its record says so from then on.
async fn announce(batch: &[Waiting], table: Table, cx: &Ctx) -> Result<(), StateError> {
    if table != Table::Originals {
        return Ok(());
    }
    for waiting in batch {
        cx.journal.note(Note::Change(Change::OriginalDeleted(waiting.key.clone()))).await?;
    }
    cx.journal.flush().await
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
        ErrorKind::Locked => (ErrorKind::Locked, "it is locked, and was left"),
        kind => (kind, "it could not be deleted"),
    };
    let message = format!("{what} in {}: {}", Ctx::side_name(side), error.message);
    let hint = if kind == ErrorKind::Changed { "give the same command again to copy the newer version" } else { kind.hint() };
    let failure = FailureRecord {
        key: waiting.key.to_string(),
        status: if kind == ErrorKind::Locked { FailureStatus::Skipped } else { FailureStatus::Failed },
        kind: kind.name().to_owned(),
        message,
        hint: hint.to_owned(),
    };
    cx.note(Note::Failure(failure)).await;
}
