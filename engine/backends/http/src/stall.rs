//! The stall clock of one exchange: one timer, set again rather than made again.

use std::future::Future;
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
                self.timer.as_mut().reset(now + self.timeout);
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

    /// Runs `work` until it ends or stalls (`None`).
    pub(crate) async fn watch<F: Future>(&mut self, meter: &Meter, work: F) -> Option<F::Output> {
        let mut work = std::pin::pin!(work);
        let done = std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => self.poll_stalled(cx, meter).map(|()| None),
        })
        .await;
        self.rest();
        done
    }
}
