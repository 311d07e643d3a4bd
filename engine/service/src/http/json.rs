//! What is known, as JSON. Keys of objects and messages of stores are strings in it, whatever they hold.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read as _;
use std::path::Path;

use brigade_core::recovery::{AgeBand, Lag};
use brigade_core::report::{ReportHead, RunOutcome, SCHEMA, Totals};
use brigade_core::schedule::Waiting;
use brigade_state::history::Record;
use brigade_state::ledger::Unrecorded;
use brigade_state::survey;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::board::{Board, JobStatus, OUTCOMES, Wall, outcome_word};
use crate::limits::{REPORT_BYTES_MAX, RUNS_SHOWN_MAX};

/// All jobs, by name.
pub(super) fn jobs(board: &Board, now: Timestamp) -> Value {
    let jobs: Vec<Value> = board.jobs.iter().map(|(name, status)| summary(board, name, status, now)).collect();
    json!({
        "schema": "brigade.jobs/1",
        "now": now,
        "stopping": board.is_stopping,
        "configuration": {"loaded": board.loaded, "refused": board.not_loaded},
        "notifications": deliveries(board),
        "jobs": jobs,
    })
}

/// How the notifications stand: those that wait, and the last that do not wait any more.
pub(super) fn notifications(board: &Board, now: Timestamp) -> Value {
    let mut value = deliveries(board);
    value["schema"] = json!("brigade.notifications/1");
    value["now"] = json!(now);
    value["waiting"] = json!(board.deliveries.pending);
    value["settled"] = json!(board.deliveries.settled);
    value
}

/// How the notifications stand, in short: `trouble` is why the oldest that was tried is not delivered.
fn deliveries(board: &Board) -> Value {
    let deliveries = &board.deliveries;
    let trouble = deliveries.pending.iter().find_map(|pending| pending.trouble.as_ref());
    json!({
        "configured": deliveries.is_configured,
        "pending": deliveries.pending.len(),
        "counts": deliveries.counts,
        "trouble": trouble,
    })
}

/// One job with its last runs and what happened to it; `None` where there is none of this name.
pub(super) async fn job(wall: &Wall, name: &str, state_dir: &Path, now: Timestamp) -> Option<Value> {
    let board = &*wall.read();
    let status = board.jobs.get(name)?;
    let mut job = summary(board, name, status, now);
    let directory = status.ledger.directory.clone();
    let state = board.job(name).map(|job| board.config.state_dir(job, state_dir));
    let recorded = match state.zip(directory) {
        Some((state, directory)) => tokio::task::spawn_blocking(move || last_runs(&state, &directory)).await.unwrap_or_default(),
        None => VecDeque::new(),
    };
    job["schema"] = json!("brigade.job/1");
    job["runs"] = Value::Array(shown(recorded, &status.ledger.unrecorded));
    job["failed"] = json!(status.live.as_ref().map(|live| live.failed()).unwrap_or_default());
    let events: Vec<_> = wall.events.kept().into_iter().filter(|event| event.job.as_deref() == Some(name)).collect();
    job["events"] = json!(events);
    Some(job)
}

/// A run under way, or the report of one that ended; `None` where neither is known.
pub(super) async fn run(board: &Board, run: &str, state_dir: &Path) -> Result<Option<Bytes>, String> {
    let under_way = board.jobs.iter().find_map(|(name, status)| Some((name, status.live.as_ref().filter(|live| live.run == run)?)));
    if let Some((name, live)) = under_way {
        let value = json!({"schema": "brigade.run/1", "job": name, "progress": live.progress(), "failed": live.failed()});
        return Ok(Some(Bytes::from(value.to_string())));
    }
    let unrecorded = board.jobs.values().flat_map(|status| &status.ledger.unrecorded).find(|one| one.run == run).map(empty_report);
    let own = board.config.jobs.values().map(|job| board.config.state_dir(job, state_dir));
    let mut states: Vec<_> = own.chain([state_dir.to_owned()]).collect();
    states.sort();
    states.dedup();
    let run = run.to_owned();
    let read = tokio::task::spawn_blocking(move || match states.iter().find_map(|state| survey::kept_report(state, &run)) {
        Some(path) => report(&path).map(Some),
        None => Ok(unrecorded),
    });
    read.await.unwrap_or_else(|_| Err("the report could not be read".to_owned()))
}

