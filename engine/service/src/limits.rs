//! Limits of the service, each with its reason.

use std::time::Duration;

/// How long the loop sleeps at most: a clock that is put forward is noticed after this.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How often the memory is written where nothing happens: how far a clock that was put back meanwhile is misjudged after a kill.
pub(crate) const REMEMBER_EVERY: Duration = Duration::from_secs(60);

/// How long runs are waited for after they were asked to stop. Kubernetes kills after 30 s unless it is told otherwise.
pub(crate) const STOP_TIME: Duration = Duration::from_secs(25);

/// After so long without a turn of the loop the process counts as hung: several looks.
pub(crate) const STALE_AFTER: Duration = Duration::from_secs(60);

/// Requests of people that wait for the loop.
pub(crate) const COMMANDS_PENDING_MAX: usize = 16;

/// Events that are kept: a day of fifty hourly jobs that start and end would be 2,400; who needs those reads the history.
pub(crate) const EVENTS_KEPT_MAX: usize = 512;

/// Messages that a reader of events may be behind: all that are kept, and a minute of progress.
pub(crate) const EVENTS_PENDING_MAX: usize = EVENTS_KEPT_MAX + 64;

/// Readers of events at once.
pub(crate) const EVENT_READERS_MAX: usize = 16;

/// Longest message of an event, in bytes: an error with its cause, not a page.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1_024;

/// How often progress is told to readers of events.
pub(crate) const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// How often readers of events hear something even where nothing happens: proxies cut a connection that is silent for a minute.
pub(crate) const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);

/// Failures of a run under way that can be looked at; the report has all.
pub(crate) const FAILURES_SHOWN_MAX: usize = 100;

/// Failures of each kind that a look at a run names; more of one kind are asked for.
pub(crate) const FAILURES_FIRST_MAX: usize = 10;

/// Failures that are sent at once when more are asked for: what a person reads before they ask again.
pub(crate) const FAILURES_SLICE_MAX: usize = 100;

/// Kinds of failures that are told apart: twice as many as there are.
pub(crate) const FAILURES_KINDS_MAX: usize = 64;

/// Bytes of a report that one look reads: some 200,000 failures, and well under a second.
pub(crate) const REPORT_SCANNED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Bytes of one line of a report: a key of 1,024 bytes, each escaped twice, and its message; or all of its sums.
pub(crate) const REPORT_LINE_BYTES_MAX: u64 = 64 * 1024;

/// Points of the throughput of a run. When there are more, every other one goes, so they reach from its beginning to its end.
pub(crate) const SAMPLES_MAX: usize = 120;

/// Connections at once: a scraper, probes and a few people with a page open.
pub(crate) const CONNECTIONS_MAX: usize = 64;

/// How long the head of a request may take.
pub(crate) const HEAD_TIME: Duration = Duration::from_secs(10);

/// How long a connection lasts. Readers of events come back and go on after the last one that they have seen.
pub(crate) const CONNECTION_TIME: Duration = Duration::from_secs(300);

/// How long the memory may take to be written at the end: what is left of 30 s, with what the runs and the server get.
pub(crate) const LAST_WORD_TIME: Duration = Duration::from_secs(2);

/// How long the answers under way may take after the stop: a reader of events never ends by itself.
pub(crate) const FAREWELL_TIME: Duration = Duration::from_secs(1);

/// Bytes of the head of a request: the least that the HTTP library takes.
pub(crate) const HEAD_BYTES_MAX: usize = 8 * 1024;

/// Headers of a request: what a browser behind two proxies sends, twice.
pub(crate) const HEADERS_MAX: usize = 64;

/// How long somebody waits until the loop has taken notice of what they asked for.
pub(crate) const COMMAND_TIME: Duration = Duration::from_secs(5);

/// Runs that the page of a job shows.
pub(crate) const RUNS_SHOWN_MAX: usize = 50;

/// Runs of each job in the overview: a month of a daily one.
pub(crate) const RUNS_CHARTED_MAX: usize = 31;

/// Bytes of a kept report that are sent: 20,000 failures. A larger one is read with `brigade report`.
pub(crate) const REPORT_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Notifications that wait for their receiver: more than fifty jobs make in a day in which everything goes wrong, in some 300 KB.
pub(crate) const NOTIFICATIONS_PENDING_MAX: usize = 256;

/// Notifications whose fate can be looked at.
pub(crate) const NOTIFICATIONS_SETTLED_MAX: usize = 32;

/// How long one attempt to deliver a notification may take: a receiver that does more before it answers than to queue it is ill.
pub(crate) const ATTEMPT_TIME: Duration = Duration::from_secs(10);

/// How much of that may pass until there is a connection.
pub(crate) const CONNECT_TIME: Duration = Duration::from_secs(5);

/// The pause after the first failed attempt: as long as a receiver that is restarted behind a proxy is away.
pub(crate) const PAUSE_FIRST: Duration = Duration::from_secs(2);

/// The longest pause, whatever the receiver says: a notification that comes an hour after the receiver is back comes late.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(3600);

/// A notification that is as old as this and fails once more is given up: whoever mends the receiver after a day reads the status page.
pub(crate) const AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Attempts at most: a day of pauses takes some forty, so a clock that stands still is what this is for.
pub(crate) const ATTEMPTS_MAX: u32 = 64;
