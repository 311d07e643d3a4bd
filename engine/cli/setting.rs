//! What a command runs in: at a terminal, or inside of `serve`.
//!
//! A person's command reads the configuration, listens to signals and prints what came out. Inside of `serve` the configuration was read
//! before, signals are for the whole process, and what came out goes to whoever ordered the run.

use std::sync::Arc;

use brigade_core::event::Observer;
use brigade_pipeline::memory::Budget;
use brigade_store::shares::{Pool, Pools, Share};
use tokio_util::sync::CancellationToken;

use crate::args::Global;
use crate::config::Config;
use crate::error::CliError;
use crate::interrupt;

/// The setting of one command.
pub struct Setting<'a> {
    /// Options of every command.
    pub global: &'a Global,
    /// The order; none where a person gave the command.
    pub ordered: Option<Ordered>,
}

/// A run that `serve` ordered.
pub struct Ordered {
    /// The configuration that counts for it.
    pub config: Config,
    /// The ULID that it bears.
    pub run: String,
    /// Ends it.
    pub stop: CancellationToken,
    /// Takes what happens.
    pub observer: Arc<dyn Observer>,
    /// What runs have together.
    pub together: Together,
}

/// What the runs of one process have together, as one of them gets it.
#[derive(Clone)]
pub struct Together {
    /// Object bytes in memory.
    pub memory: Pool,
    /// Requests at once, where somebody limited those of all runs.
    pub requests: Option<Requests>,
    /// How much of what is lent the run gets, beside the weights of others.
    pub weight: u64,
}

/// Requests at once at each endpoint.
#[derive(Clone)]
pub struct Requests {
    /// By endpoint.
    pub pools: Pools,
    /// At each.
    pub at_once: u64,
    /// Runs that there may be.
    pub runs: u64,
}

impl Together {
    /// What the run gets of the requests at once at an endpoint; none where only its own limits hold.
    pub fn places(&self, endpoint: &str) -> Option<Share> {
        let Requests { pools, at_once, runs } = self.requests.as_ref()?;
        Some(pools.get(endpoint, *at_once, *runs).share(u64::MAX, self.weight))
    }
}

impl<'a> Setting<'a> {
    /// A person's command.
    pub fn of_person(global: &'a Global) -> Self {
        Self { global, ordered: None }
    }

    /// The configuration.
    pub fn config(&self) -> Result<Config, CliError> {
        match &self.ordered {
            Some(ordered) => Ok(ordered.config.clone()),
            None => Config::load(self.global.config.as_deref()),
        }
    }

    /// The ULID of the run.
    pub fn run(&self) -> String {
        self.ordered.as_ref().map_or_else(|| ulid::Ulid::new().to_string(), |ordered| ordered.run.clone())
    }

    /// What ends the run. A person's first signal does; from here on the process listens to signals.
    pub fn stop(&self) -> CancellationToken {
        self.ordered.as_ref().map_or_else(|| interrupt::watch(interrupt::STOPPING), |ordered| ordered.stop.clone())
    }

    /// What the run may hold in memory, at most so many bytes.
    pub fn budget(&self, memory_bytes: u64) -> Budget {
        match self.together() {
            Some(together) => Budget::of(together.memory.share(memory_bytes, together.weight)),
            None => Budget::new(memory_bytes),
        }
    }

    /// What it has together with other runs, where there may be any.
    pub fn together(&self) -> Option<&Together> {
        self.ordered.as_ref().map(|ordered| &ordered.together)
    }

    /// Who else wants to know what happens.
    pub fn observer(&self) -> Option<Arc<dyn Observer>> {
        self.ordered.as_ref().map(|ordered| ordered.observer.clone())
    }

    /// Whether somebody reads what is printed.
    pub fn is_of_person(&self) -> bool {
        self.ordered.is_none()
    }
}
