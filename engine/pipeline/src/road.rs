//! Whether objects may be copied inside the provider, as far as this run has found out.
//!
//! The endpoint is asked once for each kind of copy, with the first object that would go this way: a run that copies nothing asks
//! nothing. Where the answer is no, or the first copy is refused, the way stays closed for the rest of the run. A copy inside the
//! provider must never be weaker than the write that it stands for: the version of the source has to be pinned, and the condition
//! of the target honoured wherever that of a write is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use brigade_core::ErrorKind;
use brigade_store::{CopyBy, Facts, Honoured, Origin, Result, ServerCopy, StoreError};
use parking_lot::RwLock;
use tokio::sync::OnceCell;

/// A road from the source to the target that does not pass this machine.
pub struct Road {
    copy: Arc<dyn ServerCopy>,
    whole: Lane,
    parts: Lane,
}

/// One kind of copy.
#[derive(Default)]
struct Lane {
    /// The condition of the target, where the lane is passable.
    asked: OnceCell<Honoured>,
    /// Why it is not passable any more.
    closed: RwLock<Option<StoreError>>,
    /// Whether any copy went through.
    travelled: AtomicBool,
}

impl Road {
    /// A road of which nothing is known.
    pub fn new(copy: Arc<dyn ServerCopy>) -> Self {
        Self { copy, whole: Lane::default(), parts: Lane::default() }
    }

    /// Who copies.
    pub fn copier(&self) -> &dyn ServerCopy {
        &*self.copy
    }

    fn lane(&self, by: CopyBy) -> &Lane {
        match by {
            CopyBy::Whole => &self.whole,
            CopyBy::Parts => &self.parts,
        }
    }

    /// Whether the lane may be used: the answer says how far the condition of the target is honoured, the error why not.
    pub async fn passable(&self, origin: &Origin<'_>, by: CopyBy, target: &Facts) -> Result<Honoured> {
        let lane = self.lane(by);
        let open = || lane.closed.read().clone().map_or(Ok(()), Err);
        let ask = || async {
            // Whoever asked before may have been refused.
            open()?;
            self.ask(origin, by, target).await.inspect_err(|error| self.refused(by, error))
        };
        open()?;
        lane.asked.get_or_try_init(ask).await.copied()
    }

    async fn ask(&self, origin: &Origin<'_>, by: CopyBy, target: &Facts) -> Result<Honoured> {
        let facts = self.copy.probe(origin, by).await?;
        let lacks = |what: &str| StoreError::new(ErrorKind::Unsupported, format!("the endpoint ignores {what} of a server-side copy"));
        if !facts.pinned.is_yes() {
            return Err(lacks("the version of the source"));
        }
        let (here, of_writes) = match by {
            CopyBy::Whole => (facts.conditional, target.conditional_put),
            CopyBy::Parts => (target.conditional_complete, target.conditional_complete),
        };
        if of_writes.is_yes() && !here.is_yes() {
            return Err(lacks("the condition"));
        }
        Ok(here)
    }

    /// A copy was refused in a way that says something of the road, unless other copies went through.
    pub fn refused(&self, by: CopyBy, error: &StoreError) {
        let about_the_road = matches!(error.kind, ErrorKind::Denied | ErrorKind::Unsupported);
        if about_the_road && !self.lane(by).travelled.load(Ordering::Relaxed) {
            self.close(by, error);
        }
    }

    /// No object of this run goes this way any more.
    pub fn close(&self, by: CopyBy, reason: &StoreError) {
        let mut closed = self.lane(by).closed.write();
        if closed.is_none() {
            tracing::info!(?by, reason = %reason.message, "server-side copies are not used in this run");
            *closed = Some(reason.clone());
        }
    }

    /// A copy went through.
    pub fn went(&self, by: CopyBy) {
        self.lane(by).travelled.store(true, Ordering::Relaxed);
    }
}

/// Whether a refusal is of the way that was asked for: bytes that pass this machine may still arrive.
pub fn says_no_road(error: &StoreError) -> bool {
    matches!(error.kind, ErrorKind::Denied | ErrorKind::Unsupported | ErrorKind::Invalid)
}
