//! The stall clock of a connection: one timer for all its exchanges, set again only when it has run out.
//!
//! An exchange that is faster than the timeout, which is every good one, therefore touches no timer at all.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::meter::Meter;

/// A request extension that gives this one request another stall timeout: for operations on which a server is silent
/// while it works, such as completing a large upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StallTimeout(pub Duration);

#[derive(Debug)]
pub(crate) struct StallClock {
    timeout: Duration,
    timer: Pin<Box<Sleep>>,
    state: State,
}

/// Only waiting counts: while the caller is busy elsewhere the clock rests.
#[derive(Debug)]
enum State {
    Resting,
    Waiting { since: Instant },
}

impl StallClock {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout, timer: Box::pin(tokio::time::sleep(timeout)), state: State::Resting }
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The timeout of the exchange that begins.
    pub(crate) fn begin(&mut self, timeout: Duration) {
        if timeout < self.timeout {
            self.timer.as_mut().reset(Instant::now() + timeout);
        }
        self.timeout = timeout;
        self.rest();
    }

    /// What was waited for has come.
    pub(crate) fn rest(&mut self) {
        self.state = State::Resting;
    }

    /// Ready once the caller has waited, and the connection has moved no byte, for the whole timeout.
    pub(crate) fn poll_stalled(&mut self, cx: &mut Context<'_>, meter: &Meter) -> Poll<()> {
        let since = match self.state {
            State::Waiting { since } => since,
            State::Resting => {
                let now = Instant::now();
                self.state = State::Waiting { since: now };
                now
            }
        };
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let due = since.max(meter.last_moved()) + self.timeout;
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(due);
        }
    }
}
