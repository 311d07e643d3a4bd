//! copy, sync, migrate, plan and check: one path, five ways to call it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use brigade_core::event::{Event, Observer, Phase, Side};
use brigade_core::job::{Effect, Job, Mode};
use brigade_core::location::{BucketPath, Location, Overlap, overlap};
use brigade_core::report::{ReportHead, SCHEMA};
use brigade_core::{ErrorKind, Key, KeyRange};
use brigade_pipeline::counters::Fanout;
use brigade_pipeline::report::Extras;
use brigade_pipeline::run::Deleter;
use brigade_pipeline::{Counters, Ends, Finished, Run};
use brigade_state::Ledger;
use jiff::Timestamp;

use crate::args::{CheckArgs, Global, PlanArgs, PlanMode, SyncArgs, TransferArgs};
use crate::config::Config;
use crate::error::CliError;
use crate::events::EventFile;
use crate::open::{Opened, Opener, Reach};
use crate::progress::Progress;
use crate::report_file::ReportFile;
use crate::summary::{FAILURES_SHOWN_MAX, summary};
use crate::{commands, interrupt, job, say};

/// `copy`.
pub async fn copy(args: &TransferArgs, global: &Global) -> Result<ExitCode, CliError> {
    let now = Timestamp::now();
    execute("copy", args, job::job(args, Mode::Copy, now)?, global, now).await
}

/// `sync`.
pub async fn sync(args: &SyncArgs, global: &Global) -> Result<ExitCode, CliError> {
    let now = Timestamp::now();
    let job = job::job(&args.transfer, Mode::Sync, now)?;
    let job = Job { delete_extra: args.delete, delete_excluded: args.delete_excluded, ..job };
    execute("sync", &args.transfer, job, global, now).await
}

/// `migrate`.
pub async fn migrate(args: &TransferArgs, global: &Global) -> Result<ExitCode, CliError> {
    let now = Timestamp::now();
    execute("migrate", args, job::job(args, Mode::Migrate, now)?, global, now).await
}

/// `plan`.
pub async fn plan(args: &PlanArgs, global: &Global) -> Result<ExitCode, CliError> {
    let now = Timestamp::now();
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
    let job = Job { effect: Effect::Dry, delete_extra: args.delete, ..job::job(&args.transfer, mode, now)? };
    execute(name, &args.transfer, job, global, now).await
}

/// `check`.
pub async fn check(args: &CheckArgs, global: &Global) -> Result<ExitCode, CliError> {
    let now = Timestamp::now();
    let job = job::job(&args.transfer, Mode::Check, now)?;
    let job = Job { effect: Effect::Real, content: args.content, one_way: args.one_way, ..job };
    execute("check", &args.transfer, job, global, now).await
}

/// What a run tells and writes.
struct Telling {
    counters: Arc<Counters>,
    progress: Arc<Progress>,
    observer: Arc<dyn Observer>,
}

impl Telling {
    fn new(args: &TransferArgs, job: &Job, global: &Global) -> Result<Self, CliError> {
        let counters = Arc::new(Counters::default());
        let progress = Arc::new(Progress::new(global));
        let mut observers: Vec<Arc<dyn Observer>> = vec![counters.clone(), progress.clone()];
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

async fn execute(command: &str, args: &TransferArgs, job: Job, global: &Global, now: Timestamp) -> Result<ExitCode, CliError> {
    let config = Config::load(global.config.as_deref())?;
    let report_file = args.output.report.as_deref().map(ReportFile::create).transpose()?;
    let telling = Telling::new(args, &job, global)?;
    let mut opener = Opener::new(config, args.sides.requests.clone(), telling.observer.clone())?;
    let (source, target) = open_both(args, &mut opener).await?;
    let run_id = ulid::Ulid::new().to_string();
    let state = state_dir(args.output.state_dir.as_deref())?;
    let ledger = Ledger::create(&state, &run_id).map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        CliError::new(error.to_string(), cause).hint("name another directory with --state-dir")
    })?;
    let stop = interrupt::watch(interrupt::STOPPING);
    let run = Run { job: job.clone(), observer: telling.observer.clone(), ledger: ledger.clone(), stop, now };
    let finished = brigade_pipeline::run(run, ends(&source, &target, &job)).await;
    telling.progress.finish();
    telling.observer.observe(&Event::Phase(Phase::Reporting));

