//! When a second request for the same small read is worth sending: long after nearly all others were answered, and seldom.
//!
//! One slow answer in a hundred sets the pace of a run with many small objects, and a second request is usually answered at once
//! ("The Tail at Scale", Dean and Barroso, 2013). It costs the endpoint a request, so there is a budget, and none is sent to an endpoint
//! that has complained. Only reads are ever sent twice: they change nothing.

use std::time::Duration;

/// Largest read that is sent twice: up to here the answer's head is what takes time, not its body.
pub const HEDGED_BYTES_MAX: u64 = 128 * 1024;

/// Second requests for each read: the budget.
const SHARE: f64 = 0.05;

/// Second requests that may be saved up: a burst of slow answers is often one slow disk.
const SAVED_MAX: f64 = 10.0;

/// Reads that must have been seen before a tail is known.
const KNOWN_MIN: u32 = 500;

/// How much longer than 99 of 100 reads one must take, as a factor.
const BEYOND: f64 = 1.5;

/// And it must take at least this long: below, a second request gains nothing that a run would notice.
const LEAST: Duration = Duration::from_millis(5);

/// Reads after which what was seen counts half: the tail of a minute ago says little.
const HALVED_AT: u32 = 8_192;

/// Reads between two looks at the tail.
const LOOK_EVERY: u32 = 256;

/// The tail of one endpoint's small reads, and the budget.
#[derive(Debug)]
pub(super) struct Hedge {
    counts: [u32; BUCKETS],
    seen: u32,
    after: Option<Duration>,
    saved: f64,
}

/// Four for each doubling of a microsecond, up to an hour.
const BUCKETS: usize = 128;

impl Default for Hedge {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], seen: 0, after: None, saved: 0.0 }
    }
}

impl Hedge {
    /// A small read was answered well after so long.
    pub(super) fn answered(&mut self, latency: Duration) {
        self.saved = (self.saved + SHARE).min(SAVED_MAX);
        self.counts[bucket(latency)] += 1;
        self.seen += 1;
        if self.seen.is_multiple_of(LOOK_EVERY) && self.seen >= KNOWN_MIN {
            self.after = Some(self.tail().mul_f64(BEYOND).max(LEAST));
        }
        if self.seen >= HALVED_AT {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.seen = self.counts.iter().sum();
        }
    }

    /// How long a read must have taken before a second one is worth it; `None` while that is unknown or the budget is spent.
    pub(super) fn after(&self) -> Option<Duration> {
        if self.saved >= 1.0 { self.after } else { None }
    }

    /// Pays for a second request.
    pub(super) fn spend(&mut self) {
        self.saved -= 1.0;
    }

    /// What 99 of 100 reads did not take longer than, rounded up to the end of a bucket.
    fn tail(&self) -> Duration {
        let mut beyond = self.seen / 100;
        for (index, count) in self.counts.iter().enumerate().rev() {
            if *count > beyond {
                return end(index);
            }
            beyond -= count;
        }
        Duration::ZERO
    }
}

/// Which bucket holds this latency.
fn bucket(latency: Duration) -> usize {
    let micros = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX).max(4);
    let octave = micros.ilog2();
    let quarter = (micros >> (octave - 2)) & 3;
    usize::try_from((octave - 2) * 4 + quarter).expect("32 octaves of four").min(BUCKETS - 1)
}

/// The end of a bucket.
fn end(index: usize) -> Duration {
    let index = u32::try_from(index + 1).expect("there are 128 buckets");
    Duration::from_micros((u64::from(index % 4) + 4) << (index / 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_lies_within_a_quarter_below_the_end_of_its_bucket() {
        for micros in (4..200_000).chain([1_000_000, 59_999_999, 3_000_000_000]) {
            let latency = Duration::from_micros(micros);
            let end = end(bucket(latency));
            assert!(latency < end && end <= latency + latency / 4 + Duration::from_micros(1), "{latency:?} {end:?}");
        }
        assert_eq!((bucket(Duration::ZERO), bucket(Duration::MAX)), (0, 119));
    }

    #[test]
    fn a_tail_is_known_after_enough_reads_and_lies_beyond_99_of_100() {
        let mut hedge = Hedge::default();
        for read in 0..2_000_u32 {
            assert!(read >= KNOWN_MIN || hedge.after().is_none());
            hedge.answered(if read % 200 == 0 { Duration::from_secs(2) } else { Duration::from_millis(20) });
        }
        let after = hedge.after().expect("it is known");
        assert!(after > Duration::from_millis(30) && after < Duration::from_millis(40), "{after:?}");
    }

    #[test]
    fn second_requests_keep_to_their_budget_whatever_the_tail() {
        let (mut hedge, mut second) = (Hedge::default(), 0);
        for read in 0..100_000_u32 {
            // From time to time all reads become slower, and all are beyond the tail until it has followed.
            let latency = Duration::from_millis(20) * 2_u32.pow(read / 1_000 % 12);
            if hedge.after().is_some_and(|after| latency > after) {
                hedge.spend();
                second += 1;
            }
            hedge.answered(latency);
        }
        assert!((100..=5_000).contains(&second), "{second}");
    }
}
