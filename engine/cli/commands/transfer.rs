//! copy, sync, migrate, plan and check: one path, five ways to call it.

mod kept;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use brigade_core::compare::CompareMode;
use brigade_core::event::{Event, Observer, Phase};
use brigade_core::job::{Effect, Job, Mode, ServerSide};
use brigade_core::report::{ReportHead, RunOutcome, SCHEMA};
use brigade_core::shard::DivisionLimits;
use brigade_pipeline::approval::DeletePlan;
use brigade_pipeline::counters::Fanout;
use brigade_pipeline::cpu::CpuLane;
use brigade_pipeline::past::Resume;
use brigade_pipeline::report::Extras;
use brigade_pipeline::run::Deleter;
use brigade_pipeline::{Counters, Ends, Finished, Run};
use brigade_state::{Journal, RunEnd, RunStart};
use jiff::Timestamp;

use crate::args::{CheckArgs, Global, MigrateArgs, PlanArgs, PlanMode, SyncArgs, TransferArgs};
use crate::entries::Listed;
use crate::error::CliError;
use crate::events::EventFile;
use crate::open::{Opened, Opener};
use crate::progress::Progress;
use crate::report_file::ReportFile;
use crate::setting::Setting;
use crate::state::RunState;
use crate::summary::{FAILURES_SHOWN_MAX, Kept, summary};
use crate::{entries, job, places, say};

/// A command that came to its end.
pub struct Ran {
    /// The exit code.
    pub code: ExitCode,
    /// The report without its failures.
    pub head: ReportHead,
    /// The directory of the job; none where nothing is left.
    pub directory: Option<PathBuf>,
    /// Why the run stopped before its end, for people.
    pub reason: Option<String>,
}

/// One command as it was given.
struct Order<'a> {
    name: &'static str,
    args: &'a TransferArgs,
    job: Job,
    now: Timestamp,
    /// What happens to originals.
    deletes: DeletePlan,
    /// The manifest that takes the place of what earlier runs left: `check --against`.
    against: Option<&'a Path>,
}

impl<'a> Order<'a> {
    fn new(name: &'static str, args: &'a TransferArgs, mode: Mode) -> Result<Self, CliError> {
        let now = Timestamp::now();
        Ok(Self { name, args, job: job::job(args, mode, now)?, now, deletes: DeletePlan::Now, against: None })
    }
}

/// `copy`.
pub async fn copy(args: &TransferArgs, setting: &Setting<'_>) -> Result<Ran, CliError> {
    Box::pin(execute(Order::new("copy", args, Mode::Copy)?, setting)).await
}

/// `sync`.
pub async fn sync(args: &SyncArgs, setting: &Setting<'_>) -> Result<Ran, CliError> {
    let mut order = Order::new("sync", &args.transfer, Mode::Sync)?;
    order.job = Job { delete_extra: args.delete, delete_excluded: args.delete_excluded, ..order.job };
    Box::pin(execute(order, setting)).await
}

/// `migrate`.
pub async fn migrate(args: &MigrateArgs, setting: &Setting<'_>) -> Result<Ran, CliError> {
    let mut order = Order::new("migrate", &args.transfer, Mode::Migrate)?;
    order.deletes = match (&args.plan_out, &args.approved) {
        (Some(path), _) => DeletePlan::Write(path.clone()),
        (None, Some(path)) => DeletePlan::Approved(path.clone()),
        (None, None) => DeletePlan::Now,
    };
    Box::pin(execute(order, setting)).await
}

/// `plan`.
pub async fn plan(args: &PlanArgs, setting: &Setting<'_>) -> Result<Ran, CliError> {
    let (mode, name) = match args.mode {
        PlanMode::Copy if args.delete => {
            return Err(CliError::plain("`copy` deletes nothing, so --delete contradicts it")
                .hint("plan `sync --delete` with --mode sync --delete"));
        }
        PlanMode::Copy => (Mode::Copy, "copy"),
        PlanMode::Migrate if args.delete => {
            return Err(CliError::plain("`migrate` deletes originals, nothing of the target, so --delete contradicts it")
                .hint("leave --delete out, or plan `sync --delete` with --mode sync --delete"));
        }
        PlanMode::Sync => (Mode::Sync, "sync"),
        PlanMode::Migrate => (Mode::Migrate, "migrate"),
    };
    let mut order = Order::new(name, &args.transfer, mode)?;
    order.job = Job { effect: Effect::Dry, delete_extra: args.delete, ..order.job };
    Box::pin(execute(order, setting)).await
}

/// `check`.
pub async fn check(args: &CheckArgs, setting: &Setting<'_>) -> Result<Ran, CliError> {
    let mut order = Order::new("check", &args.transfer, Mode::Check)?;
    order.job = Job { effect: Effect::Real, content: args.content, one_way: args.one_way, ..order.job };
    order.against = args.against.as_deref();
    if order.against.is_some() {
        order.job.compare = CompareMode::Manifest;
    }
    Box::pin(execute(order, setting)).await
}

