//! Where shards wait for somebody who runs them.

use std::collections::VecDeque;

use async_trait::async_trait;
use brigade_core::Shard;
use parking_lot::Mutex;

/// Hands out shards, each to one worker at a time.
#[async_trait]
pub trait Queue: Send + Sync {
    /// The next shard; `None` when none is left.
    async fn take(&self) -> Option<Shard>;
}

/// A queue in the memory of one process.
#[derive(Debug, Default)]
pub struct MemoryQueue(Mutex<VecDeque<Shard>>);

impl MemoryQueue {
    /// Starts with these shards.
    pub fn new(shards: impl IntoIterator<Item = Shard>) -> Self {
        Self(Mutex::new(shards.into_iter().collect()))
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn take(&self) -> Option<Shard> {
        self.0.lock().pop_front()
    }
}
