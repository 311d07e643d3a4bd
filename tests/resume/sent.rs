//! What arrived at the target, run by run, and what of it had arrived before: the price of a kill.
//!
//! A body that came twice is charged to the kill after which it had to be sent again. A kill may cost what was in flight, and what
//! had arrived within one commit window before it, because its note may not have been durable yet.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use brigade_lab::door::{Arrival, Counters};

/// The journal's window (`COMMIT_WINDOW` of the state crate), and what a busy machine may add: from the last byte at the server
/// to the answer, the note, the commit and its sync, each waiting for one of two processors that other tests use as well.
pub const WINDOW: Duration = Duration::from_millis(100 + 400);

/// What the sample's keys end in; bodies of probes and of other keys are not counted.
pub const SUFFIX: &[u8] = b".bin";

struct Seen {
    arrival: Arrival,
    at: Instant,
    run: usize,
}

/// All arrivals of a series of runs.
pub struct Sent {
    counters: Arc<Counters>,
    looked: usize,
    seen: Vec<Seen>,
}

/// What one kill cost. Bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Price {
    /// Received by all runs until then.
    pub received_bytes: u64,
    /// Received once more because of this kill, and bodies that it broke off.
    pub twice_bytes: u64,
    /// The most that was allowed.
    pub bound_bytes: u64,
}

impl Sent {
    /// Begins to watch.
    pub fn new(counters: &Arc<Counters>) -> Self {
        counters.start_log();
        Self { counters: Arc::clone(counters), looked: 0, seen: Vec::new() }
    }

    /// Takes note of what came since the last look, for this run. How many bodies came in this run so far.
    pub fn look(&mut self, run: usize) -> u64 {
        let fresh = self.counters.arrivals_from(self.looked);
        self.looked += fresh.len();
        let at = Instant::now();
        let counted = fresh.into_iter().filter(|arrival| arrival.key.ends_with(SUFFIX));
        self.seen.extend(counted.map(|arrival| Seen { arrival, at, run }));
        u64::try_from(self.seen.iter().rev().take_while(|seen| seen.run == run).count()).unwrap()
    }

    /// The price of each kill; `kills` are the instants at which the runs 0, 1, .. ended. Fails where a body that came twice had
    /// come long before the kill, or twice in one run.
    pub fn prices(&self, kills: &[Instant]) -> Vec<Price> {
        let mut prices = vec![Price::default(); kills.len()];
        let mut last: HashMap<([u8; 16], u64), (usize, Instant)> = HashMap::new();
        for Seen { arrival, at, run } in &self.seen {
            for price in prices.iter_mut().skip(*run) {
                price.received_bytes += arrival.bytes;
            }
            let killed = kills.get(*run);
            let Some(md5) = arrival.md5 else {
                let price = prices.get_mut(*run).expect("only a kill breaks a body off");
                price.twice_bytes += arrival.bytes;
                price.bound_bytes += arrival.bytes;
                continue;
            };
            if killed.is_some_and(|killed| killed.saturating_duration_since(*at) <= WINDOW) {
                prices[*run].bound_bytes += arrival.bytes;
            }
            let Some((before, came)) = last.insert((md5, arrival.bytes), (*run, *at)) else { continue };
            let what = format!("`{}` {:?}, {} bytes", String::from_utf8_lossy(&arrival.key), arrival.part, arrival.bytes);
            assert!(before < *run, "{what} came twice in run {run}");
            let early = kills[before].saturating_duration_since(came);
            assert!(early <= WINDOW, "{what} came {early:?} before kill {before} and again in run {run}");
            prices[before].twice_bytes += arrival.bytes;
        }
        prices
    }
}
