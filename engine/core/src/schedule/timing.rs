//! A schedule with its jitter: when an occurrence is due, which one is due next, and which was the last one due.
//!
//! The jitter of an occurrence follows from the job's name and the occurrence alone: every process comes to the same moment, also
//! after a restart, and fifty jobs of three o'clock are spread without anybody remembering how.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Schedule;

/// The first stretch of the past that is searched for an occurrence; it grows until one is found.
const LOOK_BACK_FIRST: SignedDuration = SignedDuration::from_hours(1);

/// By how much the stretch grows.
const LOOK_BACK_GROWTH: i32 = 8;

/// The finest step of time: searches are strict on one side.
const TICK: SignedDuration = SignedDuration::from_nanos(1);

/// When a job is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    schedule: Schedule,
    job: String,
    jitter_seconds: u64,
}

/// Occurrences between two instants, both excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Span {
    pub(super) after: Timestamp,
    pub(super) before: Timestamp,
}

impl Timing {
    /// The schedule of a job. An occurrence is due up to `jitter` (whole seconds count) after its time.
    pub fn new(schedule: Schedule, job: &str, jitter: Duration) -> Self {
        Self { schedule, job: job.to_owned(), jitter_seconds: jitter.as_secs() }
    }

    /// The rule.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The most by which an occurrence is put off.
    pub fn jitter(&self) -> SignedDuration {
        SignedDuration::from_secs(i64::try_from(self.jitter_seconds).unwrap_or(i64::MAX))
    }

    /// When an occurrence is due.
    pub fn due(&self, occurrence: Timestamp) -> Timestamp {
        let Some(choices) = self.jitter_seconds.checked_add(1).filter(|choices| *choices > 1) else { return occurrence };
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.job.as_bytes()).update(&[0]).update(&occurrence.as_second().to_le_bytes());
        let first = hasher.finalize().as_bytes().first_chunk::<8>().copied().unwrap_or_default();
        let seconds = i64::try_from(u64::from_le_bytes(first) % choices).unwrap_or(0);
        occurrence.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(occurrence)
    }

    /// When the job is due next.
    pub fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        self.next(now, Span { after: Timestamp::MIN, before: Timestamp::MAX }).map(|occurrence| self.due(occurrence))
    }

    /// The occurrence of the span that is due first after `now`.
    pub(super) fn next(&self, now: Timestamp, span: Span) -> Option<Timestamp> {
        let earliest = earlier(now, self.jitter() + TICK);
        if span.before <= earliest {
            return None;
        }
        let mut best: Option<(Timestamp, Timestamp)> = None;
        let mut at = earliest.max(span.after);
        while let Some(occurrence) = self.schedule.next_after(at).filter(|occurrence| *occurrence < span.before) {
            // An occurrence is never due before its time.
            if best.is_some_and(|(due, _)| occurrence >= due) {
                break;
            }
            let due = self.due(occurrence);
            if due > now {
                best = best.into_iter().chain([(due, occurrence)]).min();
            }
            at = occurrence;
        }
        best.map(|(_, occurrence)| occurrence)
    }

    /// The latest occurrence of the span that became due after `after` and not after `now`.
    pub(super) fn latest(&self, after: Timestamp, now: Timestamp, span: Span) -> Option<Timestamp> {
        let earliest = earlier(after, self.jitter() + TICK).max(span.after);
        let last = now.min(earlier(span.before, TICK));
        if after >= now || earliest >= last {
            return None;
        }
        let mut back = self.jitter() + LOOK_BACK_FIRST;
        loop {
            let from = earlier(last, back).max(earliest);
            let mut found = None;
            let mut at = from;
            while let Some(occurrence) = self.schedule.next_after(at).filter(|occurrence| *occurrence <= last) {
                let due = self.due(occurrence);
                if due > after && due <= now {
                    found = Some(occurrence);
                }
                at = occurrence;
            }
            if found.is_some() || from == earliest {
                return found;
            }
            back = back.checked_mul(LOOK_BACK_GROWTH).unwrap_or(SignedDuration::MAX);
        }
    }

    /// Whether the span has an occurrence at all.
    pub(super) fn has_any(&self, span: Span) -> bool {
        self.schedule.next_after(span.after).is_some_and(|occurrence| occurrence < span.before)
    }
}

fn earlier(instant: Timestamp, by: SignedDuration) -> Timestamp {
    instant.checked_sub(by).unwrap_or(Timestamp::MIN)
}
