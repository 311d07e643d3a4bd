//! The steps of a run: every call at a seam, before and after it takes effect, and every step of the disk.
//!
//! Here the world moves on without the engine: time passes, others write and delete, and the process is killed.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use brigade_lab::sim_state::{DiskPoint, DiskWatch};
use brigade_state::StateError;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::scenario::{End, Mutation};
use crate::stage::Stage;

/// The steps of one run.
pub struct Steps {
    stage: Arc<Stage>,
    end: End,
    /// Cancelled when the run is to stop.
    pub stop: CancellationToken,
    /// Told when the process is killed.
    pub killed: Notify,
    counts: Mutex<Counts>,
}

struct Counts {
    steps: u64,
    disk: u64,
    dead: bool,
    during: VecDeque<(u64, Mutation)>,
    log: u64,
}

impl Steps {
    /// Starts counting; `during` is sorted by step.
    pub fn new(stage: Arc<Stage>, end: End, during: &[(u64, Mutation)]) -> Self {
        let counts = Counts { steps: 0, disk: 0, dead: false, during: during.iter().cloned().collect(), log: 0 };
        Self { stage, end, stop: CancellationToken::new(), killed: Notify::new(), counts: Mutex::new(counts) }
    }

    /// Something is about to happen, or has happened. Where the process is dead this never returns.
    pub async fn step(&self, what: &str, key: &[u8]) {
        let (dead, due) = {
            let mut counts = self.counts.lock();
            if counts.dead {
                (true, Vec::new())
            } else {
                counts.steps += 1;
                let steps = counts.steps;
                counts.log = [what.as_bytes(), key]
                    .concat()
                    .iter()
                    .fold(counts.log, |hash, byte| (hash.rotate_left(5) ^ u64::from(*byte)).wrapping_mul(0x517c_c1b7_2722_0a95));
                let mut due = Vec::new();
                while counts.during.front().is_some_and(|(at, _)| *at <= steps) {
                    due.extend(counts.during.pop_front().map(|(_, mutation)| mutation));
                }
                match self.end {
                    End::Crash(at) if at <= steps => counts.dead = true,
                    End::Stop(at) if at <= steps => self.stop.cancel(),
                    _ => {}
                }
                (counts.dead, due)
            }
        };
        for mutation in due {
            self.stage.mutate(&mutation);
        }
        self.stage.tick();
        if dead {
            self.killed.notify_one();
            std::future::pending::<()>().await;
        }
    }

    /// How many steps there were, and a hash of all of them.
    pub fn taken(&self) -> (u64, u64) {
        let counts = self.counts.lock();
        (counts.steps, counts.log)
    }
}

#[async_trait]
impl DiskWatch for Steps {
    async fn at(&self, point: DiskPoint) -> Result<(), StateError> {
        self.step(&format!("{point:?}"), b"").await;
        let mut counts = self.counts.lock();
        counts.disk += 1;
        match self.end {
            End::DiskFull(at) if at <= counts.disk => Err(StateError::io("disk".as_ref(), std::io::ErrorKind::StorageFull.into())),
            _ => Ok(()),
        }
    }
}
