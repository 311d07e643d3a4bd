//! How old the copy is, and whether it may be: the recovery objective of a job.
//!
//! # What is known
//! The engine sees a source only while it lists it. A run that listed everything and proved everything shows that each version
//! which existed *when its listing began* is at the target. That moment is the **frontier**. A version that came to be a moment
//! later may be missing, and nothing shows that it is not; so the **lag**, the age of the oldest source version that is not known
//! to be proven at the target, is the time from the frontier to now. It grows while a job does not run, and when its runs fail.
//!
//! - A key that failed or was skipped keeps the frontier that it had before it first failed, until it is proven or the source has it
//!   no more. The frontier of the job is the oldest of those.
//! - A run that did not list everything, or was cut short, moves nothing.
//! - What a run leaves out because it is too young (a minimum age) moves the frontier back by that age.
//! - A clock that stands before the frontier makes the lag unknown, and unknown counts as a breach. So does a job that never had a
//!   run that listed everything.
//!
//! The answer is never fresher than what is known; it may be older than the truth. Nothing here looks at a clock.

mod feasible;
mod frontier;
#[cfg(test)]
mod tests;

pub use feasible::{Budget, Feasible, Infeasible, feasible};
pub use frontier::{AgeBand, Frontier, RunFacts, Swept};

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::limits::CLOCK_BEHIND_MAX;

/// The age of the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lag {
    /// Every version that is older is proven at the target.
    Known(SignedDuration),
    /// No run has listed and dealt with everything yet.
    NeverProven,
    /// The clock stands before the moment up to which the copy is proven: one of the two is wrong.
    ClockBehind,
}

/// How a job stands to its objective.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The copy is young enough, and the next run will end in time.
    Met,
    /// The copy is young enough now, and will be too old before the next run can have ended.
    AtRisk,
    /// The copy is older than it may be, or its age is not known.
    Breached,
}

/// What comes next, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ahead {
    /// When the run under way or the next one will have ended, if it is clean.
    pub ends: Option<Timestamp>,
}

/// How a job stands at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The age of the copy.
    pub lag: Lag,
    /// How it stands.
    pub level: Level,
    /// The moment at which the objective is breached, or was, if nothing is proven meanwhile.
    pub breach_at: Option<Timestamp>,
}

/// The age of a copy that is proven up to `frontier`.
pub fn lag(frontier: Option<Timestamp>, now: Timestamp) -> Lag {
    match frontier.map(|frontier| frontier.duration_until(now)) {
        None => Lag::NeverProven,
        Some(age) if age < -CLOCK_BEHIND_MAX => Lag::ClockBehind,
        Some(age) => Lag::Known(age.max(SignedDuration::ZERO)),
    }
}

/// How a copy stands to its objective: the data may never be older than `recovery_point`.
pub fn standing(frontier: Option<Timestamp>, recovery_point: SignedDuration, now: Timestamp, ahead: Ahead) -> Standing {
    let lag = lag(frontier, now);
    let breach_at = frontier.and_then(|frontier| frontier.checked_add(recovery_point).ok());
    let level = match lag {
        Lag::Known(age) if age <= recovery_point => match (ahead.ends, breach_at) {
            (Some(ends), Some(breach)) if ends > breach => Level::AtRisk,
            _ => Level::Met,
        },
        Lag::Known(_) | Lag::NeverProven | Lag::ClockBehind => Level::Breached,
    };
    Standing { lag, level, breach_at }
}

impl fmt::Display for Lag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(age) => write!(f, "{age:#}"),
            Self::NeverProven => f.write_str("never proven"),
            Self::ClockBehind => f.write_str("unknown: the clock stands before the last proof"),
        }
    }
}
