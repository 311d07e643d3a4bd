//! A run from its first probe to its last delete.

use std::sync::{Arc, OnceLock};

use brigade_core::ErrorKind;
use brigade_core::compare::{CompareMode, CompareRules, Purpose};
use brigade_core::diff::{DiffRules, Extra};
use brigade_core::event::{Event, Observer, Phase, Side};
use brigade_core::job::{Effect, Job, Mode, ServerSide, Verify};
use brigade_core::known::Ending;
use brigade_core::limiter::AtOnce;
use brigade_core::report::RunOutcome;
use brigade_core::shard::DivisionLimits;
use brigade_state::journal::Table;
use brigade_state::{Baseline, Journal, StateError};
use brigade_store::layers::limit::{Limiter, Limits};
use brigade_store::{Delete, Facts, Honoured, ProbeFor, ServerCopy, Source, Target};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::approval::{DeletePlan, WrittenPlan};
use crate::approved;
use crate::cpu::CpuLane;
use crate::ctx::{Ctx, Fatal};
use crate::delete::{Deletes, delete, waiting};
use crate::diff::Joined;
use crate::forecast::cannot_carry;
use crate::guards::{CleanRun, NotClean, Tally, refuses_migration};
use crate::last::Last;
use crate::limits::{LARGE_OBJECTS_MAX, PARTS_AT_ONCE_MAX, PARTS_START};
use crate::list::ListingEnd;
use crate::memory::Budget;
use crate::past::{Resumable, Resume, Retried, Suspects, upload_of};
use crate::record::Recorded;
use crate::retry::retry;
use crate::road::Road;
use crate::shard::{self, Listed};
use crate::transfer::large::give_up;
use crate::twins;

/// Builds the handle that deletes; it is called only with a clean run in hand.
pub type Deleter = Box<dyn FnOnce(&CleanRun) -> Arc<dyn Delete> + Send + Sync>;

/// Both ends of a run.
pub struct Ends {
    /// Where objects come from: it can only list and read.
    pub source: Arc<dyn Source>,
    /// Where they go.
    pub target: Arc<dyn Target>,
    /// Copies from the one to the other inside their provider, where both are one endpoint.
    pub server_copy: Option<Arc<dyn ServerCopy>>,
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
    /// Source and target as they were given, for people.
    pub shown: (String, String),
    /// The run's ULID.
    pub id: Arc<str>,
    /// What is written down while the run goes on.
    pub journal: Arc<dyn Journal>,
    /// What earlier runs left known.
    pub baseline: Option<Arc<dyn Baseline>>,
    /// How many records the last clean run left; what later runs added must not hide that the source has shrunk since.
    pub clean_records: Option<u64>,
    /// Whether uploads of earlier runs are gone on with.
    pub resume: Resume,
    /// What happens to originals after a clean run.
    pub deletes: DeletePlan,
    /// How the keyspace is divided among shards.
    pub division: DivisionLimits,
    /// What it may hold in memory: at most what the job says.
    pub budget: Budget,
    /// Where slow digests are computed.
    pub cpu: CpuLane,
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
    /// Most object bytes that were held, or claimed by whoever waited to read them, at once.
    pub peak_bytes: u64,
    /// What objects may have that the target cannot hold.
    pub cannot_carry: Vec<&'static str>,
    /// The delete plan that was written instead of deleting.
    pub plan: Option<WrittenPlan>,
    /// Whether everything that the run saw counts: every listing ended, nothing failed, no guard refused.
    pub ending: Ending,
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
    let past = match past(&run).await {
        Ok(past) => past,
        Err(error) => return stopped(RunOutcome::Failed, Fatal::state(&error)),
    };
    let cx = Arc::new(Ctx {
        budget: run.budget,
        parts: Arc::new(Limiter::new(Limits::at_once(AtOnce::From { start: PARTS_START, most: LARGE_OBJECTS_MAX * PARTS_AT_ONCE_MAX }))),
        road: road(&run.job, ends.server_copy),
        job: fitted(run.job, &target_facts),
        source: ends.source,
        target: ends.target,
        source_facts,
        target_facts,
        cpu: run.cpu,
        observer: run.observer,
        shown: run.shown,
        run: run.id,
        journal: run.journal,
        baseline: run.baseline,
        clean_records: run.clean_records,
        resumable: past.0,
        suspects: past.1,
        retried: Retried::default(),
        last: Last::default(),
        stop: run.stop,
        now: run.now,
        fatal: OnceLock::new(),
    });
    cx.observer.observe(&Event::Phase(Phase::Copying));
    if cx.keeps_state() {
        retry(&rules, &cx).await;
    }
    let listed = shard::run(run.division, &rules, &cx).await;
    let mut finished = Finished {
        outcome: RunOutcome::Done,
        recorded: Recorded::default(),
        reason: None,
        delete_rule: None,
        peak_bytes: 0,
        cannot_carry: cannot_carry(&cx.source_facts, &cx.target_facts),
        plan: None,
        ending: Ending::Unclean,
    };
    let deleters = Deleters { source: ends.source_deleter, target: ends.target_deleter, plan: run.deletes };
    conclude(&mut finished, listed, &cx, deleters).await;
    finished.peak_bytes = cx.budget.peak_bytes();
    finished
}

