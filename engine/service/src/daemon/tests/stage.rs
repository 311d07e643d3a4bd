//! What the loop stands on in tests.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use brigade_config::Config;
use brigade_core::recovery::Swept;
use brigade_core::report::RunOutcome;
use brigade_core::schedule::Because;
use brigade_state::StateError;
use brigade_state::ledger::{Ended as LedgerEntry, Ledger};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::board::{Wall, outcome_word};
use crate::clock::Clock;
use crate::daemon::{Command, Daemon, Wish};
use crate::http::HttpOptions;
use crate::notify::Notifier;
use crate::runner::{Ended, Order, Runner};
use crate::service::{ServeError, Service, Setup, Signal};
use crate::webhook::{Answer, Carrier, Parcel};

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// When every test begins: a midnight.
const BEGIN: &str = "2026-11-20T00:00:00Z";

/// Steps in which time passes: it is looked at what happened after each.
const STEP: Duration = Duration::from_secs(5);

/// How long a state directory is waited for that a killed service held.
const FREE_WITHIN: Duration = Duration::from_secs(600);

/// A job with these keys.
pub(super) fn job(name: &str, keys: &str) -> String {
    format!("[jobs.{name}]\nsource = \"s3://from/{name}\"\ntarget = \"gs://to/{name}\"\n{keys}\n")
}

/// A clock that follows tokio's, and leaps where a test says so.
pub(super) struct TestClock {
    begun: Instant,
    leaps: Mutex<SignedDuration>,
}

impl TestClock {
    pub(super) fn leap(&self, by: SignedDuration) {
        *self.leaps.lock() += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.begun.elapsed()).expect("a span of a test");
        BEGIN.parse::<Timestamp>().expect("a time") + passed + *self.leaps.lock()
    }
}

/// A runner that does what the test says, and notes what it was asked for.
pub(super) struct Script {
    begun: Instant,
    state: std::path::PathBuf,
    clock: Arc<TestClock>,
    plan: Mutex<Plan>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Plan {
    lengths: BTreeMap<String, Duration>,
    outcomes: BTreeMap<String, RunOutcome>,
    deaf: BTreeSet<String>,
    panics: BTreeSet<String>,
}

#[derive(Default)]
struct Seen {
    starts: Vec<(String, Duration, Because)>,
    outcomes: Vec<(String, RunOutcome)>,
    under_way: BTreeMap<String, usize>,
    at_once_max: BTreeMap<String, usize>,
    most_at_once: usize,
}

/// A run that is noted as under way until it is dropped, however it ends.
struct UnderWay<'a>(&'a Script, String);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        *self.0.seen.lock().under_way.get_mut(&self.1).expect("it began") -= 1;
    }
}

impl Script {
    pub(super) fn takes(&self, job: &str, length: Duration) {
        self.plan.lock().lengths.insert(job.to_owned(), length);
    }

    pub(super) fn ends(&self, job: &str, outcome: RunOutcome) {
        self.plan.lock().outcomes.insert(job.to_owned(), outcome);
    }

    pub(super) fn is_deaf(&self, job: &str) {
        self.plan.lock().deaf.insert(job.to_owned());
    }

    pub(super) fn panics(&self, job: &str) {
        self.plan.lock().panics.insert(job.to_owned());
    }

    /// When a job started, after the test began, to the minute.
    pub(super) fn starts(&self, job: &str) -> Vec<Duration> {
        let minutes = |at: Duration| MINUTE * u32::try_from(at.as_secs() / 60).expect("a span of a test");
        self.seen.lock().starts.iter().filter(|(name, ..)| name == job).map(|(_, at, _)| minutes(*at)).collect()
    }

    pub(super) fn reasons(&self, job: &str) -> Vec<Because> {
        self.seen.lock().starts.iter().filter(|(name, ..)| name == job).map(|(.., because)| *because).collect()
    }

    pub(super) fn outcomes(&self, job: &str) -> Vec<RunOutcome> {
        self.seen.lock().outcomes.iter().filter(|(name, _)| name == job).map(|(_, outcome)| *outcome).collect()
    }

    pub(super) fn order(&self) -> Vec<String> {
        self.seen.lock().starts.iter().map(|(name, ..)| name.clone()).collect()
    }

    pub(super) fn at_once_max(&self, job: &str) -> usize {
        self.seen.lock().at_once_max.get(job).copied().unwrap_or(0)
    }

