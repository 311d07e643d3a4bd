//! A run from its first probe to its last delete.

use std::sync::{Arc, OnceLock};

use brigade_core::compare::{CompareRules, Purpose};
use brigade_core::diff::{DiffRules, Extra};
use brigade_core::event::{Event, Observer, Phase, Side};
use brigade_core::job::{Effect, Job, Mode};
use brigade_core::report::RunOutcome;
use brigade_core::{ErrorKind, KeyRange, Shard};
use brigade_state::{Ledger, LedgerError, Table};
use brigade_store::{Delete, Facts, Honoured, ProbeFor, Source, Target};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::ctx::{Ctx, Fatal};
use crate::delete::{CleanRun, Deletes, NotClean, Tally, delete, refuses_migration};
use crate::forecast::cannot_carry;
use crate::list::ListingEnd;
use crate::memory::Budget;
use crate::queue::{MemoryQueue, Queue};
use crate::record::Recorded;
use crate::shard;

/// Builds the handle that deletes; it is called only with a clean run in hand.
pub type Deleter = Box<dyn FnOnce(&CleanRun) -> Arc<dyn Delete> + Send>;

/// Both ends of a run.
pub struct Ends {
    /// Where objects come from: it can only list and read.
    pub source: Arc<dyn Source>,
    /// Where they go.
    pub target: Arc<dyn Target>,
    /// The target's key prefix.
    pub target_prefix: Vec<u8>,
    /// Deletes originals: `migrate`.
    pub source_deleter: Option<Deleter>,
    /// Deletes objects that only the target has: `sync --delete`.
    pub target_deleter: Option<Deleter>,
}

/// What a run needs beside its ends.
pub struct Run {
    /// What is wanted.
    pub job: Job,
    /// Who is told.
    pub observer: Arc<dyn Observer>,
    /// Failures and waiting deletes.
    pub ledger: Ledger,
    /// Cancelled when no new work may begin.
    pub stop: CancellationToken,
    /// When the run begins.
    pub now: Timestamp,
}

/// How a run ended.
#[derive(Debug)]
pub struct Finished {
    /// In one word.
    pub outcome: RunOutcome,
    /// The sums.
    pub recorded: Recorded,
    /// Why it stopped or refused.
    pub reason: Option<Fatal>,
    /// Set where originals were deleted by a fresh look instead of a condition.
    pub delete_rule: Option<&'static str>,
    /// Most object bytes that were held at once.
    pub peak_bytes: u64,
    /// What objects may have that the target cannot hold.
    pub cannot_carry: Vec<&'static str>,
}

/// Runs a job to its end. Every error is in the result: a run always has a report.
pub async fn run(run: Run, ends: Ends) -> Finished {
    run.observer.observe(&Event::Phase(Phase::Probing));
    let probed = tokio::try_join!(probe_source(&run.job, &ends), probe_target(&run.job, &ends));
    let (source_facts, target_facts) = match probed {
        Ok(facts) => facts,
        Err(reason) => return stopped(RunOutcome::Failed, reason),
    };
    if run.job.effect == Effect::Real
        && let Some(message) = refuses_migration(run.job.mode, &run.job.guards, &source_facts)
    {
        return stopped(RunOutcome::Refused, Fatal { kind: ErrorKind::Unsupported, what: "migrate refused".into(), message });
    }
    let rules = Arc::new(diff_rules(&run.job, &source_facts, &target_facts, &ends.target_prefix));
    let cx = Arc::new(Ctx {
        budget: Budget::new(run.job.memory_bytes),
        job: fitted(run.job, &target_facts),
        source: ends.source,
        target: ends.target,
        source_facts,
        target_facts,
        target_prefix: ends.target_prefix,
        observer: run.observer,
        ledger: run.ledger,
        stop: run.stop,
        now: run.now,
        fatal: OnceLock::new(),
    });
    let (recorded, listing) = shards(&rules, &cx).await;
    let mut finished = Finished {
        outcome: RunOutcome::Done,
        recorded,
        reason: None,
        delete_rule: None,
        peak_bytes: 0,
        cannot_carry: cannot_carry(&cx.source_facts, &cx.target_facts),
    };
    conclude(&mut finished, listing, &cx, ends.source_deleter, ends.target_deleter).await;
    finished.peak_bytes = cx.budget.peak_bytes();
    finished
}