/// What a run tells and writes.
struct Telling {
    counters: Arc<Counters>,
    progress: Arc<Progress>,
    observer: Arc<dyn Observer>,
}

impl Telling {
    fn new(args: &TransferArgs, job: &Job, setting: &Setting<'_>) -> Result<Self, CliError> {
        let global = setting.global;
        let counters = Arc::new(Counters::default());
        let progress = Arc::new(Progress::new(global));
        let mut observers: Vec<Arc<dyn Observer>> = vec![counters.clone(), progress.clone()];
        observers.extend(setting.observer());
        if let Some(path) = &args.output.events {
            let file = EventFile::create(path).map_err(|error| {
                CliError::new(format!("cannot write the events {}", path.display()), error)
                    .hint("name a file that can be written with --events")
            })?;
            observers.push(Arc::new(file));
        }
        if job.effect == Effect::Dry && !global.json && !global.quiet {
            observers.push(Arc::new(PlanLines));
        }
        Ok(Self { counters, progress, observer: Arc::new(Fanout(observers)) })
    }
}

/// Prints a line for each thing that a plan would do.
struct PlanLines;

impl Observer for PlanLines {
    fn observe(&self, event: &Event<'_>) {
        use brigade_core::outcome::{Done, Planned};
        let Event::Decided(outcome) = event else { return };
        let line = match &outcome.result {
            Done::Planned { what: Planned::Copy, why } => {
                format!("copy    {} ({why}, {})", outcome.key, indicatif::HumanBytes(outcome.size))
            }
            Done::Planned { what: Planned::DeleteTarget, why } => format!("delete  {} from the target ({why})", outcome.key),
            _ => return,
        };
        say!("{line}");
    }
}

async fn execute(order: Order<'_>, setting: &Setting<'_>) -> Result<Ran, CliError> {
    let (args, job, global) = (order.args, &order.job, setting.global);
    entries::refuse_deletes(&args.entries, job)?;
    let config = setting.config()?;
    let report_file = args.output.report.as_deref().map(ReportFile::create).transpose()?;
    let telling = Telling::new(args, job, setting)?;
    let mut opener = Opener::new(config, args.sides.requests.clone(), telling.observer.clone())?.among(setting.together());
    let (source, target) = places::open_both(args, &mut opener).await?;
    refuse_two_providers(job, &source, &target)?;
    refuse_foreign_etags(job, &source, &target)?;
    let Listed { source, target, from } = entries::of_job(args, job, (source, target), &mut opener).await?;
    let run_id = setting.run();
    let start = RunStart {
        run: run_id.clone(),
        command: order.name.to_owned(),
        started: seconds(order.now),
        source: source.shown.clone(),
        target: target.shown.clone(),
    };
    let state = RunState::open(&args.output, job, (&source.place, &target.place), start, order.against).await?;
    let approved = state.approve(&order.deletes)?;
    for warning in state.warnings() {
        tracing::warn!("{warning}");
    }
    let run = Run {
        job: job.clone(),
        observer: telling.observer.clone(),
        shown: (source.shown.clone(), target.shown.clone()),
        id: run_id.as_str().into(),
        journal: state.journal(),
        baseline: state.baseline(),
        clean_records: state.clean_records(),
        resume: if args.output.fresh { Resume::StartOver } else { Resume::Continue },
        deletes: order.deletes.clone(),
        division: DivisionLimits::default(),
        budget: setting.budget(job.memory_bytes),
        cpu: CpuLane::Threads,
        stop: setting.stop(),
        now: order.now,
    };
    let finished = brigade_pipeline::run(run, ends(&source, &target, job)).await;
    telling.progress.finish();
    telling.observer.observe(&Event::Phase(Phase::Reporting));

    let head = ReportHead { resumed_from: state.resumed_from(), ..head(&order, &run_id, (&source, &target), &finished, &telling.counters) };
    let extras = Extras { source_entries: from, ..extras(&finished, job) };
    let journal = state.journal();
    let directory = state.directory();
    if let Some(directory) = &directory {
        kept::keep(directory, &head, &extras, &*journal).await;
    }
    write_reports(report_file, global, &head, &extras, &*journal).await?;
    let failures = brigade_pipeline::report::first_failures(&*journal, FAILURES_SHOWN_MAX).await.unwrap_or_default();
    drop(journal);
    let end = RunEnd {
        outcome: name_of(finished.outcome),
        ending: finished.ending,
        finished: head.finished.clone(),
        totals: head.totals,
        delete_plan: finished.plan.as_ref().map(|plan| plan.blake3.clone()).or(approved),
    };
    let manifest = state.finish(&end, args.output.manifest_out.as_deref()).await;
    // Where not one listing page came, there is nothing to sum up: the error says it all.
    let began = finished.reason.is_none() || head.totals.requests.list > 0;
    if began && !global.json && !global.quiet {
        let objects = &head.totals.objects;
        let known = (objects.failed + objects.skipped).max(finished.recorded.differs);
        let total = known.max(u64::try_from(failures.len()).unwrap_or(0));
        let kept =
            Kept { manifest: manifest.as_ref().ok().and_then(Option::as_ref), plan: finished.plan.as_ref(), deletes: &order.deletes };
        let _ = write!(std::io::stdout().lock(), "{}", summary(&head, &extras, job, &kept, &failures, total));
    }
    let reason = finished.reason.as_ref().map(|reason| CliError::fatal(reason, &source.shown, &target.shown));
    if let Some(reason) = reason.as_ref().filter(|_| setting.is_of_person()) {
        eprintln!("{reason}");
    }
    manifest?;
    let reason = reason.map(|reason| reason.sentence());
    Ok(Ran { code: ExitCode::from(head.outcome.exit_code()), head, directory, reason })
}

