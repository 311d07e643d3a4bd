//! The last stage of a shard: every outcome is counted, told, and written down where it must outlive the run's memory.

use std::collections::BTreeMap;

use async_channel::Receiver;
use brigade_core::event::Event;
use brigade_core::job::Mode;
use brigade_core::outcome::Done;
use brigade_core::report::{FailureRecord, Totals};
use brigade_core::{ErrorKind, Outcome};
use brigade_state::{LedgerError, Table};

use crate::ctx::{Ctx, Fatal};
use crate::forecast::Forecast;

/// What a stage of recording adds up.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// Objects, bytes and proofs.
    pub totals: Totals,
    /// Objects of the target that the filters let through, for the guards; the diff counts them.
    pub target_listed: u64,
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
    /// Adds another shard's sums.
    pub fn merge(&mut self, other: &Self) {
        self.totals.merge(&other.totals);
        self.target_listed += other.target_listed;
        self.differs += other.differs;
        self.source_proven += other.source_proven;
        self.forecast.merge(&other.forecast);
        for (name, count) in &other.dropped {
            *self.dropped.entry(name.clone()).or_default() += count;
        }
    }
}

/// Records outcomes until their channel closes. A ledger that cannot be written stops the run.
pub async fn record(outcomes: Receiver<Outcome>, cx: &Ctx) -> Recorded {
    let mut recorded = Recorded::default();
    while let Ok(outcome) = outcomes.recv().await {
        recorded.totals.add(&outcome);
        note(&outcome, &mut recorded);
        recorded.forecast.add(&outcome, &cx.job, &cx.target_facts);
        if let Err(error) = write_down(&outcome, cx).await {
            cx.give_up(Fatal::ledger(&error));
        }
        cx.observer.observe(&Event::Decided(&outcome));
        if cx.job.errors_max.is_some_and(|max| recorded.totals.objects.failed > max) {
            let message = format!("more than {} objects failed (--max-errors)", cx.job.errors_max.unwrap_or_default());
            cx.give_up(Fatal { kind: ErrorKind::Cancelled, what: "stopped".into(), message });
        }
    }
    recorded
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

async fn write_down(outcome: &Outcome, cx: &Ctx) -> Result<(), LedgerError> {
    let migrate = cx.job.mode == Mode::Migrate;
    match &outcome.result {
        // Only a stored or content proof earns the deletion of an original (p13): the exact version that was copied or compared.
        Done::Copied(copied) if migrate && copied.proof.allows_delete() => {
            cx.ledger.wait(Table::Originals, &outcome.key, outcome.size, &copied.source).await
        }
        Done::Kept { source, proof: Some(proof) } if migrate && proof.allows_delete() => {
            cx.ledger.wait(Table::Originals, &outcome.key, outcome.size, source).await
        }
        Done::Doomed { target } => cx.ledger.wait(Table::Extras, &outcome.key, outcome.size, target).await,
        _ => match FailureRecord::of(outcome) {
            Some(failure) => cx.ledger.fail(failure).await,
            None => Ok(()),
        },
    }
}
