//! The byte budget: how many object bytes may be in memory at once (p08).
//!
//! A run by itself has a budget of its own; runs of one process have shares of one [`Pool`], which says who gets what. Claims of a run
//! are granted in the order in which they were asked for. A claim waits while holding nothing, and whoever holds one needs no other to
//! give it back, so claims cannot wait for each other in a circle: the pool counts on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use brigade_store::shares::{Claim, Pool, Share};

use crate::limits::CLAIM_BYTES_MIN;

/// The budget. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Budget {
    share: Share,
    used: Arc<AtomicU64>,
    peak: Arc<AtomicU64>,
}

/// A granted claim; dropping it gives the bytes back.
#[derive(Debug)]
pub struct Held {
    _claim: Claim,
    bytes: u64,
    used: Arc<AtomicU64>,
}

impl Budget {
    /// A budget of this many bytes.
    pub fn new(bytes: u64) -> Self {
        Self::of(Pool::new(bytes, 1).share(bytes.max(CLAIM_BYTES_MIN), 1))
    }

    /// A share of what several runs have together.
    pub fn of(share: Share) -> Self {
        Self { share, used: Arc::default(), peak: Arc::default() }
    }

    /// Waits until `bytes` may be held. A claim on more than everything takes everything.
    pub async fn claim(&self, bytes: u64) -> Held {
        let claim = self.share.claim(bytes.max(CLAIM_BYTES_MIN)).await;
        let now = self.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(now, Ordering::Relaxed);
        Held { _claim: claim, bytes, used: self.used.clone() }
    }

    /// Most bytes that were held at once.
    pub fn peak_bytes(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// Bytes that this run can have at any time, whatever others do.
    pub fn floor_bytes(&self) -> u64 {
        self.share.floor()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn p08_no_more_than_the_budget_is_held() {
        let budget = Budget::new(1 << 20);
        let one = budget.claim(700 << 10).await;
        let wait = Duration::from_secs(1);
        assert!(tokio::time::timeout(wait, budget.claim(400 << 10)).await.is_err());
        drop(one);
        let two = tokio::time::timeout(wait, budget.claim(400 << 10)).await.expect("the first claim was given back");
        assert_eq!(budget.peak_bytes(), 700 << 10);
        drop(two);
        assert!(tokio::time::timeout(wait, budget.claim(u64::MAX >> 1)).await.is_ok(), "a claim on more than everything takes everything");
    }

    #[tokio::test(start_paused = true)]
    async fn p08_two_runs_together_hold_no_more_than_their_pool() {
        let pool = Pool::new(1 << 20, 2);
        let (one, other) = (Budget::of(pool.share(u64::MAX, 1)), Budget::of(pool.share(u64::MAX, 1)));
        let wait = Duration::from_secs(1);
        let lent = one.claim(700 << 10).await;
        assert!(tokio::time::timeout(wait, other.claim(400 << 10)).await.is_err(), "324 KiB are left");
        let floor = tokio::time::timeout(wait, other.claim(other.floor_bytes())).await.expect("its floor is left");
        assert!(tokio::time::timeout(wait, one.claim(100 << 10)).await.is_err());
        drop((lent, floor));
    }
}
