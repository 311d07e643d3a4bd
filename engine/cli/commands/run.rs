//! `run JOB`: the job's command with the job's options, exactly as if it had been typed, and what it shows of the age of the copy.

use std::path::Path;
use std::process::ExitCode;

use brigade_config::{Job, TenantLimits};
use brigade_core::recovery::{Ahead, Level, Standing, Swept, standing};
use brigade_core::report::RunOutcome;
use brigade_state::ledger::{Ended, Ledger, Unrecorded};
use clap::Parser;
use jiff::{SignedDuration, Timestamp};

use crate::args::{Cli, Command, Global, MigrateArgs, RunArgs, SyncArgs, TransferArgs};
use crate::commands::transfer::{self, Ran};
use crate::config::Config;
use crate::error::CliError;
use crate::gate;
use crate::job::MEMORY_BYTES_MIN;
use crate::setting::Setting;

/// Exit code of a breached recovery point.
pub const BREACHED: u8 = 3;

/// The option of a run that only says what it would do.
const DRY_RUN: &str = "--dry-run";

/// Runs a configured job.
pub async fn run(args: &RunArgs, global: &Global) -> Result<ExitCode, CliError> {
    let config = Config::load(global.config.as_deref())?;
    let job = config.job(&args.job)?;
    wait_for_those_before(&config, args, job)?;
    let report = args.report.as_ref().map(|path| format!("--report={}", path.display()));
    let dry_run = args.dry_run.then(|| DRY_RUN.to_owned());
    let state = config.state_dir(job, args.state_dir.as_deref())?;
    let asked = Asked { name: &args.job, state: &state, words: report.into_iter().chain(dry_run).collect(), cap: Cap::default() };
    let Made { result, ledger } = make(&config, &asked, &Setting::of_person(global)).await?;
    if args.dry_run {
        return result.map(|ran| ran.code);
    }
    let code = match result {
        Ok(ran) if ran.head.outcome == RunOutcome::Interrupted => return Ok(ran.code),
        Ok(ran) => ran.code,
        Err(error) => error.show(),
    };
    match stands(&config, job, &ledger, Timestamp::now()) {
        Some(standing) if standing.level == Level::Breached => {
            eprintln!("the recovery point of `{}` is breached: the age of the copy is {}", args.job, standing.lag);
            Ok(ExitCode::from(BREACHED))
        }
        _ => Ok(code),
    }
}

/// A run of a job as somebody asks for it.
pub struct Asked<'a> {
    /// The job's name.
    pub name: &'a str,
    /// Where the job's state is kept.
    pub state: &'a Path,
    /// Options beside those of the job.
    pub words: Vec<String>,
    /// What it may use at most.
    pub cap: Cap,
}

/// What a run may use at most, whatever its options say: what several runs have together leaves no more to one of them.
#[derive(Clone, Debug, Default)]
pub struct Cap {
    /// Object bytes in memory.
    pub memory_bytes: Option<u64>,
    /// Requests at once at each endpoint.
    pub concurrency: Option<usize>,
    /// The limits of the tenant, and how many of its runs have them together.
    pub of_tenant: Option<(TenantLimits, u64)>,
}

/// A run that was made, and what is known of the age of the copy after it.
pub struct Made {
    /// The run.
    pub result: Result<Ran, CliError>,
    /// As it is written down.
    pub ledger: Ledger,
}

