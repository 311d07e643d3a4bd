//! Connections against their peers: which one is so slow that another would be better.
//!
//! A large store answers one name with many machines, and sometimes one of them, or the way to it, is slow for minutes. Each
//! large transfer over such a connection holds a permit and its memory many times as long as the others hold theirs. So every
//! large transfer is compared with the median of the last ones at the same endpoint; a connection that falls far behind several
//! times in a row is closed after its exchange, never within one.
//!
//! Fewer than half can be below a median, and what slows all of them down alike soon moves it; the budget bounds what is left.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::endpoint::Endpoint;
use crate::limits::{PEERS_KNOWN_MAX, PEERS_KNOWN_MIN, RETIRED_PER_MINUTE_MAX, SAMPLE_BYTES_MIN, SLOW_FRACTION, SLOW_IN_A_ROW};

const MINUTE: Duration = Duration::from_secs(60);

/// What one exchange moved, and how long it took from the first look at the connection to the end of the response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    pub(crate) received_bytes: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) took: Duration,
}

impl Moved {
    /// Which way most went, and how many bytes a second; nothing where too little moved to tell.
    fn pace(self) -> Option<(usize, u64)> {
        let (way, bytes) = if self.received_bytes >= self.sent_bytes { (0, self.received_bytes) } else { (1, self.sent_bytes) };
        let nanoseconds = self.took.as_nanos().max(1);
        let rate = u128::from(bytes) * 1_000_000_000 / nanoseconds;
        (bytes >= SAMPLE_BYTES_MIN).then(|| (way, u64::try_from(rate).unwrap_or(u64::MAX)))
    }
}

/// What is held against one connection.
#[derive(Debug, Default)]
pub(crate) struct Record {
    slow_in_a_row: u32,
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is as good as the others, or nothing is known against it.
    Keep,
    /// It is to be closed.
    Retire {
        /// Bytes a second of its last transfer.
        rate: u64,
        /// Those of its peers, in the middle.
        median: u64,
    },
}

/// The last large transfers of each endpoint.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    groups: Mutex<HashMap<Endpoint, Group>>,
}

impl Peers {
    /// Takes note of an exchange, and says what becomes of its connection.
    pub(crate) fn judge(&self, endpoint: &Endpoint, record: &mut Record, moved: Moved, now: Instant) -> Verdict {
        let Some((way, rate)) = moved.pace() else { return Verdict::Keep };
        self.groups.lock().entry(endpoint.clone()).or_default().judge(record, way, rate, now)
    }
}

/// The last large transfers of one endpoint: received, sent. The two ways are not compared with each other.
#[derive(Debug, Default)]
struct Group {
    rates: [VecDeque<u64>; 2],
    /// When connections were retired within the last minute.
    retired: VecDeque<Instant>,
}

impl Group {
    fn judge(&mut self, record: &mut Record, way: usize, rate: u64, now: Instant) -> Verdict {
        let rates = &mut self.rates[way];
        let median = median(rates);
        if rates.len() == PEERS_KNOWN_MAX {
            rates.pop_front();
        }
        rates.push_back(rate);
        let Some(median) = median.filter(|median| rate < median / SLOW_FRACTION) else {
            record.slow_in_a_row = 0;
            return Verdict::Keep;
        };
        record.slow_in_a_row += 1;
        while self.retired.front().is_some_and(|at| now.duration_since(*at) >= MINUTE) {
            self.retired.pop_front();
        }
        if record.slow_in_a_row < SLOW_IN_A_ROW || self.retired.len() >= RETIRED_PER_MINUTE_MAX {
            return Verdict::Keep;
        }
        self.retired.push_back(now);
        Verdict::Retire { rate, median }
    }
}

