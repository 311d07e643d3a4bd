//! Recovery objectives against schedules, with the durations that were measured.

use brigade_core::recovery::{Budget, Feasible, Infeasible, feasible};
use jiff::{SignedDuration, Timestamp};

use crate::Config;
use crate::job::Job;

/// The longest runs of jobs, as far as they were measured.
pub trait Measured {
    /// The longest run of a job that is worth counting on.
    fn longest(&self, job: &str) -> Option<SignedDuration>;
}

impl<F: Fn(&str) -> Option<SignedDuration>> Measured for F {
    fn longest(&self, job: &str) -> Option<SignedDuration> {
        self(job)
    }
}

/// Whether a job can meet its objective.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It can.
    Feasible(Feasible),
    /// It cannot, even when all runs are clean.
    Infeasible(Infeasible),
    /// It has no objective.
    NoObjective,
    /// Nothing starts it by itself, so nothing can be said.
    NoSchedule,
}

impl Config {
    /// Whether the schedule of a job can meet its recovery point in the year after `now`. A job that follows others is as often as the
    /// first of them that has a schedule, after all of their runs.
    pub fn verdict(&self, name: &str, measured: &impl Measured, now: Timestamp) -> Verdict {
        let Some(job) = self.jobs.get(name) else { return Verdict::NoObjective };
        let Some(recovery_point) = self.recovery_point(job).and_then(|point| SignedDuration::try_from(point).ok()) else {
            return Verdict::NoObjective;
        };
        let before = self.all_before(job);
        let clocks = [name].into_iter().chain(before.iter().map(String::as_str)).filter_map(|job| self.timing(job));
        let upstream = before.iter().filter_map(|job| measured.longest(job)).fold(SignedDuration::ZERO, SignedDuration::saturating_add);
        let held_back = SignedDuration::try_from(job.held_back).unwrap_or(SignedDuration::MAX);
        let budget = Budget { run: measured.longest(name), upstream, held_back };
        // With a schedule of its own a job waits for nobody else's; otherwise the slowest of those that it follows counts.
        let own = self.timing(name).into_iter();
        let clocks: Vec<_> = if job.schedule.is_some() { own.collect() } else { clocks.collect() };
        let verdicts = clocks.iter().map(|timing| feasible(timing, recovery_point, budget, now));
        let worst = verdicts.max_by_key(|verdict| match verdict {
            Ok(feasible) => feasible.worst,
            Err(infeasible) => infeasible.worst,
        });
        match worst {
            Some(Ok(feasible)) => Verdict::Feasible(feasible),
            Some(Err(infeasible)) => Verdict::Infeasible(infeasible),
            None => Verdict::NoSchedule,
        }
    }

    /// Every job that must end before this one, near or far.
    fn all_before(&self, job: &Job) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        let mut ahead: Vec<&String> = job.after.iter().collect();
        while let Some(name) = ahead.pop() {
            if !all.contains(name) {
                all.push(name.clone());
                ahead.extend(self.jobs.get(name).into_iter().flat_map(|job| &job.after));
            }
        }
        all
    }
}
