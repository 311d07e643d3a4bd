//! What makes a loopback connection resemble a distant store: latency, bandwidth, and refusal of what comes too fast.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::limits::BURST_MILLIS;
use crate::stats::Access;

/// How the server behaves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shaping {
    /// From the end of a request to the first byte of its answer.
    pub(crate) latency: Duration,
    /// Bytes of bodies a second, of all connections and both directions together.
    pub(crate) bandwidth_bytes: Option<u64>,
    /// Writes a second that are accepted.
    pub(crate) writes_per_second: Option<u64>,
    /// Reads and listings a second that are accepted.
    pub(crate) reads_per_second: Option<u64>,
}

/// The shaping in force.
#[derive(Debug)]
pub(crate) struct Shaper {
    latency: Duration,
    bandwidth: Option<Pace>,
    writes: Option<Pace>,
    reads: Option<Pace>,
}

/// A virtual clock that runs ahead by what was taken. Ahead of now by more than the burst means too fast.
#[derive(Debug)]
struct Pace {
    per_second: u64,
    due: Mutex<Instant>,
}

impl Pace {
    fn new(per_second: u64) -> Self {
        Self { per_second: per_second.max(1), due: Mutex::new(Instant::now()) }
    }

    fn cost(&self, units: u64) -> Duration {
        let nanos = u128::from(units) * 1_000_000_000 / u128::from(self.per_second);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Takes one unit, unless that would be more than the burst too early.
    fn take(&self) -> bool {
        let now = Instant::now();
        let mut due = self.due.lock().expect("no thread panics with it");
        let next = (*due).max(now) + self.cost(1);
        let early = next > now + Duration::from_millis(BURST_MILLIS).max(self.cost(1));
        if !early {
            *due = next;
        }
        !early
    }

    /// Takes many units and says when they are due.
    fn reserve(&self, units: u64) -> Instant {
        let mut due = self.due.lock().expect("no thread panics with it");
        *due = (*due).max(Instant::now()) + self.cost(units);
        *due
    }
}

/// The shortest wait that a timer of a millisecond's grain can make.
const WAIT_MIN: Duration = Duration::from_millis(1);

impl Shaper {
    /// Puts a shaping into force.
    pub(crate) fn new(shaping: &Shaping) -> Self {
        Self {
            latency: shaping.latency,
            bandwidth: shaping.bandwidth_bytes.map(Pace::new),
            writes: shaping.writes_per_second.map(Pace::new),
            reads: shaping.reads_per_second.map(Pace::new),
        }
    }

    /// Whether a request is not too fast.
    pub(crate) fn admits(&self, access: Access) -> bool {
        let pace = match access {
            Access::Read => &self.reads,
            Access::Write => &self.writes,
        };
        pace.as_ref().is_none_or(Pace::take)
    }

    /// Waits as long as the answer would have been under way.
    pub(crate) async fn delay(&self) {
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
    }

    /// Waits until so many bytes fit through the line.
    pub(crate) async fn pass(&self, bytes: usize) {
        let Some(pace) = &self.bandwidth else { return };
        let due = pace.reserve(u64::try_from(bytes).expect("a length"));
        if due.saturating_duration_since(Instant::now()) >= WAIT_MIN {
            tokio::time::sleep_until(due.into()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_at_once_beyond_the_burst_is_refused() {
        let shaper = Shaper::new(&Shaping { writes_per_second: Some(1_000), ..Shaping::default() });
        let accepted = (0..1_000).filter(|_| shaper.admits(Access::Write)).count();
        assert!((50..500).contains(&accepted), "{accepted}");
        assert!((0..1_000).all(|_| shaper.admits(Access::Read)));
    }
}