/// No provider copies to another one, and `--server-side always` allows no other way.
fn refuse_two_providers(job: &Job, source: &Opened, target: &Opened) -> Result<(), CliError> {
    let copies = job.mode != Mode::Check && job.server_side == ServerSide::Always;
    if !copies || target.server_copy(source).is_some() {
        return Ok(());
    }
    let places = format!("{} and {} are not reached by one endpoint", source.shown, target.shown);
    Err(CliError::new("`--server-side always` cannot be kept", places).hint("leave the option out: bytes then pass through this machine"))
}

/// Only S3 has ETags that tell how an object was cut.
fn refuse_foreign_etags(job: &Job, source: &Opened, target: &Opened) -> Result<(), CliError> {
    match [source, target].into_iter().find(|end| job.preserve_etag && !end.is_s3()) {
        None => Ok(()),
        Some(other) => Err(CliError::plain(format!("--preserve-etag needs S3 at both ends, and {} is none", other.shown))
            .hint("leave the option out: manifests and checksums tell whether two copies are equal")),
    }
}

fn extras(finished: &Finished, job: &Job) -> Extras {
    Extras {
        source_proven: finished.recorded.source_proven,
        dropped: finished.recorded.dropped.clone(),
        delete_rule: finished.delete_rule,
        delete_plan: finished.plan.clone(),
        forecast: (job.effect == Effect::Dry).then_some(finished.recorded.forecast),
        cannot_carry: if job.effect == Effect::Dry { finished.cannot_carry.clone() } else { Vec::new() },
        source_entries: None,
        reason: finished.reason.as_ref().map(ToString::to_string),
    }
}

/// The word that report and history use.
pub fn name_of(outcome: RunOutcome) -> String {
    serde_json::to_value(outcome).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn ends(source: &Opened, target: &Opened, job: &Job) -> Ends {
    let deleter = |opened: &Opened| -> Option<Deleter> {
        let handle = opened.delete.clone();
        Some(Box::new(move |_token| handle))
    };
    Ends {
        source: source.reading.clone(),
        target: target.store.clone(),
        server_copy: target.server_copy(source),
        target_prefix: target.prefix.clone(),
        source_deleter: if job.mode == Mode::Migrate { deleter(source) } else { None },
        target_deleter: if job.delete_extra { deleter(target) } else { None },
    }
}

fn head(order: &Order<'_>, run: &str, places: (&Opened, &Opened), finished: &Finished, counters: &Counters) -> ReportHead {
    let mut totals = finished.recorded.totals;
    totals.requests = counters.requests();
    counters.fill(&mut totals.bytes);
    counters.fill_peak(&mut totals.peak);
    totals.peak.in_flight_bytes = finished.peak_bytes;
    totals.peak.memory_bytes = peak_memory().unwrap_or_default();
    ReportHead {
        schema: SCHEMA.to_owned(),
        run: run.to_owned(),
        command: order.name.to_owned(),
        source: places.0.shown.clone(),
        target: places.1.shown.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: seconds(order.now),
        finished: seconds(Timestamp::now()),
        resumed_from: None,
        outcome: finished.outcome,
        totals,
    }
}

fn seconds(time: Timestamp) -> String {
    time.round(jiff::Unit::Second).unwrap_or(time).to_string()
}

/// Peak resident memory as Linux counts it.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

async fn write_reports(
    file: Option<ReportFile>,
    global: &Global,
    head: &ReportHead,
    extras: &Extras,
    journal: &dyn Journal,
) -> Result<(), CliError> {
    if let Some(file) = file {
        file.finish(head, extras, journal).await?;
    }
    if global.json {
        let mut output = std::io::stdout();
        brigade_pipeline::report::write(&mut output, head, extras, journal)
            .await
            .map_err(|error| CliError::new("cannot print the report", error))?;
    }
    Ok(())
}