    pub(super) fn most_at_once(&self) -> usize {
        self.seen.lock().most_at_once
    }

    fn begin(&self, order: &Order) -> UnderWay<'_> {
        let mut seen = self.seen.lock();
        seen.starts.push((order.job.clone(), self.begun.elapsed(), order.because));
        let own = seen.under_way.entry(order.job.clone()).or_default();
        *own += 1;
        let (own, all) = (*own, seen.under_way.values().sum());
        let most = seen.at_once_max.entry(order.job.clone()).or_default();
        *most = own.max(*most);
        seen.most_at_once = seen.most_at_once.max(all);
        UnderWay(self, order.job.clone())
    }

    /// Notes in the ledger what a run has shown, as the command line does.
    fn note(&self, order: &Order, began: Timestamp, outcome: RunOutcome) {
        let job = &order.config.jobs[&order.job];
        let mut ledger = Ledger::read(&self.state, &order.job, &job.selection()).expect("readable");
        let swept = if outcome == RunOutcome::Done { Swept::Whole } else { Swept::Part };
        let (held_back, directory) = (SignedDuration::ZERO, "ab".to_owned());
        let (run, outcome, ended) = (order.run.clone(), outcome_word(outcome).to_owned(), self.clock.now());
        ledger.note(LedgerEntry { run, began, ended, outcome, swept, failing: 0, held_back, directory, reason: None });
        ledger.write(&self.state, &order.job).expect("written");
    }
}

#[async_trait]
impl Runner for Script {
    async fn run(&self, order: Order) -> Ended {
        let _under_way = self.begin(&order);
        let began = self.clock.now();
        let (length, outcome, is_deaf, panics) = {
            let plan = self.plan.lock();
            let length = plan.lengths.get(&order.job).copied().unwrap_or(Duration::from_secs(1));
            let outcome = plan.outcomes.get(&order.job).copied().unwrap_or(RunOutcome::Done);
            (length, outcome, plan.deaf.contains(&order.job), plan.panics.contains(&order.job))
        };
        assert!(!panics, "this run panics");
        let outcome = tokio::select! {
            () = tokio::time::sleep(length) => outcome,
            () = order.stop.cancelled(), if !is_deaf => RunOutcome::Interrupted,
        };
        self.note(&order, began, outcome);
        self.seen.lock().outcomes.push((order.job, outcome));
        Ended { outcome, message: None }
    }
}

/// A receiver of notifications that answers as the test says, and notes what it was sent.
pub(super) struct Mailbox {
    begun: Instant,
    answers: Mutex<VecDeque<Reply>>,
    always: Mutex<Reply>,
    sent: Mutex<Vec<Letter>>,
}

/// What the receiver says to an attempt.
#[derive(Clone)]
pub(super) enum Reply {
    Says(Answer),
    Nothing,
    Panics,
}

/// An attempt as it arrived: when, after the test began, and what it said.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) at: Duration,
    pub(super) id: String,
    pub(super) body: serde_json::Value,
}

impl Mailbox {
    fn new(begun: Instant) -> Self {
        Self { begun, answers: Mutex::default(), always: Mutex::new(Reply::Says(Answer::Taken)), sent: Mutex::default() }
    }

    /// What it says to the next attempts, in their order.
    pub(super) fn answers(&self, replies: impl IntoIterator<Item = Reply>) {
        self.answers.lock().extend(replies);
    }

    /// What it says to all that no other answer is meant for.
    pub(super) fn always(&self, reply: Reply) {
        *self.always.lock() = reply;
    }

    /// All attempts, in their order.
    pub(super) fn letters(&self) -> Vec<Letter> {
        self.sent.lock().clone()
    }

    /// The events of all attempts, in their order.
    pub(super) fn events(&self) -> Vec<String> {
        self.letters().iter().map(|letter| letter.body["event"].as_str().expect("a word").to_owned()).collect()
    }
}

#[async_trait]
impl Carrier for Mailbox {
    async fn carry(&self, parcel: Parcel) -> Answer {
        let body = serde_json::from_str(&parcel.body.text).expect("JSON");
        self.sent.lock().push(Letter { at: self.begun.elapsed(), id: parcel.id, body });
        let reply = self.answers.lock().pop_front().unwrap_or_else(|| self.always.lock().clone());
        match reply {
            Reply::Says(answer) => answer,
            Reply::Nothing => std::future::pending().await,
            Reply::Panics => panic!("this carrier panics"),
        }
    }
}

