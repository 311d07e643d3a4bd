//! Up to when the copy of a job is proven, and what is outstanding since when.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::limits::OUTSTANDING_GROUPS_MAX;

/// How far a run came with the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swept {
    /// Every listing of the source ended, and every key was dealt with: proven, failed or skipped.
    Whole,
    /// Anything else: nothing follows from what the run did not come to.
    Part,
}

/// What a run shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFacts {
    /// The moment before the first listing began.
    pub listed_from: Timestamp,
    /// Objects younger than this were left alone.
    pub held_back: SignedDuration,
    /// How far it came.
    pub swept: Swept,
    /// Keys that failed or were skipped before this run already and did so again: how many since when. As
    /// [`Frontier::outstanding`] had them.
    pub still: BTreeMap<Timestamp, u64>,
    /// Keys that failed or were skipped now, and were proven before or are new.
    pub fresh: u64,
}

/// Up to when a copy is proven.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontier {
    /// Every version that existed then, of every key that is not outstanding, is proven or gone.
    swept: Option<Timestamp>,
    /// Keys that are not proven: how many, by the moment up to which they are known to have been. A key that was never proven has
    /// the beginning of time.
    outstanding: BTreeMap<Timestamp, u64>,
}

/// How many objects are outstanding for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgeBand {
    /// Up to this age; none for everything older.
    pub up_to: Option<SignedDuration>,
    /// Objects.
    pub objects: u64,
}

/// Upper ends of the bands of the histogram: what people name recovery objectives in.
const BANDS: [SignedDuration; 6] = [
    SignedDuration::from_hours(1),
    SignedDuration::from_hours(6),
    SignedDuration::from_hours(24),
    SignedDuration::from_hours(3 * 24),
    SignedDuration::from_hours(7 * 24),
    SignedDuration::from_hours(30 * 24),
];

impl Frontier {
    /// Every version that existed at this moment is proven at the target, or gone from the source. `None` where that is known of no
    /// moment.
    pub fn proven_through(&self) -> Option<Timestamp> {
        let oldest = self.outstanding.first_key_value().map(|(since, _)| *since);
        let known = self.swept?;
        match oldest {
            Some(oldest) if oldest == Timestamp::MIN => None,
            Some(oldest) => Some(oldest.min(known)),
            None => Some(known),
        }
    }

    /// What is not proven: how many keys, by the moment up to which they were.
    pub fn outstanding(&self) -> &BTreeMap<Timestamp, u64> {
        &self.outstanding
    }

    /// The moment that a key has which fails now and was proven until now, or is new: it may have come to be right after the last
    /// sweep began.
    pub fn since_for_fresh(&self) -> Timestamp {
        self.swept.unwrap_or(Timestamp::MIN)
    }

    /// A run has ended. Only one that swept everything moves anything, and never back.
    pub fn after(&mut self, run: &RunFacts) {
        if run.swept == Swept::Part {
            return;
        }
        let fresh_since = self.since_for_fresh();
        self.outstanding = run.still.iter().filter(|(_, count)| **count > 0).map(|(since, count)| (*since, *count)).collect();
        if run.fresh > 0 {
            *self.outstanding.entry(fresh_since).or_default() += run.fresh;
        }
        self.join_groups();
        let covers = run.listed_from.checked_sub(run.held_back).unwrap_or(Timestamp::MIN);
        self.swept = self.swept.into_iter().chain([covers]).max();
    }

    /// A run has ended of which only the number of keys is known that failed or were skipped. Where some were outstanding before, all
    /// count as old as the oldest of those.
    pub fn after_unnamed(&mut self, listed_from: Timestamp, held_back: SignedDuration, swept: Swept, failing: u64) {
        let oldest = self.outstanding.first_key_value().map(|(since, _)| *since);
        let (still, fresh) = match oldest {
            Some(since) => (BTreeMap::from([(since, failing)]), 0),
            None => (BTreeMap::new(), failing),
        };
        self.after(&RunFacts { listed_from, held_back, swept, still, fresh });
    }

    /// Keys that are outstanding, by age.
    pub fn histogram(&self, now: Timestamp) -> Vec<AgeBand> {
        let mut counts = [0; BANDS.len() + 1];
        for (since, count) in &self.outstanding {
            let age = since.duration_until(now);
            counts[BANDS.iter().position(|band| age <= *band).unwrap_or(BANDS.len())] += count;
        }
        let ends = BANDS.into_iter().map(Some).chain([None]);
        ends.zip(counts).map(|(up_to, objects)| AgeBand { up_to, objects }).collect()
    }

    /// Keeps the number of groups bounded: of the newest two, the younger counts as old as the other.
    fn join_groups(&mut self) {
        while self.outstanding.len() > OUTSTANDING_GROUPS_MAX {
            let Some((_, count)) = self.outstanding.pop_last() else { return };
            if let Some(mut older) = self.outstanding.last_entry() {
                *older.get_mut() += count;
            }
        }
    }
}
