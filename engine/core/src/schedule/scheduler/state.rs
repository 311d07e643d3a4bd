//! One job of the scheduler: what it remembers, what it waits for, and how it stands for people.

use std::cmp::Reverse;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Because, Ending, JobPlan};
use crate::limits::PRIORITY_STEP;
use crate::schedule::fired::Fired;

/// What a job remembers across a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JobMemory {
    /// Which occurrences have fired; none for a job without a schedule.
    pub(super) fired: Option<Fired>,
    /// What is due and has not started, and since when.
    pub(super) due: Option<Due>,
    /// The run under way: why, and since when.
    pub(super) running: Option<(Because, Timestamp)>,
    /// Whether the schedule rests.
    pub(super) is_paused: bool,
    /// How the last run ended.
    pub(super) last: Option<Ending>,
    /// The number of the last clean end; 0 for none.
    pub(super) clean_count: u64,
    /// The number of the last start; 0 for none.
    pub(super) start_count: u64,
}

/// A run that is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Due {
    because: Because,
    since: Timestamp,
    /// Whether somebody asked, beside whatever else made it due.
    is_asked: bool,
}

/// A job with its plan.
#[derive(Clone, Debug)]
pub(super) struct JobState {
    pub(super) plan: JobPlan,
    pub(super) memory: JobMemory,
    /// Whether the configuration has it no more.
    pub(super) is_retired: bool,
    /// From the first of these to before the second nothing comes due: most looks at the clock end here.
    quiet: Option<(Timestamp, Timestamp)>,
}

/// Why a job that is due does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// As many jobs run as may, or it starts with the next tick.
    Place,
    /// This job must end clean first.
    Upstream(String),
    /// It is paused.
    Paused,
}

/// How a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobView {
    /// The run under way: why, and since when.
    pub running: Option<(Because, Timestamp)>,
    /// What is due, since when, and what it waits for.
    pub waiting: Option<(Because, Timestamp, Waiting)>,
    /// Whether the schedule rests.
    pub is_paused: bool,
    /// How the last run ended.
    pub last: Option<Ending>,
    /// When the next occurrence comes due; none while the schedule rests.
    pub next: Option<Timestamp>,
}

impl JobState {
    pub(super) fn new(plan: JobPlan, memory: Option<JobMemory>, now: Timestamp) -> Self {
        let mut job = Self { plan, memory: memory.unwrap_or_default(), is_retired: false, quiet: None };
        if job.memory.running.take().is_some() {
            job.wait_for(Because::Interrupted, now);
        }
        job.begin(now);
        job
    }

    /// Takes another plan; what has fired stays fired.
    pub(super) fn replan(&mut self, plan: JobPlan, now: Timestamp) {
        self.plan = plan;
        self.quiet = None;
        self.begin(now);
    }

    fn begin(&mut self, now: Timestamp) {
        self.memory.fired = match (&self.plan.timing, self.memory.fired.take()) {
            (Some(_), fired) => Some(fired.unwrap_or_else(|| Fired::begin(now))),
            (None, _) => None,
        };
    }

    /// Takes notice of what has come due.
    pub(super) fn read(&mut self, now: Timestamp) {
        let (Some(timing), Some(fired)) = (&self.plan.timing, &mut self.memory.fired) else { return };
        if self.quiet.is_some_and(|(from, to)| from <= now && now < to) {
            fired.pass(now);
            return;
        }
        self.quiet = None;
        if let Some(occurrence) = fired.read(timing, now) {
            self.wait_for(Because::Due(occurrence), now);
        }
    }

    /// A run is owed. What was owed before stays owed since then, and a later occurrence takes the place of an earlier one.
    pub(super) fn wait_for(&mut self, because: Because, now: Timestamp) {
        let is_asked = because == Because::Asked;
        self.memory.due = Some(match self.memory.due {
            None => Due { because, since: now, is_asked },
            Some(due) => Due {
                because: if matches!(because, Because::Due(_)) { because } else { due.because },
                is_asked: due.is_asked || is_asked,
                ..due
            },
        });
    }

    /// The run that was owed begins.
    pub(super) fn start(&mut self, now: Timestamp, count: u64) -> Because {
        let due = self.memory.due.take().expect("only a job that is due starts");
        if let (Because::Due(occurrence), Some(timing), Some(fired)) = (due.because, &self.plan.timing, &mut self.memory.fired) {
            fired.fire(timing, occurrence);
            self.quiet = None;
        }
        self.memory.running = Some((due.because, now));
        self.memory.start_count = count;
        due.because
    }

    pub(super) fn is_running(&self) -> bool {
        self.memory.running.is_some()
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.memory.due.is_some() && !self.is_running() && !self.is_retired
    }

    /// Whether a pause keeps it from starting.
    pub(super) fn is_resting(&self) -> bool {
        self.memory.is_paused && !self.memory.due.is_some_and(|due| due.is_asked)
    }

    /// Whether this job was due when `other` came due, and still is.
    pub(super) fn came_due_before(&self, other: &Self) -> bool {
        match (self.memory.due, other.memory.due) {
            (Some(own), Some(other)) => own.since <= other.since,
            _ => false,
        }
    }

    /// Smaller starts first.
    pub(super) fn rank<'a>(&self, now: Timestamp, name: &'a str) -> (Reverse<i64>, Timestamp, &'a str) {
        let since = self.memory.due.map_or(now, |due| due.since);
        let hours = since.duration_until(now).as_secs().max(0) / PRIORITY_STEP.as_secs();
        (Reverse(self.plan.priority.steps() + hours), since, name)
    }

    /// When the clock can change anything for this job.
    pub(super) fn wake(&mut self, now: Timestamp) -> Option<Timestamp> {
        if self.quiet.is_none() {
            self.quiet = self.next_due(now).map(|next| (now, next));
        }
        let is_idle = self.memory.due.is_none() && !self.is_running() && !self.memory.is_paused && !self.is_retired;
        self.quiet.filter(|_| is_idle).map(|(_, next)| next)
    }

    fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let (timing, fired) = (self.plan.timing.as_ref()?, self.memory.fired.as_ref()?);
        fired.next_due(timing, now)
    }

    pub(super) fn view(&self, waiting: Waiting, now: Timestamp) -> JobView {
        JobView {
            running: self.memory.running,
            waiting: self.memory.due.filter(|_| !self.is_running()).map(|due| (due.because, due.since, waiting)),
            is_paused: self.memory.is_paused,
            last: self.memory.last,
            next: if self.memory.is_paused { None } else { self.next_due(now) },
        }
    }
}