async fn probe_source(job: &Job, ends: &Ends) -> Result<Facts, Fatal> {
    let purpose = if job.mode == Mode::Migrate && job.effect == Effect::Real { ProbeFor::Delete } else { ProbeFor::Read };
    let facts = ends.source.probe(purpose).await.map_err(|error| Fatal::new("cannot use the source", &error))?;
    sufficient("the source", facts)
}

/// Rights that are missing are named before anything is done.
fn sufficient(side: &str, facts: Facts) -> Result<Facts, Fatal> {
    if facts.missing_rights.is_empty() {
        return Ok(facts);
    }
    let message = format!("these rights are missing: {}", facts.missing_rights.join(", "));
    Err(Fatal { kind: ErrorKind::Denied, what: format!("cannot use {side}"), message })
}

async fn probe_target(job: &Job, ends: &Ends) -> Result<Facts, Fatal> {
    let purpose = match (job.mode, job.effect) {
        (Mode::Check, _) => ProbeFor::Read,
        (_, Effect::Dry) => ProbeFor::Plan,
        (_, Effect::Real) => ProbeFor::Write,
    };
    let failed = |error| Fatal::new("cannot use the target", &error);
    let facts = sufficient("the target", ends.target.probe(purpose).await.map_err(failed)?)?;
    if !job.delete_extra || job.effect == Effect::Dry {
        return Ok(facts);
    }
    let deleting = sufficient("the target", ends.target.probe(ProbeFor::Delete).await.map_err(failed)?)?;
    Ok(Facts { conditional_delete: deleting.conditional_delete, delete_batch_max: deleting.delete_batch_max, ..facts })
}

fn diff_rules(job: &Job, source: &Facts, target: &Facts, target_prefix: &[u8]) -> DiffRules {
    let purpose = match job.mode {
        Mode::Check => Purpose::Check,
        Mode::Migrate => Purpose::PlanProven,
        Mode::Copy | Mode::Sync => Purpose::Plan,
    };
    DiffRules {
        compare: CompareRules { mode: job.compare, purpose, source: source.digests, target: target.digests },
        extra: if job.mode == Mode::Sync && job.delete_extra { Extra::Delete } else { Extra::Keep },
        existing: job.existing,
        target_keys: target.keys,
        target_prefix: target_prefix.to_vec(),
    }
}

/// The wished part size bound to the byte budget: four parts must fit, or nothing would overlap.
fn fitted(mut job: Job, target: &Facts) -> Job {
    let most = (job.memory_bytes / 4).max(target.parts.part_bytes_min);
    job.part_bytes = job.part_bytes.clamp(target.parts.part_bytes_min, most.max(target.parts.part_bytes_min));
    job
}

async fn shards(rules: &Arc<DiffRules>, cx: &Arc<Ctx>) -> (Recorded, ListingEnd) {
    cx.observer.observe(&Event::Phase(Phase::Copying));
    let queue = MemoryQueue::new([Shard { id: 0, range: KeyRange::all() }]);
    let mut recorded = Recorded::default();
    let mut listing = ListingEnd::Complete;
    while let Some(next) = queue.take().await {
        let ended = shard::run(&next, rules, cx).await;
        recorded.merge(&ended.recorded);
        if ended.listing == ListingEnd::Cut {
            listing = ListingEnd::Cut;
        }
    }
    (recorded, listing)
}

