//! The last stage: every outcome is counted, told, and written down where it must outlive the run's memory.

use std::collections::BTreeMap;

use async_channel::Receiver;
use brigade_core::event::Event;
use brigade_core::job::Mode;
use brigade_core::known::{Change, Known, Original};
use brigade_core::outcome::{Done, Pair};
use brigade_core::report::{FailureRecord, Totals};
use brigade_core::{ErrorKind, Identity, KeyRange, Outcome, Proof, Shard};
use brigade_state::journal::Table;
use brigade_state::{Note, StateError};
use tokio::time::Instant;

use crate::ctx::{Ctx, Fatal};
use crate::forecast::Forecast;
use crate::limits::{CURSOR_OUTCOMES, CURSOR_TIME};
use crate::queue::Queue;

/// What a stage of recording adds up.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// Objects, bytes and proofs.
    pub totals: Totals,
    /// Differences that `check` found, on either side.
    pub differs: u64,
    /// How often something could not be carried, by name.
    pub dropped: BTreeMap<String, u64>,
    /// Copied objects of which the read bytes were compared with what the source stores.
    pub source_proven: u64,
    /// What the run that is planned would take.
    pub forecast: Forecast,
}

impl Recorded {
    /// Adds other sums.
    pub fn merge(&mut self, other: &Self) {
        self.totals.merge(&other.totals);
        self.differs += other.differs;
        self.source_proven += other.source_proven;
        self.forecast.merge(&other.forecast);
        for (name, count) in &other.dropped {
            *self.dropped.entry(name.clone()).or_default() += count;
        }
    }
}

/// Records outcomes until their channel closes. A journal that cannot be written stops the run.
pub async fn record(outcomes: Receiver<Outcome>, queue: &Queue, cx: &Ctx) -> Recorded {
    let mut recorded = Recorded::default();
    let (mut count, mut told) = (0_u64, Instant::now());
    while let Ok(outcome) = outcomes.recv().await {
        recorded.totals.add(&outcome);
        note(&outcome, &mut recorded);
        recorded.forecast.add(&outcome, &cx.job, &cx.target_facts);
        if let Err(error) = write_down(&outcome, cx).await {
            cx.give_up(Fatal::state(&error));
        }
        cx.observer.observe(&Event::Decided(&outcome));
        count += 1;
        if count.is_multiple_of(CURSOR_OUTCOMES) || told.elapsed() >= CURSOR_TIME {
            told = Instant::now();
            cursor(&recorded, queue, cx).await;
        }
        if cx.job.errors_max.is_some_and(|max| recorded.totals.objects.failed > max) {
            let message = format!("more than {} objects failed (--max-errors)", cx.job.errors_max.unwrap_or_default());
            cx.give_up(Fatal { kind: ErrorKind::Cancelled, what: "stopped".into(), message });
        }
    }
    cursor(&recorded, queue, cx).await;
    recorded
}

/// Tells whoever watches the journal how far the run has come: through which key all shards together, with the sums of all.
async fn cursor(recorded: &Recorded, queue: &Queue, cx: &Ctx) {
    if let Some(through) = queue.through().filter(|_| cx.keeps_state()) {
        let all = Shard { id: 0, range: KeyRange::all() };
        cx.note(Note::Cursor { shard: all, through, totals: Box::new(recorded.totals) }).await;
    }
}

fn note(outcome: &Outcome, recorded: &mut Recorded) {
    match &outcome.result {
        Done::Differs { .. } => recorded.differs += 1,
        Done::Copied(copied) => {
            recorded.source_proven += u64::from(copied.source_proof.is_some());
            for name in &copied.dropped {
                *recorded.dropped.entry(name.clone()).or_default() += 1;
            }
        }
        _ => {}
    }
}

/// Notes what must outlive the run's memory: what is known of the key now, the delete that waits for it, or its failure.
async fn write_down(outcome: &Outcome, cx: &Ctx) -> Result<(), StateError> {
    match &outcome.result {
        Done::Copied(copied) => {
            if let Some(target) = &copied.target {
                let pair =
                    Pair { target: target.clone(), size: copied.size, digests: copied.digests, source_modified: copied.source_modified };
                known(outcome, &copied.source, Some(copied.proof), pair, cx).await?;
            }
            proven(outcome, &copied.source, Some(copied.proof), cx).await
        }
        Done::Kept { source, proof, news } => {
            if let Some(pair) = news {
                known(outcome, source, *proof, (**pair).clone(), cx).await?;
            }
            proven(outcome, source, *proof, cx).await
        }
        Done::Doomed { target } => wait(Table::Extras, outcome, target, cx).await,
        Done::Failed(failure) if cx.keeps_state() => {
            cx.journal.note(Note::Quarantine { key: outcome.key.clone(), kind: failure.kind.name() }).await?;
            fail(outcome, cx).await
        }
        _ => fail(outcome, cx).await,
    }
}

async fn known(outcome: &Outcome, source: &Identity, proof: Option<Proof>, pair: Pair, cx: &Ctx) -> Result<(), StateError> {
    if !cx.keeps_state() {
        return Ok(());
    }
    let known = Known {
        key: outcome.key.clone(),
        size: pair.size,
        source: source.clone(),
        target: pair.target,
        digests: pair.digests,
        proof,
        source_modified: pair.source_modified,
        known_at: cx.now,
        run: cx.run.clone(),
        original: Original::Present,
    };
    cx.journal.note(Note::Change(Change::Set(known))).await
}

/// Only a stored or content proof earns the deletion of an original (p13), the exact version that was copied or compared, and
/// the end of a quarantine.
async fn proven(outcome: &Outcome, source: &Identity, proof: Option<Proof>, cx: &Ctx) -> Result<(), StateError> {
    if !proof.is_some_and(Proof::allows_delete) || !cx.keeps_state() {
        return Ok(());
    }
    if cx.suspects.holds(&outcome.key) {
        cx.journal.note(Note::Release(outcome.key.clone())).await?;
    }
    if cx.job.mode == Mode::Migrate {
        wait(Table::Originals, outcome, source, cx).await?;
    }
    Ok(())
}

async fn wait(table: Table, outcome: &Outcome, identity: &Identity, cx: &Ctx) -> Result<(), StateError> {
    let (key, size, identity) = (outcome.key.clone(), outcome.size, identity.clone());
    cx.journal.note(Note::Wait { table, key, size, identity }).await
}

async fn fail(outcome: &Outcome, cx: &Ctx) -> Result<(), StateError> {
    match FailureRecord::of(outcome) {
        Some(failure) => cx.journal.note(Note::Failure(failure)).await,
        None => Ok(()),
    }
}