/// The report that a run would have left which came to nothing.
fn empty_report(run: &Unrecorded) -> Bytes {
    let record = run.record();
    let head = ReportHead {
        schema: SCHEMA.to_owned(),
        run: record.run,
        command: record.command,
        source: record.source,
        target: record.target,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: record.started,
        finished: record.finished,
        resumed_from: None,
        outcome: OUTCOMES.into_iter().find(|outcome| outcome_word(*outcome) == run.outcome).unwrap_or(RunOutcome::Failed),
        totals: Totals::default(),
    };
    let mut report = json!(head);
    report["reason"] = json!(run.reason);
    report["failures"] = json!([]);
    Bytes::from(report.to_string())
}

fn report(path: &Path) -> Result<Bytes, String> {
    let unread = |error: std::io::Error| format!("the report cannot be read: {error}");
    let mut text = Vec::new();
    std::fs::File::open(path).map_err(unread)?.take(REPORT_BYTES_MAX + 1).read_to_end(&mut text).map_err(unread)?;
    if u64::try_from(text.len()).is_ok_and(|bytes| bytes > REPORT_BYTES_MAX) {
        return Err("the report is too long to be shown here: `brigade report RUN --json` prints it".to_owned());
    }
    Ok(text.into())
}

/// The last runs of a job, the newest last. A history that cannot be trusted shows none.
fn last_runs(state: &Path, directory: &str) -> VecDeque<Record> {
    let mut last: VecDeque<Record> = VecDeque::new();
    let visit = |record| {
        last.push_back(record);
        if last.len() > RUNS_SHOWN_MAX {
            last.pop_front();
        }
    };
    if let Err(error) = survey::history(state, directory, visit) {
        tracing::warn!("the history of {directory} cannot be trusted: {error}");
        return VecDeque::new();
    }
    last
}

/// The last of the runs that a history has and of those that none has. A run's ULID begins with the time at which it began.
fn shown(recorded: VecDeque<Record>, unrecorded: &[Unrecorded]) -> Vec<Value> {
    let others = unrecorded.iter().map(|run| (run.record(), Some(&run.reason)));
    let mut runs: BTreeMap<String, Value> = BTreeMap::new();
    for (record, reason) in others.chain(recorded.into_iter().map(|record| (record, None))) {
        let value = json!({
            "run": record.run,
            "command": record.command,
            "started": record.started,
            "finished": record.finished,
            "outcome": record.outcome,
            "objects": record.objects,
            "bytes": record.bytes,
            "proof": record.proof,
            "reason": reason,
        });
        runs.insert(record.run, value);
    }
    let superfluous = runs.len().saturating_sub(RUNS_SHOWN_MAX);
    runs.into_values().skip(superfluous).collect()
}

fn summary(board: &Board, name: &str, status: &JobStatus, now: Timestamp) -> Value {
    let standing = status.standing(now);
    let lag = status.lag(now);
    let seconds = match lag {
        Lag::Known(age) => Some(age.as_secs()),
        Lag::NeverProven | Lag::ClockBehind => None,
    };
    let waiting = status.view.waiting.as_ref().map(|(because, since, on)| {
        let on = match on {
            Waiting::Place => json!("a place"),
            Waiting::Upstream(job) => json!(format!("the job {job}")),
            Waiting::Paused => json!("somebody who resumes it"),
        };
        json!({"because": because, "since": since, "on": on})
    });
    let outstanding: Vec<Value> = status.ledger.frontier.histogram(now).iter().map(band).collect();
    let job = board.job(name);
    json!({
        "job": name,
        "source": job.map(|job| job.source.to_string()),
        "target": job.map(|job| job.target.to_string()),
        "tenant": job.and_then(|job| job.tenant.as_ref()),
        "class": job.and_then(|job| job.class.as_ref()),
        "after": job.map(|job| &job.after),
        "proven_through": status.ledger.frontier.proven_through(),
        "lag_seconds": seconds,
        "age": lag.to_string(),
        "recovery_point_seconds": status.recovery_point.map(|point| point.as_secs()),
        "level": standing.map(|standing| standing.level),
        "breach_at": standing.and_then(|standing| standing.breach_at),
        "outstanding": outstanding,
        "last": status.ledger.last,
        "last_success": status.last_success,
        "longest_run_seconds": status.ledger.longest_run().map(|longest| longest.as_secs()),
        "next": status.view.next,
        "paused": status.view.is_paused,
        "waiting": waiting,
        "running": status.live.as_ref().map(|live| live.progress()),
    })
}

fn band(band: &AgeBand) -> Value {
    json!({"up_to_seconds": band.up_to.map(|up_to| up_to.as_secs()), "objects": band.objects})
}
