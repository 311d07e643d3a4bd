//! Notifications that wait for their receiver, and the policy of trying: pure, so a test drives days through it in no time.
//!
//! Each is tried until the receiver has taken it, has refused it for good, or it was tried too long. Those of one job go out in the
//! order in which they were made, so nobody hears that a copy has recovered before they hear that it was too old; those of different
//! jobs do not wait for each other. One is under way at a time: a receiver in trouble is not asked twice at once.
//!
//! # What it must never do
//! - Forget one without saying so: each is taken, given up or dropped.
//! - Give one up untried, however old it is: after a week of rest a breach is still news.
//! - Wait longer than [`PAUSE_MAX`], whatever the receiver or the clock says.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::limits::{AGE_MAX, ATTEMPTS_MAX, NOTIFICATIONS_PENDING_MAX, PAUSE_FIRST, PAUSE_MAX};

/// One notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notification {
    /// A ULID, the same for each attempt.
    pub(crate) id: String,
    /// The word of its event.
    pub(crate) event: String,
    pub(crate) job: String,
    pub(crate) message: String,
    /// When it happened.
    pub(crate) time: Timestamp,
    /// The run that it is about, where it is about one.
    pub(crate) run: Option<String>,
}

/// One that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pending {
    #[serde(flatten)]
    pub(crate) notification: Notification,
    /// Attempts that have failed.
    pub(crate) attempts: u32,
    /// When the next one is due.
    pub(crate) due: Timestamp,
    /// Why the last one failed.
    pub(crate) trouble: Option<String>,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The receiver has it.
    Taken,
    /// It may be taken later, and not before `wait`, where the receiver says so.
    Later { why: String, wait: Option<Duration> },
    /// It will never be taken as it is.
    Never { why: String },
}

impl Answer {
    /// One that failed and says nothing of when to come back.
    pub(crate) fn later(why: impl Into<String>) -> Self {
        Self::Later { why: why.into(), wait: None }
    }
}

/// What became of a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The receiver has it.
    Delivered(Notification),
    /// It is tried again after this time; `attempts` have failed.
    Again { notification: Notification, attempts: u32, pause: Duration, why: String },
    /// It is not tried any more; `attempts` have failed.
    GivenUp { notification: Notification, attempts: u32, why: String },
}

/// All that wait, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Outbox {
    pending: VecDeque<Pending>,
    /// The id of the one that is under way. A process that ends has none under way: the next one tries it again, under the same id.
    #[serde(skip)]
    under_way: Option<String>,
}

impl Outbox {
    /// Takes one, due at once. Gives back the oldest, where there are too many: what is new counts more.
    pub(crate) fn add(&mut self, notification: Notification, now: Timestamp) -> Option<Notification> {
        self.pending.push_back(Pending { notification, attempts: 0, due: now, trouble: None });
        if self.pending.len() <= NOTIFICATIONS_PENDING_MAX {
            return None;
        }
        let oldest = self.pending.iter().position(|one| Some(&one.notification.id) != self.under_way.as_ref())?;
        self.pending.remove(oldest).map(|dropped| dropped.notification)
    }

    /// The one to try now, if any is due and none is under way. It is under way from now on.
    pub(crate) fn begin(&mut self, now: Timestamp) -> Option<Notification> {
        if self.under_way.is_some() {
            return None;
        }
        let next = self.first_of_each_job().filter(|one| until(one, now).is_zero()).min_by_key(|one| one.due)?;
        let notification = next.notification.clone();
        self.under_way = Some(notification.id.clone());
        Some(notification)
    }

    /// How long nothing is due: `None` where nothing waits, or where one is under way.
    pub(crate) fn rest(&self, now: Timestamp) -> Option<Duration> {
        if self.under_way.is_some() {
            return None;
        }
        self.first_of_each_job().map(|one| until(one, now)).min()
    }

    /// The attempt that was under way has ended. `None` where nothing was.
    pub(crate) fn settle(&mut self, answer: Answer, now: Timestamp) -> Option<Fate> {
        let id = self.under_way.take()?;
        let at = self.pending.iter().position(|one| one.notification.id == id)?;
        let (why, wait) = match answer {
            Answer::Taken => return self.pending.remove(at).map(|one| Fate::Delivered(one.notification)),
            Answer::Later { why, wait } => (why, wait),
            Answer::Never { why } => return self.give_up(at, why),
        };
        let one = &mut self.pending[at];
        let is_too_old = one.notification.time.duration_until(now) > span(AGE_MAX);
        if one.attempts + 1 >= ATTEMPTS_MAX || is_too_old {
            return self.give_up(at, why);
        }
        one.attempts += 1;
        let pause = pause(&id, one.attempts).max(wait.unwrap_or_default()).min(PAUSE_MAX);
        one.due = now.checked_add(span(pause)).unwrap_or(Timestamp::MAX);
        one.trouble = Some(why.clone());
        Some(Fate::Again { notification: one.notification.clone(), attempts: one.attempts, pause, why })
    }

    /// All that wait, the oldest first.
    pub(crate) fn into_pending(self) -> impl Iterator<Item = Pending> {
        self.pending.into_iter()
    }

    /// All that wait, the oldest first.
    pub(crate) fn pending(&self) -> impl Iterator<Item = &Pending> {
        self.pending.iter()
    }

    fn give_up(&mut self, at: usize, why: String) -> Option<Fate> {
        let one = self.pending.remove(at)?;
        Some(Fate::GivenUp { notification: one.notification, attempts: one.attempts + 1, why })
    }

    /// Those that no earlier one of their job is before.
    fn first_of_each_job(&self) -> impl Iterator<Item = &Pending> {
        let mut jobs = BTreeSet::new();
        self.pending.iter().filter(move |one| jobs.insert(one.notification.job.as_str()))
    }
}

/// How long one is not due yet. A due time that lies further ahead than any pause comes from a clock that was put back since.
fn until(one: &Pending, now: Timestamp) -> Duration {
    let ahead = Duration::try_from(now.duration_until(one.due)).unwrap_or_default();
    if ahead > PAUSE_MAX { Duration::ZERO } else { ahead }
}

/// The pause after so many failed attempts: twice the one before, less up to a quarter. What is taken off follows from the id, so
/// notifications that failed together do not come back together, and a test can reckon it.
fn pause(id: &str, attempts: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1));
    let whole = PAUSE_FIRST.saturating_mul(doubled).min(PAUSE_MAX);
    let mut hasher = blake3::Hasher::new();
    hasher.update(id.as_bytes()).update(&attempts.to_le_bytes());
    let [first, second, ..] = *hasher.finalize().as_bytes();
    whole - (whole / 4).mul_f64(f64::from(u16::from_le_bytes([first, second])) / f64::from(u16::MAX))
}

fn span(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests;
