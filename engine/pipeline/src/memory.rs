//! The byte budget: how many object bytes may be in memory at once (p08).
//!
//! Claims are granted in the order in which they were asked for. A claim waits while holding nothing, so claims cannot wait
//! for each other in a circle.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::CLAIM_BYTES_MIN;

/// Bytes of one semaphore permit: permits are counted in 32 bits, budgets are not.
const UNIT_BYTES: u64 = CLAIM_BYTES_MIN;

/// The budget. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Budget {
    units: Arc<Semaphore>,
    units_max: u32,
    used: Arc<AtomicU64>,
    peak: Arc<AtomicU64>,
}

/// A granted claim; dropping it gives the bytes back.
#[derive(Debug)]
pub struct Held {
    _permit: OwnedSemaphorePermit,
    bytes: u64,
    used: Arc<AtomicU64>,
}

impl Budget {
    /// A budget of this many bytes.
    pub fn new(bytes: u64) -> Self {
        let units_max = u32::try_from(bytes / UNIT_BYTES).unwrap_or(u32::MAX >> 3).clamp(1, u32::MAX >> 3);
        let permits = usize::try_from(units_max).expect("32 bits fit");
        Self { units: Arc::new(Semaphore::new(permits)), units_max, used: Arc::default(), peak: Arc::default() }
    }

    /// Waits until `bytes` may be held. A claim on more than everything takes everything.
    pub async fn claim(&self, bytes: u64) -> Held {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX).clamp(1, self.units_max);
        let permit = self.units.clone().acquire_many_owned(units).await.expect("the budget is never closed");
        let now = self.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(now, Ordering::Relaxed);
        Held { _permit: permit, bytes, used: self.used.clone() }
    }

    /// Most bytes that were held at once.
    pub fn peak_bytes(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
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
}