/// A state directory, a clock, a runner and a configuration.
pub(super) struct Stage {
    directory: tempfile::TempDir,
    pub(super) clock: Arc<TestClock>,
    pub(super) runner: Arc<Script>,
    pub(super) mailbox: Arc<Mailbox>,
    configuration: Arc<Mutex<String>>,
}

impl Stage {
    pub(super) fn new(configuration: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let begun = Instant::now();
        let clock = Arc::new(TestClock { begun, leaps: Mutex::default() });
        let state = directory.path().to_owned();
        let runner = Arc::new(Script { begun, state, clock: clock.clone(), plan: Mutex::default(), seen: Mutex::default() });
        let mailbox = Arc::new(Mailbox::new(begun));
        Self { directory, clock, runner, mailbox, configuration: Arc::new(Mutex::new(configuration.to_owned())) }
    }

    pub(super) fn state(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What the next reading of the configuration finds.
    pub(super) fn configure(&self, configuration: &str) {
        configuration.clone_into(&mut self.configuration.lock());
    }

    fn setup(&self) -> Setup {
        let configuration = self.configuration.clone();
        let load = move || Config::parse(&configuration.lock()).map_err(|problems| problems.to_string());
        Setup {
            config: load().expect("a configuration that is understood"),
            load: Box::new(load),
            variable: Box::new(|name| (name == "HOOK").then(|| "http://127.0.0.1:9/in-words-of-the-test".to_owned())),
            state_dir: self.state().to_owned(),
            clock: self.clock.clone(),
            runner: self.runner.clone(),
            notifier: Notifier::default(),
            http: HttpOptions { listen: "127.0.0.1:0".parse().expect("an address"), token: None },
        }
    }

    pub(super) async fn open_service(&self) -> Result<Service, ServeError> {
        Service::open(self.setup()).await
    }

    /// Starts the loop, when the state directory is free.
    pub(super) async fn start(&self) -> Running {
        let deadline = Instant::now() + FREE_WITHIN;
        let daemon = loop {
            match Daemon::open(self.setup(), self.mailbox.clone()).await {
                Ok(daemon) => break daemon,
                Err(ServeError::State(StateError::Served { .. })) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(10)).await
                }
                Err(error) => panic!("the service does not open: {error}"),
            }
        };
        let wall = daemon.wall();
        let (commands, mut command_receiver) = mpsc::channel(4);
        let (signals, mut signal_receiver) = mpsc::channel(4);
        let task = tokio::spawn(async move { daemon.run(&mut command_receiver, &mut signal_receiver).await });
        Running { wall, commands, signals, task }
    }
}

/// A loop that runs.
pub(super) struct Running {
    pub(super) wall: Arc<Wall>,
    commands: mpsc::Sender<Command>,
    signals: mpsc::Sender<Signal>,
    task: JoinHandle<()>,
}

impl Running {
    /// Lets time pass, in steps, so that everything that is due meanwhile happens when it is due.
    pub(super) async fn pass(&self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            tokio::time::sleep(STEP.min(end - Instant::now())).await;
        }
        assert!(!self.task.is_finished(), "the loop has ended");
    }

    pub(super) async fn wish(&self, job: &str, wish: Wish) -> bool {
        let (answer, answered) = oneshot::channel();
        self.commands.send(Command { job: job.to_owned(), wish, answer }).await.expect("the loop lives");
        answered.await.expect("an answer")
    }

    pub(super) async fn signal(&self, signal: Signal) {
        self.signals.send(signal).await.expect("the loop lives");
    }

    /// How often something was told of a job.
    pub(super) fn told(&self, job: &str, word: &str) -> usize {
        self.wall.events.kept().iter().filter(|event| event.job.as_deref() == Some(job) && event.event.word() == word).count()
    }

    /// Tells it to stop, and waits until it has.
    pub(super) async fn end(self) {
        self.signal(Signal::Stop).await;
        self.task.await.expect("the loop ends without a panic");
    }

    /// As `kill -9` does: nothing more is written.
    pub(super) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.is_err_and(|error| error.is_cancelled()), "the loop was killed");
    }
}
