//! The pace of one body: after each piece it waits until that piece is paid for.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use brigade_store::layers::pacing::{Pacer, current};
use tokio::time::{Instant, Sleep};

/// Waits shorter than this are left out: the timer is not finer, and what is owed stays owed.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// What one body owes.
pub(crate) struct Paced {
    pacer: Arc<Pacer>,
    until: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    /// By the pacer of the attempt that is under way, where there is one.
    pub(crate) fn now() -> Option<Self> {
        current().map(|pacer| Self { pacer, until: None })
    }

    /// Ready when more may be moved.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(until) = &mut self.until {
            ready!(until.as_mut().poll(cx));
            self.until = None;
        }
        Poll::Ready(())
    }

    /// Bytes that may be moved at once.
    pub(crate) fn piece_bytes(&self) -> usize {
        self.pacer.piece_bytes()
    }

    /// So many bytes were moved.
    pub(crate) fn charge(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).expect("a buffer length fits in 64 bits");
        let at = self.pacer.charge(bytes).filter(|at| *at > Instant::now() + WAIT_MIN);
        self.until = at.map(|at| Box::pin(tokio::time::sleep_until(at)));
    }
}
