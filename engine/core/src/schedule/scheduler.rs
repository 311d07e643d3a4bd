//! Which job starts when: schedules, chains, pauses and places, as one state machine.
//!
//! What happens in the world comes in as calls that name a job, and [`Scheduler::tick`] with the time; what is to be done comes out.
//! The machine starts nothing itself, and its memory can be written down after any call: a process that reads it again goes on where
//! the other one stopped.
//!
//! # Rules
//! - A job never runs twice at once. What comes due meanwhile, or while it is paused or the process is down, is caught up with *once*.
//! - A job `after` others starts when each of them has ended clean and none of them runs or came due before it. Without a schedule of
//!   its own it comes due whenever all of them have ended clean since its last start.
//! - At most so many jobs run at once, and of a group at most so many of its own; who waits for its group holds up nobody else. Among those that wait the highest priority starts first, then the one that waits longest; every
//!   hour of waiting counts as one priority, so nothing starves.
//! - *Run now* starts a job at the next chance, also when it is paused, and uses up what is due. It does not step over `after`.
//! - A run that the process did not see the end of is begun again at once: it resumes.

mod state;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use state::{JobMemory, JobView, Waiting};

use super::Timing;
use state::JobState;

/// A job as the scheduler knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct JobPlan {
    /// When it is due; none for a job that only follows others or is started by hand.
    pub timing: Option<Timing>,
    /// Jobs that must have ended clean before.
    pub after: Vec<String>,
    /// Who starts first.
    pub priority: Priority,
    /// With which others it shares places.
    pub group: Option<Group>,
}

/// Jobs of which only so many run at once, beside what holds for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Jobs with the same name are of one group.
    pub name: String,
    /// How many of them.
    pub at_once_max: usize,
}

/// Who starts first, and whose share of what is limited is larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// After the others.
    Low,
    /// The default.
    #[default]
    Normal,
    /// Before the others.
    High,
}

impl Priority {
    /// Its distance from the lowest.
    fn steps(self) -> i64 {
        match self {
            Self::Low => 0,
            Self::Normal => 1,
            Self::High => 2,
        }
    }
}

/// How a run ended, as far as what follows depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// Everything is proven.
    Clean,
    /// Anything else.
    Unclean,
}

/// Why a job starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// An occurrence of its schedule.
    Due(Timestamp),
    /// All jobs that it follows have ended clean.
    Followed,
    /// Somebody asked for it.
    Asked,
    /// Its last run was cut short.
    Interrupted,
}

/// A job to start now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Which.
    pub job: String,
    /// Why.
    pub because: Because,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Jobs that start now, in this order.
    pub starts: Vec<Start>,
    /// When the clock should be looked at again, at the latest; none where only an event can change anything. Whoever sleeps looks
    /// more often than this, for a clock can be put forward meanwhile.
    pub wake: Option<Timestamp>,
}

/// What a scheduler remembers across a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Starts and clean ends are numbered by this.
    count: u64,
    /// By name.
    jobs: BTreeMap<String, JobMemory>,
}

/// The state machine.
#[derive(Clone, Debug)]
pub struct Scheduler {
    jobs: BTreeMap<String, JobState>,
    at_once_max: usize,
    count: u64,
}

impl Scheduler {
    /// Takes the jobs by name and what an earlier process remembered. A job that nobody remembers begins now: its first run is at its
    /// next occurrence.
    pub fn new(plans: BTreeMap<String, JobPlan>, at_once_max: usize, memory: Memory, now: Timestamp) -> Self {
        let Memory { count, jobs: mut known } = memory;
        let with_memory = |(name, plan): (String, JobPlan)| {
            let state = JobState::new(plan, known.remove(&name), now);
            (name, state)
        };
        Self { jobs: plans.into_iter().map(with_memory).collect(), at_once_max, count }
    }

    /// Takes another set of jobs. A job that is gone and runs is waited for.
    pub fn replace(&mut self, plans: BTreeMap<String, JobPlan>, at_once_max: usize, now: Timestamp) {
        self.at_once_max = at_once_max;
        for (name, job) in &mut self.jobs {
            job.is_retired = !plans.contains_key(name);
        }
        self.jobs.retain(|_, job| !job.is_retired || job.is_running());
        for (name, plan) in plans {
            match self.jobs.get_mut(&name) {
                Some(job) => job.replan(plan, now),
                None => {
                    self.jobs.insert(name, JobState::new(plan, None, now));
                }
            }
        }
    }

