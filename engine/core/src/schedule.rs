//! When a job is due: cron in a time zone, or every so often; and who starts next.
//!
//! Everything is a function of instants that the caller names, so a year passes in a test as fast as it can be counted.
//! Nothing here looks at a clock, reads a time zone from a disk or starts anything.
//!
//! # Local time
//! A cron expression names local times of one zone. Where a zone turns its clocks:
//! - a local time that does not exist fires once, at the first instant after the gap, together with all others of that gap;
//! - a local time that exists twice fires once, at the first of the two. An expression whose hour is `*` names no hour: it goes
//!   on through the second pass too, so that a job of every five minutes does not rest for an hour.
//!
//! `every` counts from 1970-01-01T00:00:00Z and knows no zone: `6h` is at 0, 6, 12 and 18 o'clock UTC, whenever the process began.

mod cron;
mod fired;
mod scheduler;
#[cfg(test)]
mod tests;
mod timing;

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

pub use cron::{BadCron, Cron};
pub use scheduler::{Because, Ending, Group, JobMemory, JobPlan, JobView, Memory, Priority, Scheduler, Start, Step, Waiting};
pub use timing::Timing;

use crate::limits::{EVERY_MAX, EVERY_MIN, FOLD_MAX};

/// A rule that says when a job is due.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// Local times of a zone.
    Cron {
        /// Which.
        cron: Cron,
        /// Where.
        zone: TimeZone,
    },
    /// Whole multiples of a period since 1970.
    Every(Period),
}

/// The period of `every`: whole seconds, from [`EVERY_MIN`] to [`EVERY_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period(i64);

/// A period that cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a period is whole seconds, at least a minute and at most 366 days")]
pub struct BadPeriod;

impl Period {
    /// Takes a period.
    ///
    /// # Errors
    /// When it is no whole number of seconds, or out of bounds.
    pub fn new(period: Duration) -> Result<Self, BadPeriod> {
        let whole = period.subsec_nanos() == 0 && (EVERY_MIN..=EVERY_MAX).contains(&period);
        if whole { i64::try_from(period.as_secs()).map(Self).map_err(|_| BadPeriod) } else { Err(BadPeriod) }
    }

    /// Its length.
    pub fn length(self) -> SignedDuration {
        SignedDuration::from_secs(self.0)
    }
}

/// The spaces between occurrences in a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gaps {
    /// The shortest.
    pub shortest: SignedDuration,
    /// The longest.
    pub longest: SignedDuration,
    /// Where the longest begins.
    pub longest_from: Timestamp,
    /// Where it ends.
    pub longest_to: Timestamp,
}

impl Schedule {
    /// The first occurrence later than `after`. `None` where there is none before the calendar ends.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(Period(seconds)) => {
                let next = after.as_second().div_euclid(*seconds).checked_add(1)?.checked_mul(*seconds)?;
                Timestamp::from_second(next).ok()
            }
            Self::Cron { cron, zone } => next_of_cron(cron, zone, after),
        }
    }

    /// The spaces between the occurrences from the first one after `from` to the first one that is not before `to`. `None` where
    /// there are fewer than two.
    pub fn gaps(&self, from: Timestamp, to: Timestamp) -> Option<Gaps> {
        let windows = self.telling(from, to);
        windows.into_iter().filter_map(|(from, to)| self.gaps_within(from, to)).reduce(Gaps::with)
    }

    /// Stretches of time that have every space which the whole has: all of it, unless every hour is like every other but for those in
    /// which the clocks are turned.
    fn telling(&self, from: Timestamp, to: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let around = |at: Timestamp| (at - TELLING.min(from.duration_until(at)), at + TELLING.min(at.duration_until(to)));
        match self {
            // Every space is like the first.
            Self::Every(period) => vec![(from, from.checked_add(period.length() * 2).unwrap_or(to).min(to))],
            Self::Cron { cron, zone } if cron.is_every_hour() => {
                let turns = zone.following(from).map(|turn| turn.timestamp()).take_while(|turn| *turn < to);
                std::iter::once(from).chain(turns).map(around).collect()
            }
            Self::Cron { .. } => vec![(from, to)],
        }
    }

    fn gaps_within(&self, from: Timestamp, to: Timestamp) -> Option<Gaps> {
        let mut before = self.next_after(from)?;
        let mut gaps: Option<Gaps> = None;
        while before < to {
            let Some(next) = self.next_after(before) else { break };
            let gap = before.duration_until(next);
            let found = Gaps { shortest: gap, longest: gap, longest_from: before, longest_to: next };
            gaps = Some(gaps.map_or(found, |gaps| gaps.with(found)));
            before = next;
        }
        gaps
    }
}

impl Gaps {
    /// Both taken together; of two longest ones the first.
    fn with(self, other: Self) -> Self {
        let longest = if other.longest > self.longest { other } else { self };
        Self { shortest: self.shortest.min(other.shortest), ..longest }
    }
}

/// Around a turn of the clock: more than the hour before and the hour after, and the turn itself.
const TELLING: SignedDuration = SignedDuration::from_hours(4);

/// The first instant after `after` at which the expression fires.
fn next_of_cron(cron: &Cron, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    let mut local = local_floor(zone, after);
    if cron.names_no_hour() {
        // Local times that have passed come back where a fold lies ahead.
        let turn = zone.following(after).next().map(|transition| transition.timestamp());
        if let Some(turn) = turn.filter(|turn| after.duration_until(*turn) <= FOLD_MAX) {
            local = local.min(local_floor(zone, turn));
        }
    }
    let mut best: Option<Timestamp> = None;
    loop {
        local = match cron.next_at_or_after(local) {
            Some(local) => local,
            None => return best,
        };
        let (first, second) = instants(zone, local);
        // First instants never decrease, so nothing earlier can follow.
        if best.is_some_and(|best| first >= best) {
            return best;
        }
        let second = second.filter(|_| cron.names_no_hour());
        let found = [Some(first), second].into_iter().flatten().find(|instant| *instant > after);
        best = best.into_iter().chain(found).min();
        local = local.checked_add(SignedDuration::from_mins(1)).ok()?;
    }
}

/// The local time of an instant, cut to the minute.
fn local_floor(zone: &TimeZone, instant: Timestamp) -> DateTime {
    let local = zone.to_datetime(instant);
    local.date().at(local.hour(), local.minute(), 0, 0)
}

/// The instants of a local time: its first, and its second where the clocks pass it twice. One that does not exist has the first
/// instant after the gap.
fn instants(zone: &TimeZone, local: DateTime) -> (Timestamp, Option<Timestamp>) {
    let at = |offset: jiff::tz::Offset| offset.to_timestamp(local).unwrap_or(Timestamp::MAX);
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => (at(offset), None),
        AmbiguousOffset::Fold { before, after } => (at(before), Some(at(after))),
        AmbiguousOffset::Gap { before, after } => {
            // Seen from after the gap, the missing time lies before it: what follows is the gap's end.
            let turn = zone.following(at(after)).next().map(|transition| transition.timestamp());
            (turn.unwrap_or_else(|| at(before)), None)
        }
    }
}
