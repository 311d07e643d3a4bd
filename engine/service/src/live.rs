//! What a run does while it does it: counters that the data path feeds, and that anybody may read.
//!
//! Counting never waits for a reader: everything of the hot path is an atomic. What is rare (failures, limits) is behind locks that are
//! held for a few instructions.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use brigade_core::ErrorKind;
use brigade_core::event::{Attempt, Event, Observer, Phase, Side};
use brigade_core::limiter::{Class, ClassState};
use brigade_core::outcome::Done;
use brigade_core::report::{FailureRecord, FailureStatus};
use brigade_core::schedule::Because;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;

use crate::limits::{FAILURES_KINDS_MAX, FAILURES_SHOWN_MAX, SAMPLES_MAX};

/// Both sides, in the order of their indices.
pub(crate) const SIDES: [Side; 2] = [Side::Source, Side::Target];

/// What is counted of objects, in the order of their indices.
pub(crate) const OBJECTS: [&str; 7] = ["listed", "copied", "kept", "skipped", "failed", "deleted_source", "deleted_target"];

/// What is counted of bytes, in the order of their indices.
pub(crate) const BYTES: [&str; 3] = ["read", "written", "copied"];

const LISTED: usize = 0;
const COPIED: usize = 1;
const KEPT: usize = 2;
const SKIPPED: usize = 3;
const FAILED: usize = 4;
const DELETED: [usize; 2] = [5, 6];

const READ: usize = 0;
const WRITTEN: usize = 1;
const OF_COPIES: usize = 2;

pub(crate) fn index(side: Side) -> usize {
    match side {
        Side::Source => 0,
        Side::Target => 1,
    }
}

/// Sums of one run, or of all runs of a job since the process began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// By [`OBJECTS`].
    pub(crate) objects: [u64; 7],
    /// By [`BYTES`].
    pub(crate) bytes: [u64; 3],
    /// Attempts of requests, by side and class.
    pub(crate) requests: [[u64; 4]; 2],
    /// Attempts that failed, by side and kind.
    pub(crate) failures: BTreeMap<(usize, &'static str), u64>,
}

impl Tally {
    /// Both taken together.
    pub(crate) fn add(&mut self, other: &Self) {
        let pairs = self.objects.iter_mut().zip(other.objects).chain(self.bytes.iter_mut().zip(other.bytes));
        pairs.for_each(|(to, from)| *to += from);
        let classes = self.requests.iter_mut().flatten().zip(other.requests.into_iter().flatten());
        classes.for_each(|(to, from)| *to += from);
        for (at, count) in &other.failures {
            *self.failures.entry(*at).or_default() += count;
        }
    }

    /// Answers of a side that asked to slow down.
    pub(crate) fn throttled(&self, side: usize) -> u64 {
        self.failures.get(&(side, ErrorKind::Throttled.name())).copied().unwrap_or(0)
    }
}

/// A run under way.
pub(crate) struct Live {
    pub(crate) run: String,
    pub(crate) because: Because,
    pub(crate) since: Timestamp,
    began: Instant,
    objects: [AtomicU64; 7],
    bytes: [AtomicU64; 3],
    requests: [[AtomicU64; 4]; 2],
    rare: Mutex<Rare>,
}

#[derive(Default)]
struct Rare {
    phase: Option<Phase>,
    failures: BTreeMap<(usize, &'static str), u64>,
    failed: VecDeque<FailureRecord>,
    kinds: Vec<((FailureStatus, String), u64)>,
    samples: Samples,
    limits: [[Option<ClassState>; 4]; 2],
}

/// How many bytes had moved when, from the beginning of a run to its end.
struct Samples {
    kept: Vec<(Duration, u64)>,
    /// One of so many looks is kept.
    stride: u64,
    looks: u64,
}

impl Default for Samples {
    fn default() -> Self {
        Self { kept: vec![(Duration::ZERO, 0)], stride: 1, looks: 0 }
    }
}

impl Samples {
    fn take(&mut self, after: Duration, bytes: u64) {
        self.looks += 1;
        if !self.looks.is_multiple_of(self.stride) {
            return;
        }
        self.kept.push((after, bytes));
        if self.kept.len() > SAMPLES_MAX {
            let mut number = 0_u64;
            self.kept.retain(|_| {
                number += 1;
                !number.is_multiple_of(2)
            });
            self.stride *= 2;
        }
    }
}

/// How far a run is, for people.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Progress {
    pub(crate) run: String,
    pub(crate) since: Timestamp,
    pub(crate) because: Because,
    pub(crate) phase: Option<Phase>,
    pub(crate) objects: BTreeMap<&'static str, u64>,
    pub(crate) bytes: BTreeMap<&'static str, u64>,
    pub(crate) requests: [u64; 2],
    pub(crate) throttled: [u64; 2],
    pub(crate) limits: Vec<Limit>,
    /// Milliseconds since it began, and bytes that had moved by then.
    pub(crate) moved: Vec<(u64, u64)>,
}

