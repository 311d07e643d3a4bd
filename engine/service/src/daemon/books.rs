//! What the loop knows of each job beside the scheduler: its ledger, its run under way, its sums, and what was told of its age.
//!
//! Ledgers are read again and again, for `brigade run` may write them too. Every look compares every recovery point with the clock, so
//! a breach is told when it comes, and not when the job runs next.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use brigade_config::{Config, NotifyEvent};
use brigade_core::recovery::{Lag, Level, Standing};
use brigade_core::report::RunOutcome;
use brigade_core::schedule::{Memory, Scheduler};
use brigade_state::ledger::Ledger;
use jiff::{Timestamp, Unit};
use tokio::time::Instant;

use super::kept::{Kept, Known, with_cause};
use crate::board::{JobStatus, OUTCOMES, outcome_word, recovery_point};
use crate::limits::LOOK_EVERY;
use crate::live::{Live, Tally};
use crate::webhook::Outbox;

/// Something that somebody should be told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) what: NotifyEvent,
    pub(super) job: String,
    pub(super) message: String,
}

/// The books of all jobs.
pub(super) struct Books {
    jobs: BTreeMap<String, Entry>,
    known: BTreeMap<String, Known>,
    paused: BTreeSet<String>,
    looked: Option<Instant>,
}

/// The book of one job.
#[derive(Default)]
struct Entry {
    ledger: Arc<Ledger>,
    /// Why the ledger could not be read last.
    trouble: Option<String>,
    /// Its ledger has changed, as far as is known.
    is_stale: bool,
    live: Option<Arc<Live>>,
    tally: Arc<Tally>,
    ended: [u64; OUTCOMES.len()],
}

/// A ledger that is to be read.
struct Wanted {
    job: String,
    state: PathBuf,
    selection: String,
}

impl Books {
    pub(super) fn new(kept: Kept) -> Self {
        Self { jobs: BTreeMap::new(), known: kept.jobs, paused: kept.paused, looked: None }
    }

    /// Takes a configuration: its jobs, and which of them it pauses or lets go on.
    pub(super) fn keep_to(&mut self, config: &Config, scheduler: &mut Scheduler, now: Timestamp) {
        for (name, job) in &config.jobs {
            match (job.paused, self.paused.contains(name)) {
                (true, false) => scheduler.pause(name),
                (false, true) => scheduler.resume(name),
                _ => {}
            }
            self.jobs.entry(name.clone()).or_default().is_stale = true;
            self.known.entry(name.clone()).or_insert(Known {
                since: now,
                told: None,
                is_proven: false,
                last_success: None,
                streak: BTreeSet::new(),
            });
        }
        self.paused = config.jobs.iter().filter(|(_, job)| job.paused).map(|(name, _)| name.clone()).collect();
        self.jobs.retain(|name, entry| config.jobs.contains_key(name) || entry.live.is_some());
        self.known.retain(|name, _| config.jobs.contains_key(name));
    }

    /// What is to be kept.
    pub(super) fn kept(&self, scheduler: Memory, outbox: Outbox) -> Kept {
        Kept::new(scheduler, self.paused.clone(), self.known.clone(), outbox)
    }

    /// A run began.
    pub(super) fn began(&mut self, job: &str, live: Arc<Live>) {
        self.jobs.entry(job.to_owned()).or_default().live = Some(live);
    }

    /// It ended, and its ledger is another one.
    pub(super) fn ended(&mut self, job: &str, outcome: RunOutcome, now: Timestamp) {
        let Some(entry) = self.jobs.get_mut(job) else { return };
        if let Some(live) = entry.live.take() {
            Arc::make_mut(&mut entry.tally).add(&live.tally());
        }
        entry.is_stale = true;
        if let Some(at) = OUTCOMES.iter().position(|one| *one == outcome) {
            entry.ended[at] += 1;
        }
        match self.known.get_mut(job) {
            Some(known) if outcome == RunOutcome::Done => {
                known.last_success = Some(now);
                known.streak.clear();
            }
            Some(_) => {}
            // The configuration has it no more, and its last run is over.
            None => {
                self.jobs.remove(job);
            }
        }
    }

    /// Whether somebody is to be notified of this. Breaches, recoveries and first copies are told once anyway; of runs that did not end
    /// clean, the first of each kind since the last clean one is news.
    pub(super) fn is_news(&mut self, job: &str, what: NotifyEvent) -> bool {
        match what {
            NotifyEvent::Breach | NotifyEvent::Recovered | NotifyEvent::FirstSuccess => true,
            NotifyEvent::Failed | NotifyEvent::Refused => {
                self.known.get_mut(job).is_some_and(|known| known.streak.insert(what.word().to_owned()))
            }
        }
    }

