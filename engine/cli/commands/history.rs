//! `history` and `report`: what ran, and what a run found. Both only read.

use std::collections::{BTreeMap, HashSet};
use std::process::ExitCode;

use brigade_core::report::{FailureRecord, ReportHead};
use brigade_state::history::Record;
use brigade_state::ledger::Unrecorded;
use brigade_state::survey::{self, kept_report};
use indicatif::{HumanBytes, HumanCount};
use serde::Deserialize;

use crate::args::{Global, HistoryArgs, ReportArgs};
use crate::commands::run::read_ledger;
use crate::config::Config;
use crate::error::CliError;
use crate::say;
use crate::state::with_cause;
use crate::summary::FAILURES_SHOWN_MAX;

/// Shows the latest runs, the oldest first.
pub fn run(args: &HistoryArgs, global: &Global) -> Result<ExitCode, CliError> {
    let config = Config::load(global.config.as_deref())?;
    let mut runs: BTreeMap<String, Shown> = unrecorded(&config, args)?;
    for (state, only) in places(&config, args)? {
        let jobs = survey::survey(&state).map_err(|error| CliError::plain(with_cause(&error)))?;
        for job in jobs.iter().filter(|job| only.as_ref().is_none_or(|only| *only == job.id)) {
            let show = |record: Record| drop(runs.insert(record.run.clone(), Shown { record, reason: None }));
            if let Err(error) = survey::history(&state, &job.id, show) {
                tracing::warn!("the history of {} -> {} cannot be trusted: {}", job.source, job.target, with_cause(&error));
            }
        }
    }
    // A run's ULID begins with the time at which it began.
    let superfluous = runs.len().saturating_sub(args.last);
    if runs.is_empty() && !global.json {
        say!("no run has ended yet");
    }
    for run in runs.values().skip(superfluous) {
        match global.json {
            true => say!("{}", run.machine().map_err(|error| CliError::new("cannot print the history", error))?),
            false => say!("{}", run.person()),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A run as it is shown.
struct Shown {
    record: Record,
    /// Why it came to nothing, where no history has a record of it.
    reason: Option<String>,
}

/// Runs of which no history has a record, by their ULIDs.
fn unrecorded(config: &Config, args: &HistoryArgs) -> Result<BTreeMap<String, Shown>, CliError> {
    let mut runs = BTreeMap::new();
    for (name, job) in config.file().jobs.iter().filter(|(name, _)| args.job.as_ref().is_none_or(|job| job == *name)) {
        let ledger = read_ledger(&config.state_dir(job, args.state_dir.as_deref())?, name, job);
        let shown = |run: Unrecorded| (run.run.clone(), Shown { record: run.record(), reason: Some(run.reason) });
        runs.extend(ledger.unrecorded.into_iter().map(shown));
    }
    Ok(runs)
}

/// State directories, each with the one job to show of it.
fn places(config: &Config, args: &HistoryArgs) -> Result<Vec<(std::path::PathBuf, Option<String>)>, CliError> {
    let option = args.state_dir.as_deref();
    let Some(name) = &args.job else {
        return Ok(config.state_dirs(option)?.into_iter().map(|state| (state, None)).collect());
    };
    let job = config.job(name)?;
    let state = config.state_dir(job, option)?;
    let directory = read_ledger(&state, name, job).directory;
    Ok(directory.map(|directory| (state, Some(directory))).into_iter().collect())
}

impl Shown {
    fn person(&self) -> String {
        let Record { run, started, command, outcome, source, target, .. } = &self.record;
        let what = self.reason.clone().unwrap_or_else(|| counts(&self.record));
        format!("{run}  {started}  {command} {outcome}  {source} -> {target}: {what}")
    }

    /// The record as a history has it. One that is in no history follows none, and has a `reason` instead.
    fn machine(&self) -> serde_json::Result<String> {
        let Some(reason) = &self.reason else { return serde_json::to_string(&self.record) };
        let mut value = serde_json::to_value(&self.record)?;
        if let Some(fields) = value.as_object_mut() {
            fields.remove("previous");
            fields.insert("reason".to_owned(), reason.as_str().into());
        }
        Ok(value.to_string())
    }
}

fn counts(record: &Record) -> String {
    let objects = &record.objects;
    let failing = if objects.failed + objects.skipped > 0 {
        format!(", {} failed, {} skipped", HumanCount(objects.failed), HumanCount(objects.skipped))
    } else {
        String::new()
    };
    let copied = format!("{} copied ({})", HumanCount(objects.copied), HumanBytes(record.bytes.copied));
    format!("{} listed, {copied}{failing}", HumanCount(objects.listed))
}

/// Why there is no report: a run that came to nothing left a reason instead.
fn no_report(config: &Config, args: &ReportArgs) -> CliError {
    let all = HistoryArgs { job: None, last: usize::MAX, state_dir: args.state_dir.clone() };
    let reason = unrecorded(config, &all).ok().and_then(|mut runs| runs.remove(&args.run)?.reason);
    match reason {
        Some(reason) => CliError::new(format!("the run `{}` failed before there was anything to report", args.run), reason),
        None => CliError::plain(format!("no report of a run `{}` is kept", args.run))
            .hint("`brigade history` shows the runs; of each job the latest reports are kept"),
    }
}

/// A report as it is kept.
#[derive(Deserialize)]
struct Kept {
    #[serde(flatten)]
    head: ReportHead,
    #[serde(default)]
    failures: Vec<FailureRecord>,
}

/// Shows the report of a run.
pub fn report(args: &ReportArgs, global: &Global) -> Result<ExitCode, CliError> {
    let config = Config::load(global.config.as_deref())?;
    let states: HashSet<_> = config.state_dirs(args.state_dir.as_deref())?.into_iter().collect();
    let Some(path) = states.iter().find_map(|state| kept_report(state, &args.run)) else {
        return Err(no_report(&config, args));
    };
    let text =
        std::fs::read_to_string(&path).map_err(|error| CliError::new(format!("cannot read the report {}", path.display()), error))?;
    if global.json {
        say!("{}", text.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let kept: Kept =
        serde_json::from_str(&text).map_err(|error| CliError::new(format!("the report {} is not understood", path.display()), error))?;
    let (head, objects) = (&kept.head, &kept.head.totals.objects);
    say!("{} {} -> {}", head.command, head.source, head.target);
    say!("  {} to {}: {}", head.started, head.finished, crate::commands::transfer::name_of(head.outcome));
    say!(
        "  {} listed, {} copied ({}), {} kept, {} skipped, {} failed, {} unknown",
        HumanCount(objects.listed),
        HumanCount(objects.copied),
        HumanBytes(head.totals.bytes.copied),
        HumanCount(objects.kept),
        HumanCount(objects.skipped),
        HumanCount(objects.failed),
        HumanCount(objects.unknown)
    );
    say!("  deleted: {} of the source, {} of the target", HumanCount(objects.deleted_source), HumanCount(objects.deleted_target));
    let proof = &head.totals.proof;
    say!("  proven: {} by content, {} as stored, {} by transport", proof.content, proof.stored, proof.transport);
    for failure in kept.failures.iter().take(FAILURES_SHOWN_MAX) {
        say!("  {}: {}", failure.key.escape_debug(), failure.message);
    }
    if kept.failures.len() > FAILURES_SHOWN_MAX {
        say!("  and {} more: --json has them all", HumanCount(u64::try_from(kept.failures.len() - FAILURES_SHOWN_MAX).unwrap_or(u64::MAX)));
    }
    Ok(ExitCode::SUCCESS)
}
