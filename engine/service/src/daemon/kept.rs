//! What outlives the process: what the scheduler remembers, what was told already, and what is still to be told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use brigade_core::recovery::Level;
use brigade_core::schedule::Memory;
use brigade_state::StateError;
use brigade_state::service::ServiceState;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::webhook::Outbox;

/// Name and version of the shape of the file.
const SCHEMA: &str = "brigade.serve/1";

/// Everything that is kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    schema: String,
    /// What the scheduler remembers.
    pub(super) scheduler: Memory,
    /// Jobs that the configuration paused when it was read last: what it says counts when it changes, what people said meanwhile stays.
    pub(super) paused: BTreeSet<String>,
    /// By name.
    pub(super) jobs: BTreeMap<String, Known>,
    /// Notifications that nobody has taken yet.
    #[serde(default)]
    pub(super) outbox: Outbox,
}

/// What is kept of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    /// Since when it is known here.
    pub(super) since: Timestamp,
    /// How it stood to its objective when that was last told.
    pub(super) told: Option<Level>,
    /// Whether it ever had a proven copy.
    pub(super) is_proven: bool,
    /// When a clean run ended last.
    pub(super) last_success: Option<Timestamp>,
    /// Words of the endings of runs that somebody was notified of since the last clean run.
    #[serde(default)]
    pub(super) streak: BTreeSet<String>,
}

impl Kept {
    pub(super) fn new(scheduler: Memory, paused: BTreeSet<String>, jobs: BTreeMap<String, Known>, outbox: Outbox) -> Self {
        Self { schema: SCHEMA.to_owned(), scheduler, paused, jobs, outbox }
    }
}

/// Takes a state directory, with what an earlier process kept there. What cannot be understood is set aside: the service then begins
/// as on its first day, which catches up with nothing and repeats nothing.
pub(super) async fn take(state: &Path, now: Timestamp) -> Result<(ServiceState, Kept), StateError> {
    let state = state.to_owned();
    let take = move || {
        let state = ServiceState::take(&state, now)?;
        let kept = match state.remembered::<Kept>() {
            Ok(None) => Kept::default(),
            Ok(Some(kept)) if kept.schema == SCHEMA => kept,
            Ok(Some(_)) | Err(StateError::Damaged { .. }) => {
                let aside = state.set_aside()?;
                tracing::warn!("what the scheduler remembered cannot be understood and is now {}", aside.display());
                Kept::default()
            }
            Err(error) => return Err(error),
        };
        Ok((state, kept))
    };
    tokio::task::spawn_blocking(take).await.unwrap_or(Err(StateError::Closed))
}

/// Keeps what is to be kept; the error is for people.
pub(super) async fn put(state: Arc<ServiceState>, kept: Kept) -> Result<(), String> {
    let put = move || state.remember(&kept).map_err(|error| with_cause(&error));
    tokio::task::spawn_blocking(put).await.unwrap_or_else(|error| Err(error.to_string()))
}

/// The error and what is behind it.
pub(super) fn with_cause(error: &StateError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}
