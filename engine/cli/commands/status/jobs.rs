//! `status` of configured jobs: how old each copy is, whether it may be, and what comes next.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use brigade_core::recovery::{Ahead, Lag, Level, Standing, lag, standing};
use brigade_state::ledger::Ledger;
use brigade_state::survey::{Surveyed, survey};
use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::{Value, json};

use crate::args::Global;
use crate::commands::run::{BREACHED, read_ledger};
use crate::config::Config;
use crate::error::CliError;
use crate::say;
use crate::state::with_cause;

/// One job as it stands.
struct Row<'a> {
    name: &'a str,
    ledger: Ledger,
    running_since: Option<String>,
    lag: Lag,
    recovery_point: Option<SignedDuration>,
    standing: Option<Standing>,
    next: Option<Timestamp>,
    paused: bool,
}

/// Shows every configured job; exit code 3 where a recovery point is breached.
pub fn run(config: &Config, state_dir: Option<&Path>, global: &Global) -> Result<ExitCode, CliError> {
    let now = Timestamp::now();
    let mut surveyed: BTreeMap<PathBuf, Vec<Surveyed>> = BTreeMap::new();
    let mut rows = Vec::new();
    for (name, job) in &config.file().jobs {
        let state = config.state_dir(job, state_dir)?;
        let ledger = read_ledger(&state, name, job);
        if !surveyed.contains_key(&state) {
            let found = survey(&state).map_err(|error| CliError::plain(with_cause(&error)))?;
            surveyed.insert(state.clone(), found);
        }
        let known = surveyed.get(&state).map(Vec::as_slice).unwrap_or_default();
        let own = known.iter().find(|found| Some(&found.id) == ledger.directory.as_ref() && found.holder.is_some());
        let running_since = own.and_then(|found| found.current.as_ref()).map(|run| run.start.started.clone());
        let frontier = ledger.frontier.proven_through();
        let recovery_point = config.file().recovery_point(job).and_then(|point| SignedDuration::try_from(point).ok());
        let next = config.file().timing(name).filter(|_| !job.paused).and_then(|timing| timing.next_due(now));
        let ahead = Ahead { ends: next.and_then(|next| next.checked_add(ledger.longest_run().unwrap_or_default()).ok()) };
        let standing = recovery_point.map(|point| standing(frontier, point, now, ahead));
        rows.push(Row { name, running_since, lag: lag(frontier, now), recovery_point, standing, next, paused: job.paused, ledger });
    }
    match global.json {
        true => say!(
            "{}",
            json!({"schema": "brigade.status/1", "now": now, "jobs": rows.iter().map(|row| machine(row, now)).collect::<Vec<_>>()})
        ),
        false => table(&rows).into_iter().chain(rows.iter().filter_map(trouble)).for_each(|line| say!("{line}")),
    }
    let is_breached = rows.iter().filter_map(|row| row.standing).any(|standing| standing.level == Level::Breached);
    Ok(if is_breached { ExitCode::from(BREACHED) } else { ExitCode::SUCCESS })
}

fn machine(row: &Row<'_>, now: Timestamp) -> Value {
    let seconds = match row.lag {
        Lag::Known(age) => Some(age.as_secs()),
        Lag::NeverProven | Lag::ClockBehind => None,
    };
    let outstanding: Vec<Value> = row
        .ledger
        .frontier
        .histogram(now)
        .iter()
        .map(|band| json!({"up_to_seconds": band.up_to.map(|up_to| up_to.as_secs()), "objects": band.objects}))
        .collect();
    json!({
        "job": row.name,
        "running_since": row.running_since,
        "proven_through": row.ledger.frontier.proven_through(),
        "lag_seconds": seconds,
        "recovery_point_seconds": row.recovery_point.map(|point| point.as_secs()),
        "level": row.standing.map(|standing| standing.level),
        "breach_at": row.standing.and_then(|standing| standing.breach_at),
        "outstanding": outstanding,
        "last": row.ledger.last,
        "longest_run_seconds": row.ledger.longest_run().map(|longest| longest.as_secs()),
        "next": row.next,
        "paused": row.paused,
    })
}

/// Why the last run of a job did not end as promised, below the table.
fn trouble(row: &Row<'_>) -> Option<String> {
    let last = row.ledger.last.as_ref().filter(|_| row.running_since.is_none())?;
    Some(format!("{}: the last run ended `{}`: {}", row.name, last.outcome, last.reason.as_ref()?))
}

/// A table with one line for each job, every column as wide as it must be.
fn table(rows: &[Row<'_>]) -> Vec<String> {
    let head = ["JOB", "COPY", "AGE", "MAY BE", "LAST RUN", "NEXT"].map(str::to_owned);
    let lines: Vec<[String; 6]> = std::iter::once(head).chain(rows.iter().map(cells)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    let aligned =
        |line: &[String; 6]| line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect::<Vec<_>>().join("  ");
    lines.iter().map(|line| aligned(line).trim_end().to_owned()).collect()
}

fn cells(row: &Row<'_>) -> [String; 6] {
    let level = match row.standing.map(|standing| standing.level) {
        Some(Level::Met) => "ok",
        Some(Level::AtRisk) => "at risk",
        Some(Level::Breached) => "BREACHED",
        None => "-",
    };
    let age = match row.lag {
        Lag::Known(age) => format!("{:#}", age.round(Unit::Second).unwrap_or(age)),
        lag => lag.to_string(),
    };
    let last = match (&row.running_since, &row.ledger.last) {
        (Some(since), _) => format!("running since {since}"),
        (None, Some(last)) => format!("{} {}", last.outcome, last.ended.round(Unit::Second).unwrap_or(last.ended)),
        (None, None) => "none".into(),
    };
    let next = match (row.paused, row.next) {
        (true, _) => "paused".to_owned(),
        (false, Some(next)) => next.to_string(),
        (false, None) => "-".into(),
    };
    let may_be = row.recovery_point.map_or_else(|| "-".to_owned(), |point| format!("{point:#}"));
    [row.name.to_owned(), level.to_owned(), age, may_be, last, next]
}
