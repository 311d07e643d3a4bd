//! What the loop knows, as everybody else may read it.
//!
//! The loop puts up a new board after each turn; a reader takes the one that hangs there and keeps it. Ages are reckoned when they are
//! read, from the moment up to which a copy is proven, so a board that is old makes no copy young.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use brigade_config::{Config, Job};
use brigade_core::recovery::{Ahead, Lag, Standing, lag, standing};
use brigade_core::report::RunOutcome;
use brigade_core::schedule::JobView;
use brigade_state::ledger::Ledger;
use jiff::{SignedDuration, Timestamp};
use parking_lot::RwLock;
use tokio::time::Instant;

use crate::events::EventLog;
use crate::limits::STALE_AFTER;
use crate::live::{Live, Tally};
use crate::webhook::Deliveries;

/// Outcomes of runs, in the order of their indices.
pub(crate) const OUTCOMES: [RunOutcome; 5] =
    [RunOutcome::Done, RunOutcome::Partial, RunOutcome::Refused, RunOutcome::Interrupted, RunOutcome::Failed];

/// The word of an outcome, as reports have it.
pub(crate) fn outcome_word(outcome: RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Done => "done",
        RunOutcome::Partial => "partial",
        RunOutcome::Refused => "refused",
        RunOutcome::Interrupted => "interrupted",
        RunOutcome::Failed => "failed",
    }
}

/// One job as it stands.
#[derive(Clone)]
pub(crate) struct JobStatus {
    /// As the scheduler has it.
    pub(crate) view: JobView,
    /// What its runs have shown.
    pub(crate) ledger: Arc<Ledger>,
    /// The run under way.
    pub(crate) live: Option<Arc<Live>>,
    /// The sums of all runs that ended since the process began.
    pub(crate) tally: Arc<Tally>,
    /// How many of them ended how, by [`OUTCOMES`].
    pub(crate) ended: [u64; 5],
    /// The moment at which a clean run ended last.
    pub(crate) last_success: Option<Timestamp>,
    /// The objective.
    pub(crate) recovery_point: Option<SignedDuration>,
}

impl JobStatus {
    /// The age of the copy.
    pub(crate) fn lag(&self, now: Timestamp) -> Lag {
        lag(self.ledger.frontier.proven_through(), now)
    }

    /// How it stands to its objective, where it has one. What is expected of the run under way, or of the next one, is that it takes as
    /// long as the longest.
    pub(crate) fn standing(&self, now: Timestamp) -> Option<Standing> {
        let begins = self.view.running.map(|(_, since)| since).or(self.view.next);
        let ends = begins.and_then(|begins| begins.checked_add(self.ledger.longest_run().unwrap_or_default()).ok());
        Some(standing(self.ledger.frontier.proven_through(), self.recovery_point?, now, Ahead { ends }))
    }

    /// The sums of all runs since the process began, with the one under way.
    pub(crate) fn totals(&self) -> Tally {
        let mut totals = Tally::clone(&self.tally);
        if let Some(live) = &self.live {
            totals.add(&live.tally());
        }
        totals
    }
}

/// Everything that can be read.
#[derive(Clone)]
pub(crate) struct Board {
    /// The configuration that counts.
    pub(crate) config: Arc<Config>,
    /// By name; a job that the configuration has no more stands here while it runs.
    pub(crate) jobs: BTreeMap<String, JobStatus>,
    /// The last turn of the loop.
    pub(crate) turned: Option<Instant>,
    /// The service starts nothing any more.
    pub(crate) is_stopping: bool,
    /// When the configuration was last understood.
    pub(crate) loaded: Timestamp,
    /// Why the last reading of the configuration was refused.
    pub(crate) not_loaded: Option<String>,
    /// Why the memory could not be written.
    pub(crate) not_remembered: Option<String>,
    /// How the notifications stand.
    pub(crate) deliveries: Deliveries,
}

/// Why the service should not be counted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unwell {
    /// The loop has not turned for too long.
    Hung,
    /// It has not turned yet.
    Starting,
    /// It stops.
    Stopping,
    /// What must outlive the process cannot be written.
    Forgetful,
}

impl Unwell {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Hung => "the loop hangs",
            Self::Starting => "it is starting",
            Self::Stopping => "it is stopping",
            Self::Forgetful => "the state directory cannot be written",
        }
    }
}

impl Board {
    /// The definition of a job; `None` for one that only its last run keeps here.
    pub(crate) fn job(&self, name: &str) -> Option<&Job> {
        self.config.jobs.get(name)
    }

    /// Whether the process works at all.
    pub(crate) fn health(&self, now: Instant) -> Result<(), Unwell> {
        let is_stale = |turned: Instant| now.saturating_duration_since(turned) > STALE_AFTER;
        if self.turned.is_some_and(is_stale) { Err(Unwell::Hung) } else { Ok(()) }
    }

    /// Whether it does what it is there for.
    pub(crate) fn readiness(&self, now: Instant) -> Result<(), Unwell> {
        self.health(now)?;
        match self {
            Self { turned: None, .. } => Err(Unwell::Starting),
            Self { is_stopping: true, .. } => Err(Unwell::Stopping),
            Self { not_remembered: Some(_), .. } => Err(Unwell::Forgetful),
            _ => Ok(()),
        }
    }
}

/// The place where the board hangs, with the log of events beside it.
pub(crate) struct Wall {
    board: RwLock<Arc<Board>>,
    pub(crate) events: EventLog,
}

impl Wall {
    pub(crate) fn new(board: Board, events: EventLog) -> Self {
        Self { board: RwLock::new(Arc::new(board)), events }
    }

    pub(crate) fn read(&self) -> Arc<Board> {
        self.board.read().clone()
    }

    pub(crate) fn put(&self, board: Board) {
        *self.board.write() = Arc::new(board);
    }
}

/// The objective of a job as spans are reckoned.
pub(crate) fn recovery_point(point: Option<Duration>) -> Option<SignedDuration> {
    point.map(|point| SignedDuration::try_from(point).unwrap_or(SignedDuration::MAX))
}
