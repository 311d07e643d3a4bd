//! `serve`: the configured jobs, each run as `run JOB` runs it, when the service says so.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use brigade_core::report::RunOutcome;
use brigade_core::schedule::Priority;
use brigade_service::{Ended, HttpOptions, Notifier, Order, Runner, ServeError, Service, Setup, Signal, SystemClock, Token, WebhookError};
use brigade_store::shares::{Pool, Pools};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::args::{Global, ProgressWhen, ServeArgs};
use crate::commands::run::{Asked, Cap, Made, make};
use crate::commands::transfer::Ran;
use crate::config::Config;
use crate::error::CliError;
use crate::job::{MEMORY_BYTES_MIN, default_memory};
use crate::say;
use crate::setting::{Ordered, Requests, Setting, Together};

/// Signals that wait for the service: whoever sends more of them is no more in a hurry.
const SIGNALS_PENDING_MAX: usize = 4;

/// Runs the service until it is told to stop.
pub async fn run(args: &ServeArgs, global: &Global) -> Result<ExitCode, CliError> {
    let config = Config::load(global.config.as_deref())?;
    let path = config.path()?.to_owned();
    let state_dir = config.process_state_dir(args.state_dir.as_deref())?;
    let jobs = config.file().jobs.len();
    let again = path.clone();
    let (bytes, runs) = memory_of(config.file());
    let setup = Setup {
        config: config.file().clone(),
        load: Box::new(move || Config::load(Some(&again)).map(|config| config.file().clone()).map_err(|error| error.sentence())),
        variable: Box::new(|name| std::env::var(name).ok()),
        state_dir: state_dir.clone(),
        clock: Arc::new(SystemClock),
        runner: Arc::new(Commands {
            path,
            state_dir: state_dir.clone(),
            global: quiet(global),
            memory: Pool::new(bytes, runs),
            requests: Pools::default(),
        }),
        notifier: notifier(),
        http: http_options(args, &config)?,
    };
    let signals = signals()?;
    let service = Service::open(setup).await.map_err(cannot_serve)?;
    let address = service.address().map_err(|error| CliError::new("cannot tell where it listens", error))?;
    let noun = if jobs == 1 { "job" } else { "jobs" };
    say!("brigade serves {jobs} {noun}; http://{address}/ shows them, http://{address}/metrics is for Prometheus");
    service.run(signals).await;
    Ok(ExitCode::SUCCESS)
}

fn http_options(args: &ServeArgs, config: &Config) -> Result<HttpOptions, CliError> {
    let serve = &config.file().serve;
    let token = match &serve.token {
        None => None,
        Some(secret) => {
            let text = secret.resolve(|name| std::env::var(name).ok()).map_err(|error| {
                CliError::new("the `token` of [serve] is not known", error).hint("set the variable where `brigade serve` is started")
            })?;
            Some(Token::new(&text).map_err(|error| {
                CliError::new("the `token` of [serve] cannot be used", error).hint("make one with `openssl rand -hex 32`")
            })?)
        }
    };
    Ok(HttpOptions { listen: args.listen.unwrap_or(serve.listen), token })
}

fn cannot_serve(error: ServeError) -> CliError {
    let what = match std::error::Error::source(&error) {
        Some(cause) => CliError::new(error.to_string(), cause),
        None => CliError::plain(error.to_string()),
    };
    match error {
        ServeError::State(_) => what.hint("stop it, or name another directory with --state-dir"),
        ServeError::Webhook(WebhookError::Unset { .. }) => what.hint("set the variable where `brigade serve` is started"),
        ServeError::Webhook(_) => what,
        ServeError::Open(_) => what.hint("add token = \"${BRIGADE_TOKEN}\" to [serve], or listen on 127.0.0.1"),
        ServeError::Listen { .. } => what.hint("name another address with --listen; port 0 picks a free one"),
    }
}

/// Whoever started the process may want to hear how it is, as `$NOTIFY_SOCKET` and `$WATCHDOG_USEC` say.
fn notifier() -> Notifier {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.as_bytes().is_empty()) else {
        return Notifier::default();
    };
    let is_own = std::env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
    let micros = std::env::var("WATCHDOG_USEC").ok().filter(|_| is_own).and_then(|micros| micros.parse().ok());
    let watchdog = micros.filter(|micros| *micros > 0).map(Duration::from_micros);
    Notifier::to(Path::new(&socket), watchdog).unwrap_or_else(|error| {
        tracing::warn!("the service manager cannot be told anything: {error}");
        Notifier::default()
    })
}

