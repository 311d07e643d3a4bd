//! What happened, for whoever looks or listens: a bounded log of events, and readers that follow it.
//!
//! An event is told once, when it happens. Readers are never waited for: one that is too far behind is dropped, and may come again
//! with the number of the last event that it has seen.

use std::collections::VecDeque;

use brigade_config::NotifyEvent;
use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::limits::{EVENT_READERS_MAX, EVENTS_KEPT_MAX, EVENTS_PENDING_MAX, MESSAGE_BYTES_MAX};

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// A run began.
    Started,
    /// A run ended.
    Ended,
    /// Somebody paused a job.
    Paused,
    /// Somebody let it go on.
    Resumed,
    /// Somebody asked for a run.
    Asked,
    /// The configuration was read again.
    Reloaded,
    /// It was not understood, and the one before goes on.
    NotReloaded,
    /// What somebody should be told of.
    Notice(NotifyEvent),
    /// The receiver of notifications was not told.
    NotDelivered,
}

impl EventKind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Ended => "ended",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Asked => "asked",
            Self::Reloaded => "reloaded",
            Self::NotReloaded => "not_reloaded",
            Self::Notice(notice) => notice.word(),
            Self::NotDelivered => "not_delivered",
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Event {
    /// Grows, also over restarts: the first of a process is the time at which it began, in microseconds since 1970.
    pub(crate) id: u64,
    pub(crate) at: Timestamp,
    #[serde(serialize_with = "word")]
    pub(crate) event: EventKind,
    pub(crate) job: Option<String>,
    pub(crate) run: Option<String>,
    pub(crate) message: String,
}

fn word<S: serde::Serializer>(kind: &EventKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.word())
}

/// An event that is to be told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct News<'a> {
    pub(crate) event: EventKind,
    pub(crate) job: Option<&'a str>,
    pub(crate) run: Option<&'a str>,
    pub(crate) message: &'a str,
}

impl<'a> News<'a> {
    /// Something about a job.
    pub(crate) fn of(event: EventKind, job: &'a str, message: &'a str) -> Self {
        Self { event, job: Some(job), run: None, message }
    }
}

/// The log.
pub(crate) struct EventLog(Mutex<Inside>);

struct Inside {
    next: u64,
    kept: VecDeque<Event>,
    readers: Vec<mpsc::Sender<Bytes>>,
}

impl EventLog {
    /// An empty one.
    pub(crate) fn begin(now: Timestamp) -> Self {
        let next = u64::try_from(now.as_microsecond()).unwrap_or(0);
        Self(Mutex::new(Inside { next, kept: VecDeque::new(), readers: Vec::new() }))
    }

    /// Something happened: it is logged, kept, and told to everybody who follows.
    pub(crate) fn tell(&self, now: Timestamp, news: News<'_>) {
        let message = cut(news.message);
        match news.event {
            EventKind::NotDelivered => tracing::error!(event = news.event.word(), job = news.job, run = news.run, "{message}"),
            _ => tracing::info!(event = news.event.word(), job = news.job, run = news.run, "{message}"),
        }
        let mut inside = self.0.lock();
        let (job, run) = (news.job.map(str::to_owned), news.run.map(str::to_owned));
        let event = Event { id: inside.next, at: now, event: news.event, job, run, message: message.to_owned() };
        inside.next += 1;
        inside.send(&framed(&event));
        inside.kept.push_back(event);
        if inside.kept.len() > EVENTS_KEPT_MAX {
            inside.kept.pop_front();
        }
    }

    /// Tells whoever follows how things stand now; it is not kept.
    pub(crate) fn show(&self, name: &str, data: &impl Serialize) {
        let data = serde_json::to_string(data).expect("what is shown has no keys but strings");
        self.0.lock().send(&Bytes::from(format!("event: {name}\ndata: {data}\n\n")));
    }

    /// Lets whoever follows hear that somebody is there.
    pub(crate) fn beat(&self) {
        self.0.lock().send(&Bytes::from_static(b": alive\n\n"));
    }

