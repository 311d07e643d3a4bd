//! `brigade serve`: jobs that run by themselves, and everything that a person or a machine wants to know of them.
//!
//! One loop ([`Service::run`]) is the only place that changes anything: it hands the time and what happened to the pure
//! `brigade_core::schedule::Scheduler`, writes down what the scheduler remembers *before* it starts what the scheduler says, and
//! publishes a board. The HTTP server reads that board, and asks the loop for everything else. The clock and what a run is are seams
//! ([`Clock`], [`Runner`]), so a test drives days through the loop in no time.
//!
//! # What it must never do
//! - Run a job twice at once, or two services on one state directory.
//! - Take a breach for none: an age that is not known is a breach, and ages grow while nothing runs.
//! - Let anybody do more than look, unless a token is configured and given.
//! - Wait without a limit: for a run to stop, for a reader to read, for a request to end.

mod board;
mod clock;
mod daemon;
mod events;
mod http;

mod limits;
mod live;
pub mod metrics;
mod notify;
mod runner;
mod service;
mod webhook;

pub use clock::{Clock, SystemClock};

pub use http::{HttpOptions, OpenToStrangers, Token};
pub use notify::Notifier;
pub use runner::{Ended, Order, Runner};
pub use service::{Load, ServeError, Service, Setup, Signal, Variable};
pub use webhook::WebhookError;
