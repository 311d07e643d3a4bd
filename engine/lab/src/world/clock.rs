//! Time as the world sees it: injectable, so that a simulation decides what "modified" and "expired" mean.

use jiff::Timestamp;
use parking_lot::Mutex;
use std::fmt::Debug;
use std::time::Duration;

/// Tells the world the time.
pub trait LabClock: Debug + Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl LabClock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that moves only when told to.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// Stands still at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self(Mutex::new(start))
    }

    /// Jumps to a moment, in either direction.
    pub fn set(&self, to: Timestamp) {
        *self.0.lock() = to;
    }

    /// Moves forward; stops at the end of representable time.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock();
        *now = now.saturating_add(by).unwrap_or(Timestamp::MAX);
    }
}

impl LabClock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }
}
