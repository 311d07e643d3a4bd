//! Notifications: a signed POST for each, kept until the receiver has taken it.
//!
//! The loop decides what somebody should be told and hands it to the [`Desk`]; what waits there outlives the process, because the loop
//! writes it down before it lets the desk send anything. So each notification goes out at least once, always under one id; a process
//! that is killed between the answer and the next writing sends it once more. Sending happens in a task of its own and is cut off
//! after [`ATTEMPT_TIME`]: a receiver that hangs holds up nothing.
//!
//! What it must never do: hold up the loop or a run, show the address or the secret to anybody, or send where the configuration does
//! not say.

mod body;
mod outbox;
mod post;
mod receiver;
mod sign;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use brigade_config::{Config, NotifyEvent};
use jiff::Timestamp;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::limits::{ATTEMPT_TIME, NOTIFICATIONS_SETTLED_MAX};
use crate::service::Variable;

pub(crate) use outbox::{Answer, Notification, Outbox, Pending};
pub(crate) use post::{Carrier, Post};
#[cfg(test)]
pub(crate) use receiver::Parcel;
pub(crate) use receiver::Receiver;
pub use receiver::WebhookError;

use outbox::Fate;

/// How notifications ended, since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Taken by the receiver.
    pub(crate) delivered: u64,
    /// Refused for good, or tried too long.
    pub(crate) given_up: u64,
    /// Pushed out by newer ones, or left when `[notifications]` was taken out.
    pub(crate) dropped: u64,
    /// Attempts that failed, of all of them.
    pub(crate) failed_attempts: u64,
}

/// How a notification ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ending {
    /// The receiver has it.
    Delivered,
    /// The receiver refused it for good, or it was tried too long.
    GivenUp,
    /// Newer ones pushed it out, or there is no receiver any more.
    Dropped,
}

/// A notification that does not wait any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Settled {
    #[serde(flatten)]
    pub(crate) notification: Notification,
    /// When its fate was known.
    pub(crate) at: Timestamp,
    pub(crate) outcome: Ending,
    /// Why it was not delivered.
    pub(crate) reason: Option<String>,
}

/// How the notifications stand, as everybody may read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deliveries {
    /// There is a receiver.
    pub(crate) is_configured: bool,
    pub(crate) counts: Counts,
    /// Those that wait, the oldest first.
    pub(crate) pending: Vec<Pending>,
    /// The last that do not wait any more, the oldest first.
    pub(crate) settled: Vec<Settled>,
}

/// The place where notifications wait and are sent from.
pub(crate) struct Desk {
    receiver: Option<Receiver>,
    carrier: Arc<dyn Carrier>,
    outbox: Outbox,
    under_way: JoinSet<Answer>,
    counts: Counts,
    settled: VecDeque<Settled>,
}

impl Desk {
    /// A desk with what an earlier process left to send.
    pub(crate) fn new(receiver: Option<Receiver>, carrier: Arc<dyn Carrier>, outbox: Outbox, now: Timestamp) -> Self {
        let (counts, settled) = (Counts::default(), VecDeque::new());
        let mut desk = Self { receiver: None, carrier, outbox, under_way: JoinSet::new(), counts, settled };
        desk.replace(receiver, now);
        desk
    }

    /// From now on somebody else is told, or nobody. What waits goes to whoever is told now.
    pub(crate) fn replace(&mut self, receiver: Option<Receiver>, now: Timestamp) {
        self.receiver = receiver;
        if self.receiver.is_some() {
            return;
        }
        // An attempt that is under way is cut off with the set.
        self.under_way = JoinSet::new();
        for pending in std::mem::take(&mut self.outbox).into_pending() {
            tracing::warn!(id = pending.notification.id, "a notification is dropped, for nobody is to be told any more");
            self.is_settled(pending.notification, Ending::Dropped, Some("[notifications] was taken out".to_owned()), now);
        }
    }