    /// How every job stands.
    pub(super) fn jobs(&self, config: &Config, scheduler: &Scheduler, now: Timestamp) -> BTreeMap<String, JobStatus> {
        let status = |(name, entry): (&String, &Entry)| {
            let view = scheduler.view(name, now)?;
            let status = JobStatus {
                view,
                ledger: entry.ledger.clone(),
                live: entry.live.clone(),
                tally: entry.tally.clone(),
                ended: entry.ended,
                last_success: self.known.get(name).and_then(|known| known.last_success),
                recovery_point: config.jobs.get(name).and_then(|job| recovery_point(config.recovery_point(job))),
            };
            Some((name.clone(), status))
        };
        self.jobs.iter().filter_map(status).collect()
    }

    /// Reads ledgers where it is time, and compares every age with what it may be.
    pub(super) async fn look(&mut self, config: &Config, scheduler: &Scheduler, state_dir: &Path, now: Timestamp) -> Vec<Notice> {
        let is_time = self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY);
        if is_time {
            self.looked = Some(Instant::now());
        }
        let is_wanted = |name: &String| self.jobs.get(name).is_some_and(|entry| is_time || entry.is_stale);
        let wanted = |(name, job): (&String, &brigade_config::Job)| Wanted {
            job: name.clone(),
            state: config.state_dir(job, state_dir),
            selection: job.selection(),
        };
        let wanted: Vec<Wanted> = config.jobs.iter().filter(|(name, _)| is_wanted(name)).map(wanted).collect();
        if !wanted.is_empty() {
            // Blocking work that panics leaves the books as they are, which is never fresher than the truth.
            let read = tokio::task::spawn_blocking(move || wanted.into_iter().map(read).collect::<Vec<_>>());
            read.await.unwrap_or_default().into_iter().for_each(|(job, ledger)| self.take(&job, ledger));
        }
        let statuses = self.jobs(config, scheduler, now);
        statuses.iter().flat_map(|(name, status)| self.compare(name, status, now)).collect()
    }

    fn take(&mut self, job: &str, read: Result<Ledger, String>) {
        let Some(entry) = self.jobs.get_mut(job) else { return };
        entry.is_stale = false;
        match read {
            Ok(ledger) => {
                let success = ledger.last.as_ref().filter(|last| last.outcome == outcome_word(RunOutcome::Done)).map(|last| last.ended);
                if let Some(known) = self.known.get_mut(job).filter(|known| success > known.last_success) {
                    known.last_success = success;
                    known.streak.clear();
                }
                entry.trouble = None;
                entry.ledger = Arc::new(ledger);
            }
            Err(error) => {
                if entry.trouble.as_ref() != Some(&error) {
                    tracing::warn!(job, "what is known of the job cannot be read, so its copy counts as never proven: {error}");
                }
                entry.trouble = Some(error);
                entry.ledger = Arc::default();
            }
        }
    }

    /// What there is to tell of a job, compared with what was told last.
    fn compare(&mut self, name: &str, status: &JobStatus, now: Timestamp) -> Vec<Notice> {
        let Some(known) = self.known.get_mut(name) else { return Vec::new() };
        let mut notices = Vec::new();
        let notice = |what, message| Notice { what, job: name.to_owned(), message };
        if let Some(through) = status.ledger.frontier.proven_through()
            && !std::mem::replace(&mut known.is_proven, true)
        {
            notices
                .push(notice(NotifyEvent::FirstSuccess, format!("the first copy is proven, of everything that existed at {through:.0}")));
        }
        let (Some(Standing { lag, level, .. }), Some(point)) = (status.standing(now), status.recovery_point) else {
            known.told = None;
            return notices;
        };
        let is_breached = level == Level::Breached;
        match (known.told == Some(Level::Breached), is_breached) {
            // A job that is new has as long for its first copy as a copy may be old. That it has none is shown all the same.
            (false, true) if lag == Lag::NeverProven && known.since.duration_until(now) <= point => return notices,
            (false, true) => {
                notices.push(notice(NotifyEvent::Breach, format!("the age of the copy is {}, and may be {point:#}", shown(lag))))
            }
            (true, false) => notices.push(notice(NotifyEvent::Recovered, format!("the age of the copy is {} again", shown(lag)))),
            _ => {}
        }
        known.told = Some(level);
        notices
    }
}

fn read(wanted: Wanted) -> (String, Result<Ledger, String>) {
    let ledger = Ledger::read(&wanted.state, &wanted.job, &wanted.selection).map_err(|error| with_cause(&error));
    (wanted.job, ledger)
}

/// An age for people.
fn shown(lag: Lag) -> String {
    match lag {
        Lag::Known(age) => format!("{:#}", age.round(Unit::Second).unwrap_or(age)),
        other => other.to_string(),
    }
}