    let head = head(command, &run_id, (&source.shown, &target.shown), now, &finished, &telling.counters);
    let extras = Extras {
        source_proven: finished.recorded.source_proven,
        dropped: finished.recorded.dropped.clone(),
        delete_rule: finished.delete_rule,
        forecast: (job.effect == Effect::Dry).then_some(finished.recorded.forecast),
        cannot_carry: if job.effect == Effect::Dry { finished.cannot_carry.clone() } else { Vec::new() },
        reason: finished.reason.as_ref().map(ToString::to_string),
    };
    write_reports(report_file, global, &head, &extras, &ledger).await?;
    // Where not one listing page came, there is nothing to sum up: the error says it all.
    let began = finished.reason.is_none() || head.totals.requests.list > 0;
    if began && !global.json && !global.quiet {
        let failures = brigade_pipeline::report::first_failures(&ledger, FAILURES_SHOWN_MAX).await.unwrap_or_default();
        let objects = &head.totals.objects;
        let known = (objects.failed + objects.skipped).max(finished.recorded.differs);
        let total = known.max(u64::try_from(failures.len()).unwrap_or(0));
        let _ = write!(std::io::stdout().lock(), "{}", summary(&head, &extras, &job, &failures, total));
    }
    ledger.close().await;
    if let Some(reason) = &finished.reason {
        eprintln!("{}", CliError::fatal(reason, &source.shown, &target.shown));
    }
    Ok(ExitCode::from(head.outcome.exit_code()))
}

fn ends(source: &Opened, target: &Opened, job: &Job) -> Ends {
    let deleter = |opened: &Opened| -> Option<Deleter> {
        let handle = opened.delete.clone();
        Some(Box::new(move |_token| handle))
    };
    Ends {
        source: source.reading.clone(),
        target: target.store.clone(),
        target_prefix: target.prefix.clone(),
        source_deleter: if job.mode == Mode::Migrate { deleter(source) } else { None },
        target_deleter: if job.delete_extra { deleter(target) } else { None },
    }
}

async fn open_both(args: &TransferArgs, opener: &mut Opener) -> Result<(Opened, Opened), CliError> {
    let (source_location, target_location) = (commands::location(&args.source)?, commands::location(&args.target)?);
    let (source_reach, target_reach) = (Reach::source(&args.sides), Reach::target(&args.sides));
    let source = opener.open(&source_location, &source_reach, Side::Source).await?;
    let target = opener.open(&target_location, &target_reach, Side::Target).await?;
    refuse_overlap(&source, &target)?;
    let Some((parent, name)) = last_segment(&source_location) else { return Ok((source, target)) };
    if !is_one_object(&source, &parent, &name, opener, &source_reach).await? {
        return Ok((source, target));
    }
    let shown = Key::from(name.as_str());
    let one = opener.open(&parent, &source_reach, Side::Source).await?;
    let one = Opened { shown: source.shown, ..one.single(shown.clone(), shown.clone()) };
    match last_segment(&target_location).filter(|_| !is_directory(&target_location)) {
        Some((target_parent, target_name)) => {
            let target_one = opener.open(&target_parent, &target_reach, Side::Target).await?;
            let target_one = Opened { shown: target.shown, ..target_one.single(Key::from(target_name.as_str()), shown) };
            Ok((one, target_one))
        }
        None => Ok((one, target.single(shown.clone(), shown))),
    }
}

fn refuse_overlap(source: &Opened, target: &Opened) -> Result<(), CliError> {
    let how = match overlap(&source.place, &target.place) {
        Overlap::None => return Ok(()),
        Overlap::Same => "SOURCE and TARGET are the same place",
        Overlap::Inside => "SOURCE lies inside TARGET",
        Overlap::Contains => "TARGET lies inside SOURCE",
    };
    Err(CliError::new(how, format!("{} and {}", source.shown, target.shown)).hint("choose two places that share no key"))
}

