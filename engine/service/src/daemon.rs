//! The loop: time and what happened go into the scheduler, what it says is remembered and then done.
//!
//! A turn of the loop reads the clock, writes down what the scheduler remembers, starts what is to start, looks at every recovery point
//! and puts up a new board. Between turns it waits for the first of: the scheduler's next occurrence, the end of a run, a command, a
//! signal, the answer to a notification, the time to try one again, and [`LOOK_EVERY`].
//!
//! What is started was written down before, so a killed process never forgets that a run was under way: the next one begins it again,
//! and it resumes. A run that is cut short by a stop stays written down as under way for the same reason. So does a notification that
//! nobody has taken yet, and it is written down before it is sent for the first time.

mod books;
mod kept;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use brigade_config::{Config, NotifyEvent};
use brigade_core::report::RunOutcome;
use brigade_core::schedule::{Because, Ending, Scheduler, Start};
use brigade_state::service::ServiceState;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use crate::board::{Board, Wall, outcome_word};
use crate::clock::Clock;
use crate::events::{EventKind, EventLog, News, cut};
use crate::limits::{FAREWELL_TIME, LAST_WORD_TIME, LOOK_EVERY, REMEMBER_EVERY, STOP_TIME};
use crate::live::Live;
use crate::notify::Notifier;
use crate::runner::{Ended, Order, Runner};
use crate::service::{Load, ServeError, Setup, Signal, Variable};
use crate::webhook::{self, Carrier, Desk, Notification, Settled};
use books::{Books, Notice};

/// The shortest wait between two turns: what is due meanwhile is due at the next.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// What somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Pause,
    Resume,
    Run,
}

/// A wish with the place where its answer goes: whether there is such a job. It is answered when the wish outlives the process.
pub(crate) struct Command {
    pub(crate) job: String,
    pub(crate) wish: Wish,
    pub(crate) answer: oneshot::Sender<bool>,
}

/// A run that is over, however it came to be.
struct Over {
    job: String,
    run: String,
    result: Result<Ended, JoinError>,
}

/// The loop with everything that it alone changes.
pub(crate) struct Daemon {
    config: Arc<Config>,
    load: Load,
    variable: Variable,
    state_dir: PathBuf,
    state: Arc<ServiceState>,
    clock: Arc<dyn Clock>,
    runner: Arc<dyn Runner>,
    notifier: Notifier,
    scheduler: Scheduler,
    books: Books,
    desk: Desk,
    wall: Arc<Wall>,
    runs: JoinSet<Over>,
    stop_runs: CancellationToken,
    is_stopping: bool,
    loaded: Timestamp,
    not_loaded: Option<String>,
    /// Something happened that must outlive the process.
    is_dirty: bool,
    remembered: Instant,
    not_remembered: Option<String>,
    /// Those whose wishes are done and not yet written down.
    answers: Vec<oneshot::Sender<bool>>,
}

impl Daemon {
    /// Takes the state directory and reads what an earlier process remembered.
    pub(crate) async fn open(setup: Setup, carrier: Arc<dyn Carrier>) -> Result<Self, ServeError> {
        let Setup { config, load, variable, state_dir, clock, runner, notifier, http: _ } = setup;
        let now = clock.now();
        let config = Arc::new(config);
        let receiver = webhook::receiver(&config, &variable)?;
        let (state, mut kept) = kept::take(&state_dir, now).await?;
        let desk = Desk::new(receiver, carrier, std::mem::take(&mut kept.outbox), now);
        let mut scheduler = Scheduler::new(config.plans(), at_once(&config), kept.scheduler.clone(), now);
        let mut books = Books::new(kept);
        books.keep_to(&config, &mut scheduler, now);
        let board = Board {
            config: config.clone(),
            jobs: Default::default(),
            turned: None,
            is_stopping: false,
            loaded: now,
            not_loaded: None,
            not_remembered: None,
            deliveries: desk.deliveries(),
        };
        Ok(Self {
            wall: Arc::new(Wall::new(board, EventLog::begin(now))),
            config,
            load,
            variable,
            state_dir,
            state: Arc::new(state),
            clock,
            runner,
            notifier,
            scheduler,
            books,
            desk,
            runs: JoinSet::new(),
            stop_runs: CancellationToken::new(),
            is_stopping: false,
            loaded: now,
            not_loaded: None,
            is_dirty: true,
            remembered: Instant::now(),
            not_remembered: None,
            answers: Vec::new(),
        })
    }

    /// Where the board hangs.
    pub(crate) fn wall(&self) -> Arc<Wall> {
        self.wall.clone()
    }

