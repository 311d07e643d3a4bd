//! A second request for a small read that takes far longer than its like: whichever is answered well first is taken.
//!
//! It is part of one attempt: those above see one read, and those who count see that another request was made, and given up. The
//! loser is dropped, which closes its connection. Nothing but a read ever goes this way.

use brigade_core::limiter::HEDGED_BYTES_MAX;
use brigade_core::verdict::Operation;

use super::{EndGuard, Layered};
use crate::{Piece, Read, ReadRequest, Result};

/// Whether slow small reads are sent twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hedging {
    /// No read is.
    Never,
    /// A read that takes far longer than nearly all others, within a budget.
    SlowReads,
}

/// What the events call the second request of an attempt.
const FIRST_ATTEMPT: u32 = 1;

impl<S: Read + ?Sized> Layered<S> {
    /// Reads, with a second request where the first one is slow.
    pub(super) async fn read_hedged(&self, request: &ReadRequest<'_>) -> Result<Piece> {
        let layers = &self.layers;
        let small = layers.hedging == Hedging::SlowReads && request.size <= HEDGED_BYTES_MAX;
        let Some(after) = small.then(|| layers.limiter.hedge_after()).flatten() else {
            return self.inner.read(request).await;
        };
        let mut first = self.inner.read(request);
        if let Ok(answered) = tokio::time::timeout(after, &mut first).await {
            return answered;
        }
        let Some(_permit) = layers.limiter.try_hedge(request.size) else { return first.await };
        let _told = EndGuard::begin(layers, Operation::Get, FIRST_ATTEMPT);
        let mut second = self.inner.read(request);
        tokio::select! {
            biased;
            answered = &mut first => if answered.is_ok() { answered } else { second.await },
            answered = &mut second => if answered.is_ok() { answered } else { first.await },
        }
    }
}

#[cfg(test)]
mod tests;