/// From the outcomes to the outcome of the run, and to deletes where they are earned.
async fn conclude(finished: &mut Finished, listing: ListingEnd, cx: &Ctx, source: Option<Deleter>, target: Option<Deleter>) {
    let objects = finished.recorded.totals.objects;
    if let Some(reason) = cx.fatal.get() {
        finished.outcome = RunOutcome::Failed;
        finished.reason = Some(reason.clone());
        return;
    }
    if cx.stop.is_cancelled() || listing == ListingEnd::Cut {
        finished.outcome = RunOutcome::Interrupted;
        return;
    }
    if !objects.balances() {
        finished.outcome = RunOutcome::Failed;
        let message = format!("the books do not balance: {objects:?}");
        finished.reason = Some(Fatal { kind: ErrorKind::Internal, what: "the run contradicts itself".into(), message });
        return;
    }
    // Keys that only the target has stand among the differences, but not among the source's counts.
    let differing = cx.job.mode == Mode::Check && finished.recorded.differs > 0;
    if objects.failed + objects.skipped + objects.unknown > 0 || differing {
        finished.outcome = RunOutcome::Partial;
    }
    let waits = cx.job.effect == Effect::Real && (cx.job.mode == Mode::Migrate || cx.job.delete_extra);
    if waits && let Err(error) = deletes(finished, listing, cx, source, target).await {
        finished.outcome = RunOutcome::Failed;
        finished.reason = Some(Fatal::ledger(&error));
    }
}

async fn deletes(
    finished: &mut Finished,
    listing: ListingEnd,
    cx: &Ctx,
    source: Option<Deleter>,
    target: Option<Deleter>,
) -> Result<(), LedgerError> {
    let tally = Tally {
        listing,
        objects: finished.recorded.totals.objects,
        target_listed: finished.recorded.target_listed,
        originals: cx.ledger.waiting(Table::Originals).await?,
        extras: cx.ledger.waiting(Table::Extras).await?,
    };
    let token = match CleanRun::earn(&tally, &cx.job.guards) {
        Ok(token) => token,
        Err(NotClean::Unclean) => return Ok(()),
        Err(NotClean::Refused(message)) => {
            finished.outcome = RunOutcome::Refused;
            finished.reason = Some(Fatal { kind: ErrorKind::Conflict, what: "a guard refused".into(), message });
            return Ok(());
        }
    };
    cx.observer.observe(&Event::Phase(Phase::Deleting));
    let mut failed = 0;
    if let Some(deleter) = source.filter(|_| tally.originals > 0) {
        if cx.source_facts.conditional_delete != Honoured::Yes {
            finished.delete_rule = Some("unconditional: each original was looked at right before its batch");
        }
        let (table, side, facts) = (Table::Originals, Side::Source, &cx.source_facts);
        let done = delete(&token, &Deletes { table, side, handle: deleter(&token), look: &*cx.source, facts }, cx).await;
        finished.recorded.totals.objects.deleted_source = done.objects;
        failed += done.failed;
    }
    if let Some(deleter) = target.filter(|_| tally.extras > 0) {
        let (table, side, facts) = (Table::Extras, Side::Target, &cx.target_facts);
        let done = delete(&token, &Deletes { table, side, handle: deleter(&token), look: &*cx.target, facts }, cx).await;
        finished.recorded.totals.objects.deleted_target = done.objects;
        failed += done.failed;
    }
    if let Some(reason) = cx.fatal.get() {
        finished.outcome = RunOutcome::Failed;
        finished.reason = Some(reason.clone());
    } else if cx.stop.is_cancelled() {
        finished.outcome = RunOutcome::Interrupted;
    } else if failed > 0 {
        finished.outcome = RunOutcome::Partial;
    }
    Ok(())
}

fn stopped(outcome: RunOutcome, reason: Fatal) -> Finished {
    Finished { outcome, recorded: Recorded::default(), reason: Some(reason), delete_rule: None, peak_bytes: 0, cannot_carry: Vec::new() }
}