/// Who deletes, and what.
struct Deleters {
    source: Option<Deleter>,
    target: Option<Deleter>,
    plan: DeletePlan,
}

/// What earlier runs left, where this one goes on with anything.
async fn past(run: &Run) -> Result<(Resumable, Suspects), StateError> {
    if run.job.effect == Effect::Dry || run.job.mode == Mode::Check {
        return Ok(Default::default());
    }
    Ok((Resumable::load(&*run.journal, run.resume).await?, Suspects::load(&*run.journal).await?))
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
    // Where the bytes of both sides are read anyway, only a different size decides without them.
    let mode = if job.content { CompareMode::Size } else { job.compare };
    DiffRules {
        compare: CompareRules { mode, purpose, source: source.digests, target: target.digests },
        extra: if job.mode == Mode::Sync && job.delete_extra { Extra::Delete } else { Extra::Keep },
        existing: job.existing,
        target_keys: target.keys,
        target_prefix: target_prefix.to_vec(),
    }
}

/// Bytes that are to be read back pass this machine anyway, and are compared with what was read then.
fn road(job: &Job, copy: Option<Arc<dyn ServerCopy>>) -> Option<Road> {
    copy.filter(|_| job.server_side != ServerSide::Never && job.verify != Verify::Content).map(Road::new)
}

/// The wished part size bound to the byte budget: four parts must fit, or nothing would overlap.
fn fitted(mut job: Job, target: &Facts) -> Job {
    let most = (job.memory_bytes / 4).max(target.parts.part_bytes_min);
    job.part_bytes = job.part_bytes.clamp(target.parts.part_bytes_min, most.max(target.parts.part_bytes_min));
    job
}

/// From the outcomes to the outcome of the run, and to deletes where they are earned.
async fn conclude(finished: &mut Finished, listed: Listed, cx: &Ctx, deleters: Deleters) {
    finished.recorded = listed.recorded;
    let objects = finished.recorded.totals.objects;
    if let Some(reason) = cx.fatal.get() {
        finished.outcome = RunOutcome::Failed;
        finished.reason = Some(reason.clone());
        return;
    }
    if cx.stop.is_cancelled() || listed.listing == ListingEnd::Cut {
        finished.outcome = RunOutcome::Interrupted;
        return;
    }
    if !objects.balances() {
        finished.outcome = RunOutcome::Failed;
        let message = format!("the books do not balance: {objects:?}");
        finished.reason = Some(Fatal { kind: ErrorKind::Internal, what: "the run contradicts itself".into(), message });
        return;
    }
    sweep(cx).await;
    // Keys that only the target has stand among the differences, but not among the source's counts.
    let differing = cx.job.mode == Mode::Check && finished.recorded.differs > 0;
    if objects.failed + objects.skipped + objects.unknown > 0 || differing {
        finished.outcome = RunOutcome::Partial;
    }
    let waits = cx.job.effect == Effect::Real && (cx.job.mode == Mode::Migrate || cx.job.delete_extra);
    if waits && let Err(reason) = deletes(finished, (listed.joined, listed.listing), cx, deleters).await {
        finished.outcome = if reason.kind == ErrorKind::Conflict { RunOutcome::Refused } else { RunOutcome::Failed };
        finished.reason = Some(reason);
    }
    let whole = matches!(finished.outcome, RunOutcome::Done | RunOutcome::Partial);
    if whole && objects.failed + objects.unknown == 0 {
        finished.ending = Ending::Clean;
    }
}

