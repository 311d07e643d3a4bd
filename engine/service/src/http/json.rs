//! What is known, as JSON. Keys of objects and messages of stores are strings in it, whatever they hold.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use brigade_core::recovery::{AgeBand, Lag};
use brigade_core::schedule::{Schedule, Waiting};
use brigade_state::ledger::Unrecorded;
use brigade_state::survey;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::findings::{self, Wanted};
use super::{Site, runs};
use crate::board::{Board, JobStatus};
use crate::limits::{REPORT_BYTES_MAX, RUNS_CHARTED_MAX};
use crate::live::Live;

/// All jobs, by name, each with its last runs.
pub(super) async fn jobs(site: &Site, board: &Board, now: Timestamp) -> Value {
    let runs = site.runs.of_all(board, &site.state_dir).await;
    let one = |(name, status): (&String, &JobStatus)| {
        let mut job = standing(board, name, status, now);
        let last = runs.get(name).map(|runs| runs[runs.len().saturating_sub(RUNS_CHARTED_MAX)..].to_vec());
        job["runs"] = Value::Array(last.unwrap_or_default());
        job
    };
    let jobs: Vec<Value> = board.jobs.iter().map(one).collect();
    json!({
        "schema": "brigade.jobs/1",
        "now": now,
        "may_change": site.token.is_some(),
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
pub(super) async fn job(site: &Site, name: &str, now: Timestamp) -> Option<Value> {
    let board = &*site.wall.read();
    let status = board.jobs.get(name)?;
    let mut job = standing(board, name, status, now);
    let runs = match runs::Stand::of(board, name, status, &site.state_dir) {
        Some(stand) => tokio::task::spawn_blocking(move || stand.runs()).await.unwrap_or_default(),
        None => Vec::new(),
    };
    job["schema"] = json!("brigade.job/1");
    job["now"] = json!(now);
    job["may_change"] = json!(site.token.is_some());
    job["runs"] = Value::Array(runs);
    job["failed"] = json!(status.live.as_ref().map(|live| live.failed()).unwrap_or_default());
    let events: Vec<_> = site.wall.events.kept().into_iter().filter(|event| event.job.as_deref() == Some(name)).collect();
    job["events"] = json!(events);
    Some(job)
}

/// A run under way, or the report of one that ended; `None` where neither is known.
pub(super) async fn run(board: &Board, run: &str, state_dir: &Path) -> Result<Option<Bytes>, String> {
    if let Some((name, live)) = under_way(board, run) {
        let value = json!({"schema": "brigade.run/1", "job": name, "progress": live.progress(), "failed": live.failed()});
        return Ok(Some(Bytes::from(value.to_string())));
    }
    let report = kept(board, run, state_dir, report).await?;
    let empty = |run| {
        let mut report = runs::empty_report(run);
        report["failures"] = json!([]);
        Bytes::from(report.to_string())
    };
    Ok(report.or_else(|| unrecorded(board, run).map(empty)))
}

/// How far a run under way is, or what the report of one that ended says, with the failures of both by kind; `None` where neither is
/// known.
pub(super) async fn summary(board: &Board, run: &str, state_dir: &Path) -> Result<Option<Value>, String> {
    if let Some((name, live)) = under_way(board, run) {
        let failures = findings::of_live(live);
        return Ok(Some(json!({"schema": "brigade.summary/1", "job": name, "progress": live.progress(), "failures": failures})));
    }
    let summary = kept(board, run, state_dir, |path| findings::summary(path).map_err(unread)).await?;
    Ok(summary.or_else(|| unrecorded(board, run).map(|run| findings::nothing(&runs::empty_report(run)))))
}

/// The next failures of one kind of a run that ended; `None` where its report is not kept.
pub(super) async fn failures(board: &Board, run: &str, state_dir: &Path, wanted: Wanted) -> Result<Option<Value>, String> {
    kept(board, run, state_dir, move |path| findings::slice(path, &wanted).map_err(unread)).await
}

fn under_way<'a>(board: &'a Board, run: &str) -> Option<(&'a String, &'a Live)> {
    board.jobs.iter().find_map(|(name, status)| Some((name, status.live.as_deref().filter(|live| live.run == run)?)))
}

/// A run that came to nothing, and left no report.
fn unrecorded<'a>(board: &'a Board, run: &str) -> Option<&'a Unrecorded> {
    board.jobs.values().flat_map(|status| &status.ledger.unrecorded).find(|one| one.run == run)
}

/// Reads the report of a run that ended, where it is kept.
async fn kept<T: Send + 'static>(
    board: &Board,
    run: &str,
    state_dir: &Path,
    read: impl FnOnce(&Path) -> Result<T, String> + Send + 'static,
) -> Result<Option<T>, String> {
    let own = board.config.jobs.values().map(|job| board.config.state_dir(job, state_dir));
    let mut states: Vec<PathBuf> = own.chain([state_dir.to_owned()]).collect();
    states.sort();
    states.dedup();
    let run = run.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        states.iter().find_map(|state| survey::kept_report(state, &run)).map(|path| read(&path)).transpose()
    });
    read.await.unwrap_or_else(|_| Err("the report could not be read".to_owned()))
}

fn unread(error: std::io::Error) -> String {
    format!("the report cannot be read: {error}")
}

fn report(path: &Path) -> Result<Bytes, String> {
    let mut text = Vec::new();
    std::fs::File::open(path).map_err(unread)?.take(REPORT_BYTES_MAX + 1).read_to_end(&mut text).map_err(unread)?;
    if u64::try_from(text.len()).is_ok_and(|bytes| bytes > REPORT_BYTES_MAX) {
        return Err("the report is too long to be shown here: `brigade report RUN --json` prints it".to_owned());
    }
    Ok(text.into())
}

fn standing(board: &Board, name: &str, status: &JobStatus, now: Timestamp) -> Value {
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
        "schedule": job.and_then(|job| job.schedule.as_ref()).map(schedule),
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

/// A schedule in words.
fn schedule(schedule: &Schedule) -> String {
    match schedule {
        Schedule::Cron { cron, zone } => format!("{cron} ({})", zone.iana_name().unwrap_or("its own time zone")),
        Schedule::Every(period) => format!("every {:#}", period.length()),
    }
}

fn band(band: &AgeBand) -> Value {
    json!({"up_to_seconds": band.up_to.map(|up_to| up_to.as_secs()), "objects": band.objects})
}