/// One limit with its reason.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Limit {
    pub(crate) side: Side,
    #[serde(flatten)]
    pub(crate) state: ClassState,
    pub(crate) words: String,
}

impl Live {
    pub(crate) fn new(run: &str, because: Because, since: Timestamp) -> Self {
        Self {
            run: run.to_owned(),
            because,
            since,
            began: Instant::now(),
            objects: Default::default(),
            bytes: Default::default(),
            requests: Default::default(),
            rare: Mutex::default(),
        }
    }

    /// The sums so far.
    pub(crate) fn tally(&self) -> Tally {
        Tally {
            objects: self.objects.each_ref().map(read),
            bytes: self.bytes.each_ref().map(read),
            requests: self.requests.each_ref().map(|classes| classes.each_ref().map(read)),
            failures: self.rare.lock().failures.clone(),
        }
    }

    /// The limits of each endpoint as they were told last.
    pub(crate) fn limits(&self) -> Vec<(Side, ClassState)> {
        let limits = self.rare.lock().limits;
        let of_side = |(side, classes): (Side, [Option<ClassState>; 4])| classes.into_iter().flatten().map(move |state| (side, state));
        SIDES.into_iter().zip(limits).flat_map(of_side).collect()
    }

    /// The latest keys that failed or were skipped.
    pub(crate) fn failed(&self) -> Vec<FailureRecord> {
        self.rare.lock().failed.iter().cloned().collect()
    }

    /// How many keys failed or were skipped, by what became of them and why.
    pub(crate) fn failed_kinds(&self) -> Vec<((FailureStatus, String), u64)> {
        self.rare.lock().kinds.clone()
    }

    /// Takes note of how much has moved by now.
    pub(crate) fn sample(&self) {
        let (after, bytes) = (self.began.elapsed(), self.moved());
        self.rare.lock().samples.take(after, bytes);
    }

    /// Bytes that were sent, or that the provider copied by itself.
    fn moved(&self) -> u64 {
        read(&self.bytes[WRITTEN]).max(read(&self.bytes[OF_COPIES]))
    }

    fn note(&self, record: FailureRecord) {
        let mut rare = self.rare.lock();
        match rare.kinds.iter().position(|((status, kind), _)| *status == record.status && *kind == record.kind) {
            Some(at) => rare.kinds[at].1 += 1,
            None if rare.kinds.len() < FAILURES_KINDS_MAX => rare.kinds.push(((record.status, record.kind.clone()), 1)),
            None => {}
        }
        rare.failed.push_back(record);
        if rare.failed.len() > FAILURES_SHOWN_MAX {
            rare.failed.pop_front();
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        let tally = self.tally();
        // Taken by itself: a lock inside of the expression below would be held to its end.
        let (phase, mut moved) = {
            let rare = self.rare.lock();
            (rare.phase, rare.samples.kept.clone())
        };
        moved.push((self.began.elapsed(), self.moved()));
        let milliseconds = |(after, bytes): (Duration, u64)| (u64::try_from(after.as_millis()).unwrap_or(u64::MAX), bytes);
        let limit = |(side, state): (Side, ClassState)| Limit { side, state, words: state.to_string() };
        Progress {
            run: self.run.clone(),
            since: self.since,
            because: self.because,
            phase,
            objects: OBJECTS.into_iter().zip(tally.objects).collect(),
            bytes: BYTES.into_iter().zip(tally.bytes).collect(),
            requests: tally.requests.map(|classes| classes.into_iter().sum()),
            throttled: [tally.throttled(0), tally.throttled(1)],
            limits: self.limits().into_iter().map(limit).collect(),
            moved: moved.into_iter().map(milliseconds).collect(),
        }
    }

    fn attempt(&self, attempt: &Attempt) {
        let side = index(attempt.side);
        add(&self.requests[side][Class::of(attempt.operation).index()], 1);
        add(&self.bytes[READ], attempt.read_bytes);
        add(&self.bytes[WRITTEN], attempt.written_bytes);
        if let Some(error) = attempt.error {
            *self.rare.lock().failures.entry((side, error.name())).or_default() += 1;
        }
    }
}

impl Observer for Live {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Ended(attempt) => self.attempt(attempt),
            Event::Listed(Side::Source, keys) => add(&self.objects[LISTED], u64::try_from(*keys).unwrap_or(u64::MAX)),
            Event::Deleted(side, objects) => add(&self.objects[DELETED[index(*side)]], *objects),
            Event::Limited(side, state) => self.rare.lock().limits[index(*side)][state.class.index()] = Some(*state),
            Event::Phase(phase) => self.rare.lock().phase = Some(*phase),
            Event::Decided(outcome) => {
                match &outcome.result {
                    Done::Copied(_) => {
                        add(&self.objects[COPIED], 1);
                        add(&self.bytes[OF_COPIES], outcome.size);
                    }
                    Done::Kept { .. } => add(&self.objects[KEPT], 1),
                    Done::Skipped(_) => add(&self.objects[SKIPPED], 1),
                    Done::Failed(_) => add(&self.objects[FAILED], 1),
                    _ => {}
                }
                if let Some(record) = FailureRecord::of(outcome) {
                    self.note(record);
                }
            }
            Event::Began(_) | Event::Listed(Side::Target, _) | Event::Progress(_) | Event::ListingEnded(_) => {}
        }
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use brigade_core::outcome::{Failure, Outcome};
    use brigade_core::verdict::Operation;
    use brigade_core::{Identity, Key};

