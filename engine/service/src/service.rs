//! A service as its caller has it: what it is made of, how it begins, how it runs and ends.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use brigade_config::Config;
use brigade_state::StateError;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::board::Wall;
use crate::clock::Clock;
use crate::daemon::{Command, Daemon};
use crate::http::{self, HttpOptions, OpenToStrangers, Site};
use crate::limits::{COMMANDS_PENDING_MAX, FAREWELL_TIME, HEARTBEAT_EVERY, PROGRESS_EVERY};
use crate::notify::Notifier;
use crate::runner::Runner;
use crate::webhook::{Post, WebhookError};

/// Reads the configuration again, or says why not.
pub type Load = Box<dyn Fn() -> Result<Config, String> + Send + Sync>;

/// The value of a variable that the configuration names; `None` where it is not set.
pub type Variable = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What a service is made of.
pub struct Setup {
    /// The configuration at the start.
    pub config: Config,
    /// How it is read again.
    pub load: Load,
    /// Where its secrets are.
    pub variable: Variable,
    /// Where the state of the process is kept.
    pub state_dir: PathBuf,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What a run is.
    pub runner: Arc<dyn Runner>,
    /// Who manages the process.
    pub notifier: Notifier,
    /// Who may look, and who may do more.
    pub http: HttpOptions,
}

/// What the world asks of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Read the configuration again.
    Reload,
    /// Start nothing more, let runs finish what is in flight, and end. A second one ends at once.
    Stop,
}

/// Why a service cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The state directory is held by another, or cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// Strangers could reach it.
    #[error(transparent)]
    Open(#[from] OpenToStrangers),
    /// `[notifications]` cannot be used.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A service that has its state directory and its address.
pub struct Service {
    daemon: Daemon,
    commands: mpsc::Receiver<Command>,
    listener: TcpListener,
    site: Site,
}

impl Service {
    /// Takes the state directory, reads what an earlier process remembered, and listens; nothing runs yet.
    ///
    /// # Errors
    /// When another process has the state directory, when strangers could reach the service, when a secret of the configuration is not
    /// known, or the address is not free.
    pub async fn open(setup: Setup) -> Result<Self, ServeError> {
        setup.http.refuse_strangers()?;
        let address = setup.http.listen;
        let (clock, state_dir, token) = (setup.clock.clone(), setup.state_dir.clone(), setup.http.token.clone());
        let daemon = Daemon::open(setup, Arc::new(Post::new()?)).await?;
        let listener = TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })?;
        let (commands, receiver) = mpsc::channel(COMMANDS_PENDING_MAX);
        let site = Site { wall: daemon.wall(), commands, clock, state_dir, token, runs: Default::default() };
        Ok(Self { daemon, commands: receiver, listener, site })
    }

    /// Where it listens: the port that was picked, where 0 was given.
    ///
    /// # Errors
    /// When the operating system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Runs until it is told to stop, or nobody can tell it any more. Runs that do not stop in time are cut off; they resume.
    pub async fn run(self, mut signals: mpsc::Receiver<Signal>) {
        let Self { daemon, mut commands, listener, site } = self;
        let farewell = CancellationToken::new();
        let _teller = AbortOnDropHandle::new(tokio::spawn(show_progress(daemon.wall())));
        let server = AbortOnDropHandle::new(tokio::spawn(http::serve(listener, Arc::new(site), farewell.clone())));
        daemon.run(&mut commands, &mut signals).await;
        farewell.cancel();
        // The server ends by itself within its own time; a hung one is cut off.
        let _ = tokio::time::timeout(FAREWELL_TIME * 2, server).await;
    }
}

/// Takes note of how fast the runs under way are, and shows those who follow the events how far they are.
async fn show_progress(wall: Arc<Wall>) {
    let mut silent = std::time::Duration::ZERO;
    loop {
        tokio::time::sleep(PROGRESS_EVERY).await;
        silent += PROGRESS_EVERY;
        for live in wall.read().jobs.values().filter_map(|job| job.live.as_ref()) {
            live.sample();
        }
        if !wall.events.is_followed() {
            continue;
        }
        for (name, job) in &wall.read().jobs {
            if let Some(live) = &job.live {
                wall.events.show("progress", &serde_json::json!({"job": name, "progress": live.progress()}));
                silent = std::time::Duration::ZERO;
            }
        }
        if silent >= HEARTBEAT_EVERY {
            wall.events.beat();
            silent = std::time::Duration::ZERO;
        }
    }
}
