//! What a run is, as a seam: the service decides when, somebody else does it.

use std::sync::Arc;

use async_trait::async_trait;
use brigade_config::Config;
use brigade_core::event::Observer;
use brigade_core::report::RunOutcome;
use brigade_core::schedule::Because;
use tokio_util::sync::CancellationToken;

/// A run that is to be made now.
#[derive(Clone)]
pub struct Order {
    /// The configuration as it was understood when the run was ordered: a file that changes meanwhile changes nothing.
    pub config: Arc<Config>,
    /// The job's name; the configuration has it.
    pub job: String,
    /// The ULID that the run bears.
    pub run: String,
    /// Why it starts.
    pub because: Because,
    /// Cancelled when the run should finish what is in flight, flush its journal and end.
    pub stop: CancellationToken,
    /// Takes what happens.
    pub observer: Arc<dyn Observer>,
}

/// A run that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub outcome: RunOutcome,
    /// Why it did not end as promised, for people.
    pub message: Option<String>,
}

/// Makes runs.
#[async_trait]
pub trait Runner: Send + Sync + 'static {
    /// Makes a run, from its beginning to its end. What it shows of the age of the copy stands in the job's ledger when this returns.
    /// The future may be dropped at any moment: then the next run resumes.
    async fn run(&self, order: Order) -> Ended;
}
