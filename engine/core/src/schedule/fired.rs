//! Which occurrences of a schedule have fired: each fires at most once, whatever the clock does.
//!
//! Two values say it: how far the clock was read, and which occurrences up to the last fired one have *not* fired. Time that
//! passes without a look (the process was down, a run took long, the job was paused, the clock leapt) fires the latest occurrence
//! once and leaves the others as a hole. A clock that is put back only moves the reading back: fired occurrences stay fired, and
//! those in a hole come due again, so that a leap to a wrong year and back does not silence a job for a year.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::timing::{Span, Timing};
use crate::limits::HOLES_MAX;

/// What a job remembers of its schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fired {
    /// Everything that was due by then has been dealt with.
    read_to: Timestamp,
    /// The latest occurrence that has fired.
    through: Timestamp,
    /// Where occurrences before `through` have not fired, the oldest first. What is forgotten here counts as fired.
    holes: VecDeque<Span>,
}

impl Fired {
    /// A schedule that begins now: what lay before is no business of it.
    pub(super) fn begin(now: Timestamp) -> Self {
        Self { read_to: now, through: Timestamp::MIN, holes: VecDeque::new() }
    }

    /// Reads the clock: the latest occurrence that came due since the last reading and has not fired, if any.
    pub(super) fn read(&mut self, timing: &Timing, now: Timestamp) -> Option<Timestamp> {
        let since = self.read_to;
        self.read_to = now;
        self.spans().filter_map(|span| timing.latest(since, now, span)).max()
    }

    /// The clock was read, and nothing can have come due since.
    pub(super) fn pass(&mut self, now: Timestamp) {
        self.read_to = now;
    }

    /// When the next occurrence comes due.
    pub(super) fn next_due(&self, timing: &Timing, now: Timestamp) -> Option<Timestamp> {
        self.spans().filter_map(|span| timing.next(now, span)).map(|occurrence| timing.due(occurrence)).min()
    }

    /// An occurrence fires.
    pub(super) fn fire(&mut self, timing: &Timing, occurrence: Timestamp) {
        let (at, span) = match self.holes.iter().position(|hole| hole.after < occurrence && occurrence < hole.before) {
            Some(at) => (at, self.holes.remove(at).expect("the position was just found")),
            None => (self.holes.len(), Span { after: self.through, before: Timestamp::MAX }),
        };
        let mut rest = vec![Span { before: occurrence, ..span }];
        if span.before == Timestamp::MAX {
            self.through = occurrence;
        } else {
            rest.push(Span { after: occurrence, ..span });
        }
        for (offset, span) in rest.into_iter().filter(|span| timing.has_any(*span)).enumerate() {
            self.holes.insert(at + offset, span);
        }
        while self.holes.len() > HOLES_MAX {
            self.holes.pop_front();
        }
    }

    /// Where occurrences lie that have not fired.
    fn spans(&self) -> impl Iterator<Item = Span> {
        self.holes.iter().copied().chain([Span { after: self.through, before: Timestamp::MAX }])
    }
}
