//! What every stage needs to know.

use std::sync::Arc;
use std::sync::OnceLock;

use brigade_core::event::{Observer, Side};
use brigade_core::job::{Effect, Job, Mode};
use brigade_core::outcome::Failure;
use brigade_core::verdict::{Operation, Verdict, judge};
use brigade_core::{ErrorKind, Key};
use brigade_state::{Baseline, Journal, Note, StateError};
use brigade_store::layers::limit::Limiter;
use brigade_store::{Facts, Source, StoreError, Target};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::cpu::CpuLane;
use crate::last::Last;
use crate::memory::Budget;
use crate::past::{Resumable, Retried, Suspects};
use crate::road::Road;

/// One run's surroundings.
pub struct Ctx {
    /// What is wanted.
    pub job: Job,
    /// Where objects come from.
    pub source: Arc<dyn Source>,
    /// Where they go.
    pub target: Arc<dyn Target>,
    /// Where the provider can copy by itself.
    pub road: Option<Road>,
    /// What the source can do.
    pub source_facts: Facts,
    /// What the target can do.
    pub target_facts: Facts,
    /// The byte budget.
    pub budget: Budget,
    /// How many parts of large objects are under way at once: learned, so that no more memory is used than brings something.
    pub parts: Arc<Limiter>,
    /// Where slow digests are computed.
    pub cpu: CpuLane,
    /// Who is told.
    pub observer: Arc<dyn Observer>,
    /// Source and target as they were given, for people.
    pub shown: (String, String),
    /// The run's ULID.
    pub run: Arc<str>,
    /// What is written down while the run goes on.
    pub journal: Arc<dyn Journal>,
    /// What earlier runs left known.
    pub baseline: Option<Arc<dyn Baseline>>,
    /// How many of its records the last clean run left.
    pub clean_records: Option<u64>,
    /// Uploads that earlier runs left open.
    pub resumable: Resumable,
    /// Keys that failed in earlier runs and are not proven yet.
    pub suspects: Suspects,
    /// What became of those that were tried again before everything else.
    pub retried: Retried,
    /// Those that go last.
    pub last: Last,
    /// Set when no new work may begin: what is in flight is finished.
    pub stop: CancellationToken,
    /// When the run began.
    pub now: Timestamp,
    /// Why the run cannot go on.
    pub fatal: OnceLock<Fatal>,
}

/// Why a run cannot go on.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}: {message}")]
pub struct Fatal {
    /// What it means.
    pub kind: ErrorKind,
    /// What was being done, naming the location.
    pub what: String,
    /// The cause.
    pub message: String,
}

impl Fatal {
    /// From a store's error.
    pub fn new(what: impl Into<String>, error: &StoreError) -> Self {
        Self { kind: error.kind, what: what.into(), message: error.message.clone() }
    }

    /// From the journal's error.
    pub fn state(error: &StateError) -> Self {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Self { kind: ErrorKind::Disk, what: "cannot write down what was done".into(), message: format!("{error}{cause}") }
    }
}

impl Ctx {
    /// Stops the run for a reason; only the first reason counts.
    pub fn give_up(&self, fatal: Fatal) {
        // A later reason is a consequence of the first.
        let _ = self.fatal.set(fatal);
        self.stop.cancel();
    }

    /// Turns an object's error into its failure, and stops the run where no other object can do better.
    pub fn failure(&self, what: &str, error: StoreError) -> Failure {
        if judge(error.kind, Operation::Other, u32::MAX, 1) == Verdict::Fatal {
            self.give_up(Fatal::new(what, &error));
        }
        Failure { kind: error.kind, message: error.message }
    }

    /// Whether this run leaves anything for the next one: a plan and a check do not.
    pub fn keeps_state(&self) -> bool {
        self.job.effect == Effect::Real && self.job.mode != Mode::Check
    }

    /// Whether a key is copied after all others.
    pub fn goes_last(&self, key: &Key) -> bool {
        self.keeps_state() && self.job.order_last.as_ref().is_some_and(|last| last.includes_key(key.as_bytes()))
    }

    /// Notes something in the journal; a journal that cannot be written stops the run.
    pub async fn note(&self, note: Note) {
        if let Err(error) = self.journal.note(note).await {
            self.give_up(Fatal::state(&error));
        }
    }

    /// A side's name for messages.
    pub fn side_name(side: Side) -> &'static str {
        match side {
            Side::Source => "the source",
            Side::Target => "the target",
        }
    }
}