/// SIGTERM and Ctrl-C stop the service, SIGHUP has the configuration read again.
fn signals() -> Result<mpsc::Receiver<Signal>, CliError> {
    let watch = |kind| signal(kind).map_err(|error| CliError::new("signals cannot be watched", error));
    let (mut terminate, mut interrupt, mut hangup) =
        (watch(SignalKind::terminate())?, watch(SignalKind::interrupt())?, watch(SignalKind::hangup())?);
    let (sender, receiver) = mpsc::channel(SIGNALS_PENDING_MAX);
    tokio::spawn(async move {
        loop {
            let signal = tokio::select! {
                _ = terminate.recv() => Signal::Stop,
                _ = interrupt.recv() => Signal::Stop,
                _ = hangup.recv() => Signal::Reload,
            };
            if sender.send(signal).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Options of every command, for one that nobody reads.
fn quiet(global: &Global) -> Global {
    Global {
        verbose: global.verbose,
        quiet: true,
        progress: ProgressWhen::Never,
        log_format: global.log_format,
        json: false,
        config: global.config.clone(),
    }
}

/// Runs jobs as commands.
struct Commands {
    path: PathBuf,
    state_dir: PathBuf,
    global: Global,
    /// Object bytes that all runs together hold.
    memory: Pool,
    /// Requests at once, by endpoint.
    requests: Pools,
}

#[async_trait]
impl Runner for Commands {
    async fn run(&self, order: Order) -> Ended {
        match Box::pin(self.make(order)).await.and_then(|made| made.result) {
            Ok(ran) => Ended { outcome: ran.head.outcome, message: why(&ran) },
            Err(error) => Ended { outcome: error.outcome(), message: Some(error.sentence()) },
        }
    }
}

impl Commands {
    async fn make(&self, order: Order) -> Result<Made, CliError> {
        // The configuration may have been read again.
        let (bytes, runs) = memory_of(&order.config);
        self.memory.resize(bytes, runs);
        let cap = cap(&order.config, &order.job, &self.memory);
        let config = Config::of((*order.config).clone(), self.path.clone());
        let job = config.job(&order.job)?;
        let requests = order.config.serve.concurrency.map(|at_once| Requests { pools: self.requests.clone(), at_once, runs });
        let together = Together { memory: self.memory.clone(), requests, weight: weight(order.config.priority(job)) };
        let state = order.config.state_dir(job, &self.state_dir);
        let asked = Asked { name: &order.job, state: &state, words: Vec::new(), cap };
        let ordered = Ordered { config: config.clone(), run: order.run, stop: order.stop, observer: order.observer, together };
        make(&config, &asked, &Setting { global: &self.global, ordered: Some(ordered) }).await
    }
}

/// Object bytes that all runs together hold, and how many runs there may be.
fn memory_of(config: &brigade_config::Config) -> (u64, u64) {
    let bytes = config.serve.memory_bytes.unwrap_or_else(default_memory);
    (bytes.max(MEMORY_BYTES_MIN), config.serve.jobs_at_once)
}

/// How much of what is lent a run gets, beside the others: twice as much with each step.
fn weight(priority: Priority) -> u64 {
    match priority {
        Priority::Low => 1,
        Priority::Normal => 2,
        Priority::High => 4,
    }
}

/// What a run may use at most: what it has when the others have no more than their floors.
fn cap(config: &brigade_config::Config, job: &str, memory: &Pool) -> Cap {
    let serve = &config.serve;
    let concurrency = serve.concurrency.map(|all| usize::try_from(all).unwrap_or(usize::MAX));
    let tenant = config.jobs.get(job).and_then(|job| config.tenants.get(job.tenant.as_ref()?));
    let of_tenant = tenant.and_then(|tenant| Some((tenant.limits.clone(), tenant.limits.at_once()?.min(serve.jobs_at_once))));
    Cap { memory_bytes: Some(memory.claim_most().max(MEMORY_BYTES_MIN)), concurrency, of_tenant }
}

/// Why a run did not end as promised.
fn why(ran: &Ran) -> Option<String> {
    let objects = &ran.head.totals.objects;
    match ran.head.outcome {
        RunOutcome::Done => None,
        RunOutcome::Partial => {
            Some(format!("{} objects failed and {} were skipped: the report of the run names each", objects.failed, objects.skipped))
        }
        RunOutcome::Refused | RunOutcome::Failed | RunOutcome::Interrupted => ran.reason.clone(),
    }
}