    /// What is worth remembering.
    pub fn memory(&self) -> Memory {
        let jobs = self.jobs.iter().filter(|(_, job)| !job.is_retired).map(|(name, job)| (name.clone(), job.memory.clone())).collect();
        Memory { count: self.count, jobs }
    }

    /// A run has ended.
    pub fn finished(&mut self, job: &str, ending: Ending) {
        let count = self.count + 1;
        let Some(state) = self.jobs.get_mut(job) else { return };
        state.memory.running = None;
        state.memory.last = Some(ending);
        if ending == Ending::Clean {
            state.memory.clean_count = count;
            self.count = count;
        }
        if state.is_retired {
            self.jobs.remove(job);
        }
    }

    /// The schedule of a job rests until [`Scheduler::resume`]; a run that is under way goes on.
    pub fn pause(&mut self, job: &str) {
        if let Some(state) = self.jobs.get_mut(job) {
            state.memory.is_paused = true;
        }
    }

    /// The schedule goes on.
    pub fn resume(&mut self, job: &str) {
        if let Some(state) = self.jobs.get_mut(job) {
            state.memory.is_paused = false;
        }
    }

    /// The job starts at the next chance.
    pub fn run_now(&mut self, job: &str, now: Timestamp) {
        if let Some(state) = self.jobs.get_mut(job) {
            state.wait_for(Because::Asked, now);
        }
    }

    /// Reads the clock, and says who starts.
    pub fn tick(&mut self, now: Timestamp) -> Step {
        for job in self.jobs.values_mut() {
            job.read(now);
        }
        self.follow(now);
        let mut starts = Vec::new();
        while self.jobs.values().filter(|job| job.is_running()).count() < self.at_once_max {
            let Some(name) = self.first_in_line(now) else { break };
            self.count += 1;
            let job = self.jobs.get_mut(&name).expect("the name was just found among the jobs");
            let because = job.start(now, self.count);
            starts.push(Start { job: name, because });
        }
        Step { starts, wake: self.jobs.values_mut().filter_map(|job| job.wake(now)).min() }
    }

    /// How a job stands; `None` for one that is not known.
    pub fn view(&self, job: &str, now: Timestamp) -> Option<JobView> {
        let state = self.jobs.get(job)?;
        Some(state.view(self.waits_for(state), now))
    }

    /// Jobs without a schedule of their own come due with those that they follow.
    fn follow(&mut self, now: Timestamp) {
        let ready: Vec<String> = self
            .jobs
            .iter()
            .filter(|(_, job)| job.plan.timing.is_none() && !job.plan.after.is_empty() && !job.is_running())
            .filter(|(_, job)| job.plan.after.iter().all(|name| self.clean_count(name) > job.memory.start_count))
            .map(|(name, _)| name.clone())
            .collect();
        for name in ready {
            if let Some(job) = self.jobs.get_mut(&name) {
                job.wait_for(Because::Followed, now);
            }
        }
    }

    fn clean_count(&self, job: &str) -> u64 {
        self.jobs.get(job).map_or(0, |job| job.memory.clean_count)
    }

    /// Who starts next, if anybody can.
    fn first_in_line(&self, now: Timestamp) -> Option<String> {
        let can = |(_, job): &(&String, &JobState)| job.is_waiting() && self.waits_for(job) == Waiting::Place && self.has_place(job);
        let first = self.jobs.iter().filter(can).min_by_key(|(name, job)| job.rank(now, name.as_str()));
        first.map(|(name, _)| name.clone())
    }

    /// Whether the group of a job has a place left.
    fn has_place(&self, job: &JobState) -> bool {
        let Some(group) = &job.plan.group else { return true };
        let is_of_group = |other: &&JobState| other.plan.group.as_ref().is_some_and(|own| own.name == group.name);
        self.jobs.values().filter(|other| other.is_running()).filter(is_of_group).count() < group.at_once_max
    }

    /// What keeps a job that is due from starting.
    fn waits_for(&self, job: &JobState) -> Waiting {
        if job.is_resting() {
            return Waiting::Paused;
        }
        for name in &job.plan.after {
            let Some(upstream) = self.jobs.get(name) else { return Waiting::Upstream(name.clone()) };
            let is_clean = upstream.memory.last == Some(Ending::Clean) && !upstream.is_running();
            if !is_clean || upstream.came_due_before(job) {
                return Waiting::Upstream(name.clone());
            }
        }
        Waiting::Place
    }
}