/// The location above and the last segment of a location that is written without a slash at its end.
fn last_segment(location: &Location) -> Option<(Location, String)> {
    let cut = |path: &BucketPath| -> Option<(BucketPath, String)> {
        if path.prefix.is_empty() || path.prefix.ends_with('/') {
            return None;
        }
        let (parent, name) = match path.prefix.rfind('/') {
            Some(slash) => path.prefix.split_at(slash + 1),
            None => ("", path.prefix.as_str()),
        };
        Some((BucketPath { bucket: path.bucket.clone(), prefix: parent.to_owned() }, name.to_owned()))
    };
    match location {
        Location::S3(path) => cut(path).map(|(parent, name)| (Location::S3(parent), name)),
        Location::Gcs(path) => cut(path).map(|(parent, name)| (Location::Gcs(parent), name)),
        Location::Named { store, path } => cut(path).map(|(path, name)| (Location::Named { store: store.clone(), path }, name)),
        Location::Local(path) => {
            let path = Path::new(path.as_str()).to_owned();
            let name = path.file_name()?.to_str()?.to_owned();
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Some((Location::Local(parent.to_str()?.to_owned()), name)).filter(|_| !location.to_string().ends_with('/'))
        }
    }
}

fn is_directory(location: &Location) -> bool {
    matches!(location, Location::Local(path) if Path::new(path).is_dir())
}

/// Whether SOURCE is exactly one object: nothing lies under `SOURCE/`, and the key itself exists.
async fn is_one_object(source: &Opened, parent: &Location, name: &str, opener: &mut Opener, reach: &Reach) -> Result<bool, CliError> {
    if let Location::Local(directory) = parent {
        return Ok(Path::new(directory).join(name).is_file());
    }
    let failed = |error| CliError::store(format!("cannot list {}", source.shown), &error);
    if source.store.list(&KeyRange::all()).next().await.map_err(failed)?.is_some() {
        return Ok(false);
    }
    let above = opener.open(parent, reach, Side::Source).await?;
    match above.store.head(&Key::from(name)).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(CliError::store(format!("cannot look at {}", source.shown), &error)),
    }
}

/// The directory for ledgers: the option, the environment, then the user's state directory.
fn state_dir(option: Option<&Path>) -> Result<PathBuf, CliError> {
    let named =
        option.map(Path::to_owned).or_else(|| std::env::var_os("BRIGADE_STATE_DIR").filter(|path| !path.is_empty()).map(PathBuf::from));
    if let Some(path) = named {
        return Ok(path);
    }
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).or_else(|| home.map(|home| home.join(".local/state")));
    base.map(|base| base.join("brigade"))
        .ok_or_else(|| CliError::plain("there is no place for the state").hint("name a directory with --state-dir or set HOME"))
}

fn head(command: &str, run: &str, places: (&str, &str), started: Timestamp, finished: &Finished, counters: &Counters) -> ReportHead {
    let mut totals = finished.recorded.totals;
    totals.requests = counters.requests();
    counters.fill(&mut totals.bytes);
    counters.fill_peak(&mut totals.peak);
    totals.peak.in_flight_bytes = finished.peak_bytes;
    totals.peak.memory_bytes = peak_memory().unwrap_or_default();
    ReportHead {
        schema: SCHEMA.to_owned(),
        run: run.to_owned(),
        command: command.to_owned(),
        source: places.0.to_owned(),
        target: places.1.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: seconds(started),
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
    ledger: &Ledger,
) -> Result<(), CliError> {
    if let Some(file) = file {
        file.finish(head, extras, ledger).await?;
    }
    if global.json {
        let mut output = std::io::stdout();
        brigade_pipeline::report::write(&mut output, head, extras, ledger)
            .await
            .map_err(|error| CliError::new("cannot print the report", error))?;
    }
    Ok(())
}