    /// Whether somebody wants to be told of such events.
    pub(crate) fn wants(&self, event: NotifyEvent) -> bool {
        self.receiver.as_ref().is_some_and(|receiver| receiver.wants(event))
    }

    /// Takes a notification. Gives back what was settled by that: one that had to make room.
    pub(crate) fn add(&mut self, notification: Notification, now: Timestamp) -> Option<Settled> {
        let dropped = self.outbox.add(notification, now)?;
        Some(self.is_settled(dropped, Ending::Dropped, Some("too many newer ones wait".to_owned()), now))
    }

    /// Sends what is due, if nothing is under way.
    pub(crate) fn send(&mut self, now: Timestamp) {
        let Some(receiver) = &self.receiver else { return };
        let Some(notification) = self.outbox.begin(now) else { return };
        let (carrier, parcel) = (self.carrier.clone(), receiver.parcel(&notification, now));
        self.under_way.spawn(async move {
            let in_time = tokio::time::timeout(ATTEMPT_TIME, carrier.carry(parcel)).await;
            in_time.unwrap_or_else(|_| Answer::later(format!("no answer within {} s", ATTEMPT_TIME.as_secs())))
        });
    }

    /// How long the desk has nothing to send; `None` where it waits for an answer, or has nothing at all.
    pub(crate) fn rest(&self, now: Timestamp) -> Option<Duration> {
        self.outbox.rest(now)
    }

    /// What came of the attempt that is under way; `None` at once where none is. May be dropped at any moment.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        let answer = self.under_way.join_next().await?;
        Some(answer.unwrap_or_else(|_| Answer::later("the attempt broke off")))
    }

    /// An attempt has ended. Gives back what was settled by that and was not delivered.
    pub(crate) fn settle(&mut self, answer: Answer, now: Timestamp) -> Option<Settled> {
        match self.outbox.settle(answer, now)? {
            Fate::Delivered(notification) => {
                self.is_settled(notification, Ending::Delivered, None, now);
                None
            }
            Fate::Again { notification, attempts, pause, why } => {
                self.counts.failed_attempts += 1;
                let Notification { id, event, job, .. } = &notification;
                tracing::warn!(id, event, job, attempts, "a notification is tried again in {} s: {why}", pause.as_secs());
                None
            }
            Fate::GivenUp { notification, attempts, why } => {
                self.counts.failed_attempts += 1;
                let reason = match attempts {
                    1 => why,
                    _ => format!("{why}, after {attempts} attempts"),
                };
                Some(self.is_settled(notification, Ending::GivenUp, Some(reason), now))
            }
        }
    }

    /// What must outlive the process.
    pub(crate) fn kept(&self) -> Outbox {
        self.outbox.clone()
    }

    /// How everything stands.
    pub(crate) fn deliveries(&self) -> Deliveries {
        Deliveries {
            is_configured: self.receiver.is_some(),
            counts: self.counts,
            pending: self.outbox.pending().cloned().collect(),
            settled: self.settled.iter().cloned().collect(),
        }
    }

    fn is_settled(&mut self, notification: Notification, outcome: Ending, reason: Option<String>, at: Timestamp) -> Settled {
        let count = match outcome {
            Ending::Delivered => &mut self.counts.delivered,
            Ending::GivenUp => &mut self.counts.given_up,
            Ending::Dropped => &mut self.counts.dropped,
        };
        *count += 1;
        let settled = Settled { notification, at, outcome, reason };
        self.settled.push_back(settled.clone());
        if self.settled.len() > NOTIFICATIONS_SETTLED_MAX {
            self.settled.pop_front();
        }
        settled
    }
}

/// The receiver of a configuration, where it has one.
pub(crate) fn receiver(config: &Config, variable: &Variable) -> Result<Option<Receiver>, WebhookError> {
    config.notifications.as_ref().map(|notifications| Receiver::of(notifications, variable)).transpose()
}
