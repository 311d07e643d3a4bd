//! The last step of every key: its outcome is counted, told, and written down where it must outlive the run's memory.
//!
//! Whoever came to an outcome records it before going on. A stage of its own would be handed every outcome by another task, and
//! woken for each.

use std::collections::BTreeMap;
use std::sync::Arc;

use brigade_core::event::Event;
use brigade_core::job::Mode;
use brigade_core::known::{Batch, Change, Known, Original};
use brigade_core::outcome::{Done, Pair};
use brigade_core::report::{FailureRecord, ObjectCounts, Totals};
use brigade_core::{ErrorKind, Identity, Key, KeyRange, Outcome, Proof, Shard};
use brigade_state::journal::Table;
use brigade_state::{Note, StateError};
use parking_lot::Mutex;
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

/// Records the outcomes of a run.
pub struct Recorder {
    sums: Mutex<Sums>,
    queue: Arc<Queue>,
    cx: Arc<Ctx>,
}

struct Sums {
    recorded: Recorded,
    /// Outcomes since the last note of how far the run has come.
    untold: u64,
    told: Instant,
}

impl Recorder {
    /// Starts with nothing.
    pub fn new(queue: Arc<Queue>, cx: Arc<Ctx>) -> Self {
        let sums = Sums { recorded: Recorded::default(), untold: 0, told: Instant::now() };
        Self { sums: Mutex::new(sums), queue, cx }
    }

    /// Records outcomes, which come in the order of their keys. A journal that cannot be written stops the run.
    pub async fn record(&self, outcomes: &[Outcome]) {
        let cx = &*self.cx;
        let progress = self.add(outcomes);
        self.news(outcomes).await;
        for outcome in outcomes {
            if let Err(error) = write_down(outcome, cx).await {
                cx.give_up(Fatal::state(&error));
            }
            cx.observer.observe(&Event::Decided(outcome));
        }
        if let Some(totals) = progress {
            self.cursor(totals).await;
        }
    }

    /// Objects by what happened to them so far.
    pub fn objects(&self) -> ObjectCounts {
        self.sums.lock().recorded.totals.objects
    }

    /// Everything that was recorded; notes how far the run has come once more.
    pub async fn finish(&self) -> Recorded {
        let recorded = self.sums.lock().recorded.clone();
        self.cursor(recorded.totals).await;
        recorded
    }

    /// Notes what is known now of objects that were kept: of many, which come from a join, together.
    async fn news(&self, outcomes: &[Outcome]) {
        let cx = &*self.cx;
        if !cx.keeps_state() {
            return;
        }
        let kept = outcomes.iter().filter_map(|outcome| match &outcome.result {
            Done::Kept { source, proof, news: Some(pair) } => Some((&outcome.key, source, *proof, &**pair)),
            _ => None,
        });
        if outcomes.len() == 1 {
            for (key, source, proof, pair) in kept {
                cx.note(Note::Change(Change::Set(known(key, source, proof, pair, cx)))).await;
            }
            return;
        }
        let mut batch = Batch::new(cx.run.clone(), cx.now);
        kept.for_each(|(key, source, proof, pair)| batch.push(key, source, proof, pair));
        if !batch.is_empty() {
            cx.note(Note::Batch(batch)).await;
        }
    }

    /// Adds outcomes to the sums; returns these where it is time to tell how far the run has come.
    fn add(&self, outcomes: &[Outcome]) -> Option<Totals> {
        let (cx, mut sums) = (&*self.cx, self.sums.lock());
        for outcome in outcomes {
            sums.recorded.totals.add(outcome);
            note(outcome, &mut sums.recorded);
            sums.recorded.forecast.add(outcome, &cx.job, &cx.target_facts);
            sums.untold += 1;
        }
        if cx.job.errors_max.is_some_and(|max| sums.recorded.totals.objects.failed > max) {
            let message = format!("more than {} objects failed (--max-errors)", cx.job.errors_max.unwrap_or_default());
            cx.give_up(Fatal { kind: ErrorKind::Cancelled, what: "stopped".into(), message });
        }
        if sums.untold < CURSOR_OUTCOMES && sums.told.elapsed() < CURSOR_TIME {
            return None;
        }
        (sums.untold, sums.told) = (0, Instant::now());
        Some(sums.recorded.totals)
    }

    /// Tells whoever watches the journal how far the run has come: through which key all shards together, with the sums of all.
    async fn cursor(&self, totals: Totals) {
        if let Some(through) = self.queue.through().filter(|_| self.cx.keeps_state()) {
            let all = Shard { id: 0, range: KeyRange::all() };
            self.cx.note(Note::Cursor { shard: all, through, totals: Box::new(totals) }).await;
        }
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
            if let Some(target) = copied.target.clone().filter(|_| cx.keeps_state()) {
                let pair = Pair { target, size: copied.size, digests: copied.digests, source_modified: copied.source_modified };
                let known = known(&outcome.key, &copied.source, Some(copied.proof), &pair, cx);
                cx.journal.note(Note::Change(Change::Set(known))).await?;
            }
            proven(outcome, &copied.source, Some(copied.proof), cx).await
        }
        Done::Kept { source, proof, .. } => proven(outcome, source, *proof, cx).await,
        Done::Doomed { target } => wait(Table::Extras, outcome, target, cx).await,
        Done::Failed(failure) if cx.keeps_state() => {
            cx.journal.note(Note::Quarantine { key: outcome.key.clone(), kind: failure.kind.name() }).await?;
            fail(outcome, cx).await
        }
        _ => fail(outcome, cx).await,
    }
}

fn known(key: &Key, source: &Identity, proof: Option<Proof>, pair: &Pair, cx: &Ctx) -> Known {
    Known {
        key: key.clone(),
        size: pair.size,
        source: source.clone(),
        target: pair.target.clone(),
        digests: pair.digests,
        proof,
        source_modified: pair.source_modified,
        known_at: cx.now,
        run: cx.run.clone(),
        original: Original::Present,
    }
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
