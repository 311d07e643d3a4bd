//! The last runs of every job, for the overview: a history is read once for each run that ended, and not once for each look.
//!
//! Histories grow for years and are verified as a whole whenever they are read, so a page that is open must not read them again and
//! again. What is kept here is a copy for the eye; nothing is decided by it.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use brigade_core::report::{ReportHead, RunOutcome, SCHEMA, Totals};
use brigade_state::history::Record;
use brigade_state::ledger::Unrecorded;
use brigade_state::survey;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::board::{Board, JobStatus, OUTCOMES, outcome_word};
use crate::limits::RUNS_SHOWN_MAX;

/// The last runs of a job, the newest last.
pub(super) type Runs = Arc<Vec<Value>>;

/// What was read of each job, and of which state of its history.
#[derive(Default)]
pub(crate) struct RunsKept(Mutex<BTreeMap<String, (Stand, Runs)>>);

/// Where a job's runs are written down, and the run that they end with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stand {
    state: PathBuf,
    directory: Option<String>,
    /// Runs of which no history has a record.
    unrecorded: Vec<Unrecorded>,
    last: Option<String>,
}

impl RunsKept {
    /// The last runs of all jobs; those of a job whose history cannot be read are none.
    pub(super) async fn of_all(&self, board: &Board, state_dir: &Path) -> BTreeMap<String, Runs> {
        let stands = stands(board, state_dir);
        let stale: Vec<(String, Stand)> = {
            let mut kept = self.0.lock();
            kept.retain(|job, _| stands.contains_key(job));
            let is_stale = |job: &String, stand: &Stand| kept.get(job).is_none_or(|(known, _)| known != stand);
            stands.into_iter().filter(|(job, stand)| is_stale(job, stand)).collect()
        };
        if !stale.is_empty() {
            let read = move || {
                let all = stale.into_iter().map(|(job, stand)| {
                    let runs = Arc::new(stand.runs());
                    (job, (stand, runs))
                });
                all.collect::<Vec<_>>()
            };
            // Reading that panics leaves what is kept as it is.
            let read = tokio::task::spawn_blocking(read).await.unwrap_or_default();
            self.0.lock().extend(read);
        }
        self.0.lock().iter().map(|(job, (_, runs))| (job.clone(), runs.clone())).collect()
    }
}

fn stands(board: &Board, state_dir: &Path) -> BTreeMap<String, Stand> {
    let stand = |(name, status): (&String, &JobStatus)| Some((name.clone(), Stand::of(board, name, status, state_dir)?));
    board.jobs.iter().filter_map(stand).collect()
}

impl Stand {
    /// That of one job; `None` where the configuration has it no more.
    pub(super) fn of(board: &Board, job: &str, status: &JobStatus, state_dir: &Path) -> Option<Self> {
        let ledger = &status.ledger;
        Some(Self {
            state: board.config.state_dir(board.job(job)?, state_dir),
            directory: ledger.directory.clone(),
            unrecorded: ledger.unrecorded.clone(),
            last: ledger.last.as_ref().map(|last| last.run.clone()),
        })
    }

    /// The last of the runs that the history has and of those that none has, the newest last: a run's ULID begins with the time at
    /// which it began.
    pub(super) fn runs(&self) -> Vec<Value> {
        let recorded = self.directory.as_ref().map(|directory| recorded(&self.state, directory)).unwrap_or_default();
        let others = self.unrecorded.iter().map(|run| shown(run.record(), Some(&run.reason)));
        let runs: BTreeMap<String, Value> = others.chain(recorded.into_iter().map(|record| shown(record, None))).collect();
        let superfluous = runs.len().saturating_sub(RUNS_SHOWN_MAX);
        runs.into_values().skip(superfluous).collect()
    }
}

/// The last runs in a history. One that cannot be trusted shows none.
fn recorded(state: &Path, directory: &str) -> VecDeque<Record> {
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

fn shown(record: Record, reason: Option<&String>) -> (String, Value) {
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
    (record.run, value)
}

/// The report that a run would have left which came to nothing: none of its failures, for there are none.
pub(super) fn empty_report(run: &Unrecorded) -> Value {
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
    report
}