/// The rate in the middle, where enough are known.
fn median(rates: &VecDeque<u64>) -> Option<u64> {
    let mut sorted: Vec<u64> = rates.iter().copied().collect();
    let middle = sorted.len() / 2;
    (sorted.len() >= PEERS_KNOWN_MIN).then(|| *sorted.select_nth_unstable(middle).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FAST: u64 = 80_000_000;

    fn received(bytes: u64, rate: u64) -> Moved {
        Moved { received_bytes: bytes, sent_bytes: 0, took: Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / rate) }
    }

    fn endpoint() -> Endpoint {
        Endpoint::of(&http::Uri::from_static("http://bucket.example:80/")).expect("an endpoint")
    }

    /// An endpoint at which enough large transfers went at `FAST`.
    fn known() -> (Peers, Instant) {
        let (peers, now) = (Peers::default(), Instant::now());
        let mut good = Record::default();
        for _ in 0..PEERS_KNOWN_MIN {
            assert_eq!(peers.judge(&endpoint(), &mut good, received(8 << 20, FAST), now), Verdict::Keep);
        }
        (peers, now)
    }

    #[test]
    fn a_connection_is_retired_after_several_slow_transfers_in_a_row() {
        let (peers, now) = known();
        let mut slow = Record::default();
        let mut judge = |rate| peers.judge(&endpoint(), &mut slow, received(8 << 20, rate), now);
        assert_eq!(judge(FAST / 10), Verdict::Keep);
        assert_eq!(judge(FAST), Verdict::Keep, "one good transfer forgives");
        for _ in 1..SLOW_IN_A_ROW {
            assert_eq!(judge(FAST / 10), Verdict::Keep);
        }
        assert!(matches!(judge(FAST / 10), Verdict::Retire { median, .. } if median.abs_diff(FAST) < FAST / 100));
    }

    #[test]
    fn small_transfers_a_third_of_the_pace_and_the_other_way_say_nothing() {
        let (peers, now) = known();
        let mut record = Record::default();
        for _ in 0..20 {
            let small = received(SAMPLE_BYTES_MIN - 1, FAST / 100);
            let sent = Moved { received_bytes: 100, sent_bytes: 8 << 20, took: Duration::from_secs(60) };
            for moved in [small, received(8 << 20, FAST / 3), sent] {
                assert_eq!(peers.judge(&endpoint(), &mut record, moved, now), Verdict::Keep);
            }
        }
    }

    #[test]
    fn nothing_is_retired_before_enough_is_known() {
        let (peers, now) = (Peers::default(), Instant::now());
        let mut slow = Record::default();
        for number in 1..PEERS_KNOWN_MIN {
            let rate = if number % 2 == 0 { FAST } else { FAST / 100 };
            assert_eq!(peers.judge(&endpoint(), &mut slow, received(8 << 20, rate), now), Verdict::Keep);
        }
    }

    #[test]
    fn the_budget_of_a_minute_is_kept_and_comes_back() {
        let (peers, now) = known();
        let good = |peers: &Peers| {
            let mut good = Record::default();
            for _ in 0..PEERS_KNOWN_MAX {
                peers.judge(&endpoint(), &mut good, received(8 << 20, FAST), now);
            }
        };
        let retires = |peers: &Peers, now| {
            let mut slow = Record::default();
            (0..SLOW_IN_A_ROW).any(|_| peers.judge(&endpoint(), &mut slow, received(8 << 20, FAST / 10), now) != Verdict::Keep)
        };
        for _ in 0..RETIRED_PER_MINUTE_MAX {
            good(&peers);
            assert!(retires(&peers, now));
        }
        good(&peers);
        assert!(!retires(&peers, now + MINUTE / 2));
        assert!(retires(&peers, now + MINUTE));
    }

    proptest! {
        #[test]
        fn what_slows_all_connections_alike_retires_few(connections in 12_usize..64, slower in 5_u64..1_000) {
            let (peers, now) = known();
            let mut records: Vec<Record> = (0..connections).map(|_| Record::default()).collect();
            let mut retired = 0;
            for record in (0..10).flat_map(|_| 0..connections) {
                let verdict = peers.judge(&endpoint(), &mut records[record], received(8 << 20, FAST / slower), now);
                retired += usize::from(verdict != Verdict::Keep);
            }
            prop_assert_eq!(retired, 0, "the median has moved before any was slow three times");
        }
    }
}