    /// Turns until it is told to stop.
    pub(crate) async fn run(mut self, commands: &mut mpsc::Receiver<Command>, signals: &mut mpsc::Receiver<Signal>) {
        let mut wait = self.turn().await;
        self.notifier.ready();
        loop {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                Some(over) = self.runs.join_next() => self.over(over),
                Some(answer) = self.desk.answer() => self.answered(answer),
                Some(command) = commands.recv() => self.obey(command),
                signal = signals.recv() => match signal {
                    Some(Signal::Reload) => self.reload(),
                    Some(Signal::Stop) | None => break,
                },
            }
            wait = self.turn().await;
        }
        self.stop(signals).await;
    }

    /// One turn; says how long the loop may wait for the next.
    async fn turn(&mut self) -> Duration {
        let now = self.clock.now();
        let step = self.scheduler.tick(now);
        if self.is_dirty || !step.starts.is_empty() || self.remembered.elapsed() >= REMEMBER_EVERY {
            self.remember().await;
        }
        for start in step.starts {
            self.start(start, now);
        }
        let notices = self.books.look(&self.config, &self.scheduler, &self.state_dir, now).await;
        for notice in &notices {
            self.notify(notice, None, now);
        }
        if !notices.is_empty() {
            // What was told is not told again by the next process, and what is to be sent is sent by it, if this one cannot.
            self.remember().await;
        }
        self.desk.send(now);
        self.put_up(now);
        self.notifier.alive();
        let until_due = step.wake.map_or(LOOK_EVERY, |wake| Duration::try_from(now.duration_until(wake)).unwrap_or(WAIT_MIN));
        let until_sent = self.desk.rest(now).unwrap_or(LOOK_EVERY);
        until_due.min(until_sent).min(LOOK_EVERY).min(self.notifier.alive_every().unwrap_or(LOOK_EVERY)).max(WAIT_MIN)
    }

    /// Somebody is told of this: whoever follows the events, and the receiver of notifications where it is news.
    fn notify(&mut self, notice: &Notice, run: Option<&str>, now: Timestamp) {
        let Notice { what, job, message } = notice;
        self.wall.events.tell(now, News { run, ..News::of(EventKind::Notice(*what), job, message) });
        if self.desk.wants(*what) && self.books.is_news(job, *what) {
            let (id, event, run) = (ulid::Ulid::new().to_string(), what.word().to_owned(), run.map(str::to_owned));
            let notification = Notification { id, event, job: job.clone(), message: cut(message).to_owned(), time: now, run };
            let settled = self.desk.add(notification, now);
            self.not_delivered(settled, now);
        }
        self.is_dirty = true;
    }

    /// An attempt to deliver a notification has ended.
    fn answered(&mut self, answer: webhook::Answer) {
        let now = self.clock.now();
        let settled = self.desk.settle(answer, now);
        self.not_delivered(settled, now);
        self.is_dirty = true;
    }

    /// A notification that reaches nobody is told here at least.
    fn not_delivered(&self, settled: Option<Settled>, now: Timestamp) {
        let Some(Settled { notification, reason, .. }) = settled else { return };
        let Notification { id, event, job, run, .. } = &notification;
        let message = format!("nobody was notified of `{event}` ({id}): {}", reason.unwrap_or_default());
        self.wall.events.tell(now, News { run: run.as_deref(), ..News::of(EventKind::NotDelivered, job, &message) });
    }

    /// Starts a run.
    fn start(&mut self, start: Start, now: Timestamp) {
        let Start { job, because } = start;
        let run = ulid::Ulid::new().to_string();
        let live = Arc::new(Live::new(&run, because, now));
        self.books.began(&job, live.clone());
        self.wall.events.tell(now, News { run: Some(&run), ..News::of(EventKind::Started, &job, reason(because)) });
        let order = Order {
            config: self.config.clone(),
            job: job.clone(),
            run: run.clone(),
            because,
            stop: self.stop_runs.child_token(),
            observer: live,
        };
        let runner = self.runner.clone();
        let span = tracing::info_span!("run", job, run);
        let under_way = AbortOnDropHandle::new(tokio::spawn(async move { runner.run(order).await }.instrument(span)));
        self.runs.spawn(async move { Over { job, run, result: under_way.await } });
    }

    /// A run is over.
    fn over(&mut self, over: Result<Over, JoinError>) {
        // The task only waits for the run, and is cut off only when the loop itself ends.
        let Ok(Over { job, run, result }) = over else { return };
        let now = self.clock.now();
        let ended =
            result.unwrap_or_else(|error| Ended { outcome: RunOutcome::Failed, message: Some(format!("the run broke off: {error}")) });
        let resumes = self.is_stopping && ended.outcome == RunOutcome::Interrupted;
        if !resumes {
            let ending = if ended.outcome == RunOutcome::Done { Ending::Clean } else { Ending::Unclean };
            self.scheduler.finished(&job, ending);
        }
        self.books.ended(&job, ended.outcome, now);
        let word = outcome_word(ended.outcome);
        let message = ended.message.unwrap_or_else(|| word.to_owned());
        self.wall.events.tell(now, News { run: Some(&run), ..News::of(EventKind::Ended, &job, word) });
        let notice = match ended.outcome {
            RunOutcome::Failed | RunOutcome::Partial => Some(NotifyEvent::Failed),
            RunOutcome::Refused => Some(NotifyEvent::Refused),
            RunOutcome::Done | RunOutcome::Interrupted => None,
        };
        if let Some(what) = notice {
            self.notify(&Notice { what, job: job.clone(), message }, Some(&run), now);
        }
        self.is_dirty = true;
    }

    /// Does what somebody asks for. The answer waits until the next turn has written it down.
    fn obey(&mut self, command: Command) {
        let Command { job, wish, answer } = command;
        if !self.config.jobs.contains_key(&job) {
            // Whoever asked may have left.
            let _ = answer.send(false);
            return;
        }
        let now = self.clock.now();
        let (event, words) = match wish {
            Wish::Pause => (EventKind::Paused, "its schedule rests"),
            Wish::Resume => (EventKind::Resumed, "its schedule goes on"),
            Wish::Run => (EventKind::Asked, "it starts at the next chance"),
        };
        match wish {
            Wish::Pause => self.scheduler.pause(&job),
            Wish::Resume => self.scheduler.resume(&job),
            Wish::Run => self.scheduler.run_now(&job, now),
        }
        self.wall.events.tell(now, News::of(event, &job, words));
        self.answers.push(answer);
        self.is_dirty = true;
    }

    /// Reads the configuration again. One that is not understood changes nothing.
    fn reload(&mut self) {
        self.notifier.reloading();
        let now = self.clock.now();
        let read = (self.load)().and_then(|config| match webhook::receiver(&config, &self.variable) {
            Ok(receiver) => Ok((config, receiver)),
            Err(error) => Err(error.to_string()),
        });
        match read {
            Ok((config, receiver)) => {
                let (new, old) = (&config.serve, &self.config.serve);
                let is_fixed = (new.listen, &new.token, &new.state_dir) != (old.listen, &old.token, &old.state_dir);
                let message = if is_fixed {
                    "the configuration is read again; `listen`, `token` and `state_dir` of [serve] count from the next start on"
                } else {
                    "the configuration is read again"
                };
                self.config = Arc::new(config);
                self.scheduler.replace(self.config.plans(), at_once(&self.config), now);
                self.books.keep_to(&self.config, &mut self.scheduler, now);
                self.desk.replace(receiver, now);
                (self.loaded, self.not_loaded, self.is_dirty) = (now, None, true);
                self.wall.events.tell(now, News { event: EventKind::Reloaded, job: None, run: None, message });
            }
            Err(error) => {
                let message = format!("the configuration is not understood, and the one before goes on: {error}");
                self.wall.events.tell(now, News { event: EventKind::NotReloaded, job: None, run: None, message: &message });
                self.not_loaded = Some(error);
            }
        }
        self.notifier.ready();
    }

    /// Lets runs finish what is in flight, for a bounded time.
    async fn stop(mut self, signals: &mut mpsc::Receiver<Signal>) {
        self.notifier.stopping();
        self.is_stopping = true;
        self.stop_runs.cancel();
        self.put_up(self.clock.now());
        let deadline = tokio::time::sleep(STOP_TIME);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                over = self.runs.join_next() => match over {
                    Some(over) => {
                        self.over(over);
                        self.put_up(self.clock.now());
                    }
                    None => break,
                },
                () = &mut deadline => {
                    tracing::warn!(runs = self.runs.len(), "runs that did not end in time are cut off; they resume");
                    break;
                }
                Some(Signal::Stop) = signals.recv() => break,
                () = tokio::time::sleep(self.notifier.alive_every().unwrap_or(LOOK_EVERY)) => self.notifier.alive(),
            }
        }
        // A run that does not even let itself be cut off is left to the end of the process.
        let _ = tokio::time::timeout(FAREWELL_TIME, self.runs.shutdown()).await;
        // What matters most was written down when it happened; a disk that hangs does not hold up the end.
        let _ = tokio::time::timeout(LAST_WORD_TIME, self.remember()).await;
        self.wall.events.close();
    }

    /// Writes down what must outlive the process, and answers those who wait for that.
    async fn remember(&mut self) {
        let kept = self.books.kept(self.scheduler.memory(), self.desk.kept());
        let result = kept::put(self.state.clone(), kept).await;
        if let Err(error) = &result {
            tracing::error!("what the scheduler remembers cannot be written down, so a restart may run a job again: {error}");
        }
        self.is_dirty = result.is_err();
        self.not_remembered = result.err();
        self.remembered = Instant::now();
        for answer in self.answers.drain(..) {
            // Whoever asked may have left.
            let _ = answer.send(true);
        }
    }

    fn put_up(&mut self, now: Timestamp) {
        self.wall.put(Board {
            config: self.config.clone(),
            jobs: self.books.jobs(&self.config, &self.scheduler, now),
            turned: Some(Instant::now()),
            is_stopping: self.is_stopping,
            loaded: self.loaded,
            not_loaded: self.not_loaded.clone(),
            not_remembered: self.not_remembered.clone(),
            deliveries: self.desk.deliveries(),
        });
    }
}

/// Jobs that run at once.
fn at_once(config: &Config) -> usize {
    usize::try_from(config.serve.jobs_at_once).unwrap_or(usize::MAX)
}

fn reason(because: Because) -> &'static str {
    match because {
        Because::Due(_) => "its schedule says so",
        Because::Followed => "the jobs that it follows have ended clean",
        Because::Asked => "somebody asked for it",
        Because::Interrupted => "its last run was cut short",
    }
}
