//! Whether a schedule can meet a recovery objective at all, with the arithmetic in words.
//!
//! A copy is oldest in the moment before a run ends: then it shows the source as it was when the run *before* began. From one
//! beginning to the next lies the gap of the schedule, by which the jitter may lengthen; then the run takes its time.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::schedule::Timing;

/// What a schedule has to fit into, beside its own gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// The longest run that was measured; none where nothing was.
    pub run: Option<SignedDuration>,
    /// The longest runs of those that this job waits for, taken together.
    pub upstream: SignedDuration,
    /// Objects younger than this are left for the next run.
    pub held_back: SignedDuration,
}

/// A schedule that can meet its objective, and with how much to spare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feasible {
    /// The oldest that the copy becomes when every run is clean.
    pub worst: SignedDuration,
    /// What is left.
    pub spare: SignedDuration,
    /// The sum.
    pub arithmetic: String,
}

/// A schedule that cannot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{arithmetic}")]
pub struct Infeasible {
    /// The oldest that the copy becomes even when every run is clean.
    pub worst: SignedDuration,
    /// The sum.
    pub arithmetic: String,
}

/// How far ahead the gaps of a schedule are looked at: a year, with both turns of the clock.
const HORIZON: SignedDuration = SignedDuration::from_hours(366 * 24);

/// Whether the schedule can keep the copy within `recovery_point`, from `now` on for a year. A schedule with fewer than two occurrences
/// in that time has a gap of all of it.
///
/// # Errors
/// When even a year of clean runs would breach the objective.
pub fn feasible(timing: &Timing, recovery_point: SignedDuration, budget: Budget, now: Timestamp) -> Result<Feasible, Infeasible> {
    let end = now.checked_add(HORIZON).unwrap_or(Timestamp::MAX);
    let gaps = timing.schedule().gaps(now, end);
    let gap = gaps.map_or(HORIZON, |gaps| gaps.longest);
    let sum = Sum { gap, from: gaps.map(|gaps| gaps.longest_from), jitter: timing.jitter(), budget };
    let worst = sum.total();
    let relation = if worst <= recovery_point { "at most" } else { "more than" };
    let arithmetic = format!("{sum} = {worst:#}, {relation} the recovery point of {recovery_point:#}");
    match worst <= recovery_point {
        true => Ok(Feasible { worst, spare: recovery_point - worst, arithmetic }),
        false => Err(Infeasible { worst, arithmetic }),
    }
}

/// The parts of the worst age.
struct Sum {
    gap: SignedDuration,
    from: Option<Timestamp>,
    jitter: SignedDuration,
    budget: Budget,
}

impl Sum {
    fn parts(&self) -> [SignedDuration; 5] {
        [self.gap, self.jitter, self.budget.upstream, self.budget.run.unwrap_or_default(), self.budget.held_back]
    }

    fn total(&self) -> SignedDuration {
        self.parts().into_iter().fold(SignedDuration::ZERO, SignedDuration::saturating_add)
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "longest gap {:#}", self.gap)?;
        if let Some(from) = self.from {
            write!(f, " (from {from})")?;
        }
        if !self.jitter.is_zero() {
            write!(f, " + jitter {:#}", self.jitter)?;
        }
        if !self.budget.upstream.is_zero() {
            write!(f, " + longest runs before it {:#}", self.budget.upstream)?;
        }
        match self.budget.run {
            Some(run) => write!(f, " + longest run {run:#}")?,
            None => f.write_str(" + a run, not measured yet")?,
        }
        if !self.budget.held_back.is_zero() {
            write!(f, " + minimum age {:#}", self.budget.held_back)?;
        }
        Ok(())
    }
}
