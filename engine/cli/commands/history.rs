//! `history` and `report`: what ran, and what a run found. Both only read.

use std::collections::HashSet;
use std::process::ExitCode;

use brigade_core::report::{FailureRecord, ReportHead};
use brigade_state::history::Record;
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
    let mut records: Vec<Record> = Vec::new();
    for (state, only) in places(&config, args)? {
        let jobs = survey::survey(&state).map_err(|error| CliError::plain(with_cause(&error)))?;
        for job in jobs.iter().filter(|job| only.as_ref().is_none_or(|only| *only == job.id)) {
            if let Err(error) = survey::history(&state, &job.id, |record| records.push(record)) {
                tracing::warn!("the history of {} -> {} cannot be trusted: {}", job.source, job.target, with_cause(&error));
            }
        }
    }
    // A run's ULID begins with the time at which it began.
    records.sort_by(|one, other| one.run.cmp(&other.run));
    let superfluous = records.len().saturating_sub(args.last);
    if records.is_empty() && !global.json {
        say!("no run has ended yet");
    }
    for record in &records[superfluous..] {
        match global.json {
            true => say!("{}", serde_json::to_string(record).map_err(|error| CliError::new("cannot print the history", error))?),
            false => say!("{}", person(record)),
        }
    }
    Ok(ExitCode::SUCCESS)
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

fn person(record: &Record) -> String {
    let objects = &record.objects;
    let failing = if objects.failed + objects.skipped > 0 {
        format!(", {} failed, {} skipped", HumanCount(objects.failed), HumanCount(objects.skipped))
    } else {
        String::new()
    };
    let copied = format!("{} copied ({})", HumanCount(objects.copied), HumanBytes(record.bytes.copied));
    format!(
        "{}  {}  {} {}  {} -> {}: {} listed, {copied}{failing}",
        record.run,
        record.started,
        record.command,
        record.outcome,
        record.source,
        record.target,
        HumanCount(objects.listed)
    )
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
    let path = states.iter().find_map(|state| kept_report(state, &args.run)).ok_or_else(|| {
        CliError::plain(format!("no report of a run `{}` is kept", args.run))
            .hint("`brigade history` shows the runs; of each job the latest reports are kept")
    })?;
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
