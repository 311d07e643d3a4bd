//! What one connection has moved, seen at the socket: the only witness of progress.
//!
//! Frames and buffers above it say nothing about the wire: a slow upload may sit in a buffer for longer than the stall
//! timeout while its bytes trickle out. So the stall clock and the question whether a request left this machine are both
//! answered from here. What the kernel has taken counts as moved: it holds a few times what the network carries in a round
//! trip, which is far less than a stall timeout's worth on any path that is not stalled.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug)]
pub(crate) struct Meter {
    opened: Instant,
    /// Milliseconds after `opened` at which a byte last moved.
    moved_ms: AtomicU64,
    read_bytes: AtomicU64,
    written_bytes: AtomicU64,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self { opened: Instant::now(), moved_ms: AtomicU64::new(0), read_bytes: AtomicU64::new(0), written_bytes: AtomicU64::new(0) }
    }

    pub(crate) fn read(&self, bytes: usize) {
        if bytes > 0 {
            let bytes = u64::try_from(bytes).expect("a buffer length fits in 64 bits");
            self.read_bytes.fetch_add(bytes, Ordering::Relaxed);
            self.touch();
        }
    }

    pub(crate) fn wrote(&self, bytes: usize) {
        if bytes > 0 {
            let bytes = u64::try_from(bytes).expect("a buffer length fits in 64 bits");
            self.written_bytes.fetch_add(bytes, Ordering::Relaxed);
            self.touch();
        }
    }

    /// Bytes handed to the kernel since the connection was opened.
    pub(crate) fn written_bytes(&self) -> u64 {
        self.written_bytes.load(Ordering::Relaxed)
    }

    /// Bytes taken from the kernel since the connection was opened.
    pub(crate) fn read_bytes(&self) -> u64 {
        self.read_bytes.load(Ordering::Relaxed)
    }

    /// When a byte last moved, rounded up to the millisecond.
    pub(crate) fn last_moved(&self) -> Instant {
        self.opened + Duration::from_millis(self.moved_ms.load(Ordering::Relaxed))
    }

    fn touch(&self) {
        let elapsed_ms = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.moved_ms.store(elapsed_ms + 1, Ordering::Relaxed);
    }
}