    /// Whether anybody follows.
    pub(crate) fn is_followed(&self) -> bool {
        let mut inside = self.0.lock();
        inside.readers.retain(|reader| !reader.is_closed());
        !inside.readers.is_empty()
    }

    /// What happened after an event, and then what happens; `None` where too many follow already.
    pub(crate) fn follow(&self, after: Option<u64>) -> Option<mpsc::Receiver<Bytes>> {
        let mut inside = self.0.lock();
        inside.readers.retain(|reader| !reader.is_closed());
        if inside.readers.len() >= EVENT_READERS_MAX {
            return None;
        }
        let (sender, receiver) = mpsc::channel(EVENTS_PENDING_MAX);
        for event in inside.kept.iter().filter(|event| after.is_none_or(|after| event.id > after)) {
            sender.try_send(framed(event)).expect("the channel holds all events that are kept");
        }
        inside.readers.push(sender);
        Some(receiver)
    }

    /// What is kept, the oldest first.
    pub(crate) fn kept(&self) -> Vec<Event> {
        self.0.lock().kept.iter().cloned().collect()
    }

    /// Ends everything that follows.
    pub(crate) fn close(&self) {
        self.0.lock().readers.clear();
    }
}

impl Inside {
    /// Whoever cannot take it at once is dropped.
    fn send(&mut self, message: &Bytes) {
        self.readers.retain(|reader| reader.try_send(message.clone()).is_ok());
    }
}

/// An event as the protocol of server-sent events has it. JSON has no line feeds, so no text can begin another field.
fn framed(event: &Event) -> Bytes {
    let data = serde_json::to_string(event).expect("an event has no keys but strings");
    Bytes::from(format!("id: {}\nevent: {}\ndata: {data}\n\n", event.id, event.event.word()))
}

/// The beginning of a message, at a boundary of characters.
pub(crate) fn cut(message: &str) -> &str {
    &message[..message.floor_char_boundary(MESSAGE_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> EventLog {
        EventLog::begin(Timestamp::from_second(1).expect("a time"))
    }

    fn tell(log: &EventLog, message: &str) {
        log.tell(Timestamp::UNIX_EPOCH, News::of(EventKind::Started, "job", message));
    }

    #[test]
    fn a_reader_gets_what_is_kept_and_then_what_happens() {
        let log = log();
        tell(&log, "one");
        tell(&log, "two\nid: 7");
        let mut reader = log.follow(Some(1_000_000)).expect("a place");
        tell(&log, "three");
        let mut next = || String::from_utf8(reader.try_recv().expect("a message").to_vec()).expect("text");
        let second = next();
        assert!(second.starts_with("id: 1000001\nevent: started\ndata: {") && second.ends_with("}\n\n"), "{second}");
        assert_eq!(second.matches('\n').count(), 4, "no text begins another field: {second}");
        assert!(next().contains("\"message\":\"three\""));
        assert!(reader.try_recv().is_err());
    }

    #[test]
    fn what_is_kept_and_who_follows_is_bounded_and_the_slow_are_dropped() {
        let log = log();
        let mut slow = log.follow(None).expect("a place");
        let mut quick = log.follow(None).expect("a place");
        for _ in 0..EVENTS_PENDING_MAX + 10 {
            tell(&log, &"é".repeat(MESSAGE_BYTES_MAX));
            quick.try_recv().expect("the quick one keeps up");
        }
        assert_eq!(log.kept().len(), EVENTS_KEPT_MAX);
        assert!(log.kept().iter().all(|event| event.message.len() <= MESSAGE_BYTES_MAX));
        assert_eq!(std::iter::from_fn(|| slow.try_recv().ok()).count(), EVENTS_PENDING_MAX, "it gets what it was given");
        assert!(slow.is_closed(), "and nothing more");
        assert!(!quick.is_closed());
        let more: Vec<_> = std::iter::from_fn(|| log.follow(None)).take(EVENT_READERS_MAX * 2).collect();
        assert_eq!(more.len(), EVENT_READERS_MAX - 1);
        drop(more);
        assert!(log.follow(None).is_some(), "a place of one who left is free again");
    }
}
