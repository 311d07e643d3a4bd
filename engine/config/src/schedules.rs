//! `schedule`, `every`, `time_zone`, `jitter` and `after`: when jobs run, and that no circle waits for itself.

use std::collections::BTreeMap;
use std::time::Duration;

use brigade_core::schedule::{Cron, Group, JobPlan, Period, Schedule, Timing};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::Config;
use crate::job::Job;
use crate::problem::{Found, did_you_mean};
use crate::read::Section;

/// A year that stands for all: its gaps decide how much jitter a schedule bears.
const SAMPLE_YEAR_BEGINS: i64 = 1_798_761_600;
const SAMPLE_YEAR: SignedDuration = SignedDuration::from_hours(366 * 24);

/// The schedule of a job, if it has one.
pub(crate) fn read(section: &Section<'_>, found: &mut Found) -> Option<Schedule> {
    let shown = section.shown();
    if section.has("schedule") && section.has("every") {
        found.at(section.line_of("every"), format!("`schedule` and `every` in {shown} contradict each other"));
        return None;
    }
    if section.has("time_zone") && !section.has("schedule") {
        found.at(section.line_of("time_zone"), format!("`time_zone` in {shown} means nothing without `schedule`"));
    }
    if let Some(period) = section.duration("every") {
        return match Period::new(period) {
            Ok(period) => Some(Schedule::Every(period)),
            Err(error) => {
                found.at(section.line_of("every"), format!("`every` in {shown} cannot be kept: {error}"));
                None
            }
        };
    }
    let zone = match section.text("time_zone") {
        None => TimeZone::UTC,
        Some(name) => TimeZone::get(name).unwrap_or_else(|_| {
            let what = format!("`time_zone` in {shown} is `{name}`, which is no zone");
            found.with_hint(section.line_of("time_zone"), what, "write a name of the IANA database, such as Europe/Berlin");
            TimeZone::UTC
        }),
    };
    match Cron::parse(section.text("schedule")?) {
        Ok(cron) => Some(Schedule::Cron { cron, zone }),
        Err(error) => {
            found.at(section.line_of("schedule"), format!("`schedule` in {shown}: {error}"));
            None
        }
    }
}

/// Jitter keeps the order of starts: it is less than half of the shortest gap.
pub(crate) fn check_jitter(section: &Section<'_>, schedule: Option<&Schedule>, jitter: Duration, found: &mut Found) {
    if jitter.is_zero() {
        return;
    }
    let Some(schedule) = schedule else {
        if !section.has("schedule") && !section.has("every") {
            found.at(section.line_of("jitter"), format!("`jitter` in {} means nothing without a schedule", section.shown()));
        }
        return;
    };
    let begins = Timestamp::from_second(SAMPLE_YEAR_BEGINS).expect("the second lies in the calendar");
    let shortest = schedule.gaps(begins, begins + SAMPLE_YEAR).map_or(SAMPLE_YEAR, |gaps| gaps.shortest);
    if SignedDuration::try_from(jitter).is_ok_and(|jitter| jitter.saturating_add(jitter) >= shortest) {
        let what = format!("`jitter` in {} is not less than half of the shortest gap of its schedule, {shortest:#}", section.shown());
        found.at(section.line_of("jitter"), what);
    }
}

impl Config {
    /// Every job as the scheduler takes it; none of another tenant where one is named.
    pub fn plans(&self) -> BTreeMap<String, JobPlan> {
        let plan = |(name, job): (&String, &Job)| {
            let timing = self.timing(name);
            (name.clone(), JobPlan { timing, after: job.after.clone(), priority: self.priority(job), group: self.group(job) })
        };
        self.jobs.iter().map(plan).collect()
    }

    /// The jobs of a tenant with limits: what they may use together is what one of them is given, unless it says how many run at once.
    fn group(&self, job: &Job) -> Option<Group> {
        let name = job.tenant.as_ref()?;
        let at_once_max = self.tenants.get(name)?.limits.at_once()?;
        Some(Group { name: name.clone(), at_once_max: usize::try_from(at_once_max).unwrap_or(usize::MAX) })
    }

    /// When a job is due by itself.
    pub fn timing(&self, name: &str) -> Option<Timing> {
        let job = self.jobs.get(name)?;
        job.schedule.clone().map(|schedule| Timing::new(schedule, name, job.jitter))
    }

    /// Chains lead to jobs that there are, of the same tenant, and never back.
    pub(crate) fn check_chains(&self, found: &mut Found) {
        for (name, job) in &self.jobs {
            for before in &job.after {
                match self.jobs.get(before) {
                    Some(other) if other.tenant != job.tenant => {
                        found.at(job.line, format!("[jobs.{name}] comes after `{before}`, which is a job of another tenant"));
                    }
                    Some(_) => {}
                    None if found.is_unread(before) => {}
                    None => {
                        let hint = did_you_mean(before, self.jobs.keys().map(String::as_str));
                        found.push(job.line, format!("[jobs.{name}] comes after `{before}`, which there is not"), hint);
                    }
                }
            }
            if self.comes_after_itself(name) {
                found.at(job.line, format!("[jobs.{name}] comes after itself, so it would never run"));
            }
        }
    }

    /// Whether following `after` from a job leads back to it.
    fn comes_after_itself(&self, name: &str) -> bool {
        let mut ahead: Vec<&String> = self.jobs.get(name).map(|job| job.after.iter().collect()).unwrap_or_default();
        let mut seen: Vec<&String> = Vec::new();
        while let Some(next) = ahead.pop() {
            if next == name {
                return true;
            }
            if !seen.contains(&next) {
                seen.push(next);
                ahead.extend(self.jobs.get(next).into_iter().flat_map(|job| &job.after));
            }
        }
        false
    }
}
