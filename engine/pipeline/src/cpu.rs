//! The CPU lane: digests that are too slow for a task that also moves bytes run on `rayon`'s threads.

use brigade_store::Rope;
use md5::{Digest as _, Md5};
use tokio::sync::{mpsc, oneshot};

use crate::limits::PARTS_AT_ONCE_MAX;
use crate::memory::Held;

/// Where slow digests are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CpuLane {
    /// On `rayon`'s threads.
    #[default]
    Threads,
    /// Where they are asked for: a simulation has one thread and its own time.
    Inline,
}

impl CpuLane {
    /// Runs `work` on the lane.
    pub async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> T {
        if self == Self::Inline {
            return work();
        }
        let (reply, answer) = oneshot::channel();
        rayon::spawn(move || drop(reply.send(work())));
        answer.await.expect("the lane finishes what it was given")
    }

    /// The MD5 of a whole body.
    pub async fn md5(self, bytes: Rope) -> [u8; 16] {
        self.run(move || feed(Md5::new(), &bytes).finalize().into()).await
    }
}

/// The MD5 of an object whose parts arrive in any order.
///
/// A part that is early waits with its bytes, and with its claim on the budget. Parts claim in order, so the one that is
/// waited for always holds its claim already.
pub struct Md5Chain {
    parts: Md5Feed,
    digest: oneshot::Receiver<[u8; 16]>,
}

/// Where the parts of an [`Md5Chain`] go. Cheap to clone.
#[derive(Clone)]
pub struct Md5Feed(mpsc::Sender<(u32, Rope, Held)>);

impl Md5Chain {
    /// Expects the parts `1..=count`.
    pub fn new(count: u32, lane: CpuLane) -> Self {
        let (parts, mut arriving) = mpsc::channel(PARTS_AT_ONCE_MAX);
        let (reply, digest) = oneshot::channel();
        tokio::spawn(async move {
            let mut early = std::collections::BTreeMap::new();
            let mut state = Md5::new();
            for number in 1..=count {
                let (bytes, _held): (Rope, Held) = loop {
                    if let Some(found) = early.remove(&number) {
                        break found;
                    }
                    match arriving.recv().await {
                        Some((number, bytes, held)) => drop(early.insert(number, (bytes, held))),
                        None => return,
                    }
                };
                state = lane.run(move || feed(state, &bytes)).await;
            }
            // Nobody waits any more where the copy failed.
            let _ = reply.send(state.finalize().into());
        });
        Self { parts: Md5Feed(parts), digest }
    }

    /// Where its parts go.
    pub fn feed(&self) -> Md5Feed {
        self.parts.clone()
    }

    /// The digest, once every part was given and nobody can give any more.
    pub async fn finish(self) -> Option<[u8; 16]> {
        drop(self.parts);
        self.digest.await.ok()
    }
}

impl Md5Feed {
    /// Gives a part with its claim.
    pub async fn push(&self, number: u32, bytes: Rope, held: Held) {
        // The chain only ends early when it is dropped.
        let _ = self.0.send((number, bytes, held)).await;
    }
}

fn feed(mut state: Md5, bytes: &Rope) -> Md5 {
    for chunk in bytes.chunks() {
        state.update(chunk);
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Budget;

    #[tokio::test]
    async fn parts_in_any_order_give_the_digest_of_the_whole() {
        let budget = Budget::new(1 << 20);
        let chain = Md5Chain::new(3, CpuLane::Threads);
        for (number, text) in [(3, "c"), (1, "a"), (2, "b")] {
            chain.feed().push(number, Rope::from(text.as_bytes().to_vec()), budget.claim(1).await).await;
        }
        let whole = CpuLane::Threads.md5(Rope::from(b"abc".to_vec())).await;
        assert_eq!(chain.finish().await, Some(whole));
        let short = Md5Chain::new(2, CpuLane::Inline);
        short.feed().push(1, Rope::empty(), budget.claim(1).await).await;
        assert_eq!(short.finish().await, None);
    }
}