/// Gives up what earlier runs began and this one, having seen every key, did not go on with (p12). What the filters hide stays.
async fn sweep(cx: &Ctx) {
    for open in cx.resumable.rest() {
        if cx.job.filter.includes_key(open.key.as_bytes()) {
            give_up(cx, open.number, &upload_of(&open)).await;
        }
    }
}

/// Earns the right to delete, and uses it as the job says. An error is a refusal (a conflict) or a failure; nothing was deleted.
async fn deletes(finished: &mut Finished, seen: (Joined, ListingEnd), cx: &Ctx, deleters: Deleters) -> Result<(), Fatal> {
    let (joined, listing) = seen;
    let waits = |table| async move { cx.journal.waiting(table).await.map_err(|error| Fatal::state(&error)) };
    let originals = match &deleters.plan {
        DeletePlan::Approved(path) => approved::count(path, cx).await?,
        _ => waits(Table::Originals).await?,
    };
    let tally = Tally {
        listing,
        objects: finished.recorded.totals.objects,
        target_listed: joined.target_listed,
        originals,
        extras: waits(Table::Extras).await?,
        known: joined.known.min(cx.clean_records.unwrap_or(u64::MAX)),
        missing: joined.missing,
    };
    let token = match CleanRun::earn(&tally, &cx.job.guards) {
        Ok(token) => token,
        Err(NotClean::Unclean) => return Ok(()),
        Err(NotClean::Refused(message)) => return Err(Fatal { kind: ErrorKind::Conflict, what: "a guard refused".into(), message }),
    };
    if tally.originals > 0
        && joined.twins > 0
        && let Some(message) = twins::refusal(cx).await
    {
        return Err(Fatal { kind: ErrorKind::Conflict, what: "a guard refused".into(), message });
    }
    if let DeletePlan::Write(path) = &deleters.plan {
        finished.plan = Some(approved::write(path, cx).await?);
        return Ok(());
    }
    cx.observer.observe(&Event::Phase(Phase::Deleting));
    let mut failed = 0;
    if let Some(deleter) = deleters.source.filter(|_| tally.originals > 0) {
        cx.journal.deleting().await.map_err(|error| Fatal::state(&error))?;
        if cx.source_facts.conditional_delete != Honoured::Yes {
            finished.delete_rule = Some("unconditional: each original was looked at right before its batch");
        }
        let (table, side, facts) = (Table::Originals, Side::Source, &cx.source_facts);
        let deletes = Deletes { table, side, handle: deleter(&token), look: &*cx.source, facts };
        let done = match &deleters.plan {
            DeletePlan::Approved(path) => delete(&token, &deletes, approved::batches(path, cx)?, cx).await,
            _ => delete(&token, &deletes, waiting(&deletes, cx), cx).await,
        };
        finished.recorded.totals.objects.deleted_source = done.objects;
        failed += done.failed;
    }
    if let Some(deleter) = deleters.target.filter(|_| tally.extras > 0) {
        let (table, side, facts) = (Table::Extras, Side::Target, &cx.target_facts);
        let deletes = Deletes { table, side, handle: deleter(&token), look: &*cx.target, facts };
        let done = delete(&token, &deletes, waiting(&deletes, cx), cx).await;
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
    Finished {
        outcome,
        recorded: Recorded::default(),
        reason: Some(reason),
        delete_rule: None,
        peak_bytes: 0,
        cannot_carry: Vec::new(),
        plan: None,
        ending: Ending::Unclean,
    }
}