    use super::*;

    fn attempt(operation: Operation, error: Option<ErrorKind>) -> Attempt {
        Attempt { side: Side::Target, operation, number: 1, read_bytes: 3, written_bytes: 5, error }
    }

    #[test]
    fn everything_is_counted_where_it_belongs() {
        let live = Live::new("01", Because::Asked, Timestamp::UNIX_EPOCH);
        live.observe(&Event::Listed(Side::Source, 4));
        live.observe(&Event::Listed(Side::Target, 9));
        live.observe(&Event::Deleted(Side::Target, 2));
        live.observe(&Event::Ended(attempt(Operation::Part, None)));
        live.observe(&Event::Ended(attempt(Operation::List, Some(ErrorKind::Throttled))));
        let outcome = |result| Outcome { key: Key::from("k"), size: 7, result };
        live.observe(&Event::Decided(&outcome(Done::Kept { source: Identity::etag("a"), proof: None, news: None })));
        let failure = Failure { kind: ErrorKind::Denied, message: "no".into() };
        live.observe(&Event::Decided(&outcome(Done::Failed(failure))));
        let tally = live.tally();
        assert_eq!((tally.objects, tally.bytes), ([4, 0, 1, 0, 1, 0, 2], [6, 10, 0]));
        assert_eq!(tally.requests, [[0; 4], [1, 0, 1, 0]]);
        assert_eq!((tally.throttled(0), tally.throttled(1)), (0, 1));
        assert_eq!(live.failed().len(), 1);
        let mut twice = tally.clone();
        twice.add(&tally);
        assert_eq!((twice.objects[0], twice.bytes[1], twice.requests[1][0], twice.throttled(1)), (8, 20, 2, 2));
    }

    #[test]
    fn what_is_kept_of_failures_is_bounded() {
        let live = Live::new("01", Because::Asked, Timestamp::UNIX_EPOCH);
        for number in 0..FAILURES_SHOWN_MAX + 5 {
            let failure = Failure { kind: ErrorKind::Denied, message: "no".into() };
            let key = Key::from(number.to_string().as_str());
            live.observe(&Event::Decided(&Outcome { key, size: 0, result: Done::Failed(failure) }));
        }
        let failed = live.failed();
        assert_eq!((failed.len(), failed[0].key.as_str()), (FAILURES_SHOWN_MAX, "5"));
        let counted = u64::try_from(FAILURES_SHOWN_MAX + 5).expect("it fits");
        assert_eq!(live.failed_kinds(), [((FailureStatus::Failed, "denied".to_owned()), counted)], "all are counted");
    }

    #[test]
    fn samples_are_bounded_and_reach_from_the_beginning_to_the_end() {
        let mut samples = Samples::default();
        for second in 1..=100_000 {
            samples.take(Duration::from_secs(second), second * 10);
        }
        let kept = &samples.kept;
        assert!((SAMPLES_MAX / 2..=SAMPLES_MAX).contains(&kept.len()), "{}", kept.len());
        assert_eq!(kept[0], (Duration::ZERO, 0));
        assert!(kept.windows(2).all(|two| two[1].0 - two[0].0 == Duration::from_secs(samples.stride)), "evenly");
        assert!(kept[kept.len() - 1].0 > Duration::from_secs(100_000 - samples.stride), "{:?}", kept[kept.len() - 1]);
    }
}