/// Makes a run of a job, and writes down what it shows of the age of the copy.
pub async fn make(config: &Config, asked: &Asked<'_>, setting: &Setting<'_>) -> Result<Made, CliError> {
    let (name, state) = (asked.name, asked.state);
    let job = config.job(name)?;
    let began = Timestamp::now();
    let result = match command(config, asked) {
        Ok(mut command) => match Box::pin(gate::pass(&mut command, job, setting)).await {
            Ok(()) => Box::pin(execute(command, setting)).await,
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    let mut ledger = read_ledger(state, name, job);
    if note(&mut ledger, &result, asked, job, (setting, began))
        && let Err(error) = ledger.write(state, name)
    {
        tracing::warn!("the age of the copy could not be written down, so the next look takes it for older: {error}");
    }
    Ok(Made { result, ledger })
}

/// Notes what a run has shown, or that it came to nothing; says whether there was anything to note. A dry run leaves nothing, and one
/// that met another run of its places, or was interrupted at the gate, was none.
fn note(ledger: &mut Ledger, result: &Result<Ran, CliError>, asked: &Asked<'_>, job: &Job, begun: (&Setting<'_>, Timestamp)) -> bool {
    let (setting, began) = begun;
    match result {
        Ok(ran) => match ended(ran, job, began) {
            Some(ended) => ledger.note(ended),
            None => return false,
        },
        Err(error) if error.outcome() == RunOutcome::Interrupted || error.is_held() || asked.words.iter().any(|word| word == DRY_RUN) => {
            return false;
        }
        Err(error) => ledger.note_unrecorded(Unrecorded {
            run: setting.run(),
            command: job.mode.command().to_owned(),
            source: job.source.to_string(),
            target: job.target.to_string(),
            began,
            ended: Timestamp::now(),
            outcome: transfer::name_of(error.outcome()),
            reason: error.sentence(),
        }),
    }
    true
}

/// A job that comes after others runs when the last run of each of them was clean, and not before.
fn wait_for_those_before(config: &Config, args: &RunArgs, job: &Job) -> Result<(), CliError> {
    for name in &job.after {
        let before = config.job(name)?;
        let last = read_ledger(&config.state_dir(before, args.state_dir.as_deref())?, name, before).last;
        let how = match last {
            Some(last) if last.outcome == transfer::name_of(RunOutcome::Done) => continue,
            Some(last) => format!("its last run ended `{}`", last.outcome),
            None => "it has not run yet".to_owned(),
        };
        return Err(CliError::new(format!("`{}` comes after `{name}`, which must end clean before", args.job), how)
            .hint(format!("give `brigade run {name}` first")));
    }
    Ok(())
}

/// The command line that the job is.
fn command(config: &Config, asked: &Asked<'_>) -> Result<Command, CliError> {
    let words = config.file().arguments(asked.name).expect("the job was found before");
    let state_dir = format!("--state-dir={}", asked.state.display());
    let all = ["brigade".to_owned()].into_iter().chain(words).chain([state_dir]).chain(asked.words.iter().cloned());
    let mut cli = Cli::try_parse_from(all).map_err(|error| {
        let first = error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        CliError::new(format!("[jobs.{}] cannot be run", asked.name), first)
    })?;
    if let Command::Copy(args) | Command::Sync(SyncArgs { transfer: args, .. }) | Command::Migrate(MigrateArgs { transfer: args, .. }) =
        &mut cli.command
    {
        asked.cap.hold(args);
    }
    Ok(cli.command)
}

impl Cap {
    fn hold(&self, args: &mut TransferArgs) {
        self.divide(args);
        if let Some(most) = self.memory_bytes {
            args.tuning.memory = Some(args.tuning.memory.unwrap_or(most).min(most));
            args.tuning.part_size = args.tuning.part_size.map(|part| part.min(most));
        }
        if let Some(most) = self.concurrency {
            args.sides.requests.concurrency = args.sides.requests.concurrency.within(most);
        }
    }

    /// What several runs of a tenant use together was given to each of them whole.
    fn divide(&self, args: &mut TransferArgs) {
        let Some((limits, parts)) = self.of_tenant.as_ref().filter(|(_, parts)| *parts > 1) else { return };
        let requests = &mut args.sides.requests;
        if let Some(most) = limits.memory_bytes {
            args.tuning.memory = Some((most / parts).max(MEMORY_BYTES_MIN).min(args.tuning.memory.unwrap_or(most)));
        }
        if let Some(most) = limits.concurrency {
            requests.concurrency = requests.concurrency.within(usize::try_from((most / parts).max(1)).unwrap_or(usize::MAX));
        }
        if limits.bandwidth.is_some() {
            requests.bandwidth = requests.bandwidth.as_ref().map(|own| own.part(*parts));
        }
        if limits.requests_per_second.is_some() {
            let parts = f64::from(u32::try_from(*parts).unwrap_or(u32::MAX));
            requests.requests_per_second = requests.requests_per_second.map(|own| own / parts);
        }
    }
}

async fn execute(command: Command, setting: &Setting<'_>) -> Result<Ran, CliError> {
    match command {
        Command::Copy(args) => Box::pin(transfer::copy(&args, setting)).await,
        Command::Sync(args) => Box::pin(transfer::sync(&args, setting)).await,
        Command::Migrate(args) => Box::pin(transfer::migrate(&args, setting)).await,
        _ => Err(CliError::plain("a job is copy, sync or migrate")),
    }
}

/// The run as the ledger takes it. None for a run that left no state.
fn ended(ran: &Ran, job: &Job, began: Timestamp) -> Option<Ended> {
    let objects = &ran.head.totals.objects;
    let is_whole = matches!(ran.head.outcome, RunOutcome::Done | RunOutcome::Partial) && objects.unknown == 0;
    Some(Ended {
        run: ran.head.run.clone(),
        began,
        ended: Timestamp::now(),
        outcome: transfer::name_of(ran.head.outcome),
        swept: if is_whole { Swept::Whole } else { Swept::Part },
        failing: objects.failed + objects.skipped,
        held_back: SignedDuration::try_from(job.held_back).unwrap_or(SignedDuration::MAX),
        directory: ran.directory.as_ref()?.file_name()?.to_str()?.to_owned(),
        reason: ran.reason.clone(),
    })
}

/// The ledger of a job. One that cannot be read says nothing: the copy then counts as never proven until the next clean run.
pub fn read_ledger(state: &Path, name: &str, job: &Job) -> Ledger {
    Ledger::read(state, name, &job.selection()).unwrap_or_else(|error| {
        tracing::warn!("what is known of the job `{name}` cannot be read, so its copy counts as never proven: {error}");
        Ledger::empty(&job.selection())
    })
}

/// How a job stands to its recovery point, where it has one.
pub fn stands(config: &Config, job: &Job, ledger: &Ledger, now: Timestamp) -> Option<Standing> {
    let point = SignedDuration::try_from(config.file().recovery_point(job)?).ok()?;
    Some(standing(ledger.frontier.proven_through(), point, now, Ahead::default()))
}
