//! One shard: its stages are wired together and run until all have ended.

use std::sync::Arc;

use brigade_core::diff::DiffRules;
use brigade_core::event::Side;
use brigade_core::{Key, Shard};
use parking_lot::Mutex;

use crate::ctx::Ctx;
use crate::diff::{self, Joined};
use crate::limits::{ACTIONS_WAITING_MAX, OUTCOMES_WAITING_MAX, PAGES_WAITING_MAX};
use crate::list::{ListingEnd, list};
use crate::record::{Recorded, record};
use crate::transfer::transfer;

/// How far the join has come; whoever records tells the journal.
#[derive(Debug, Default)]
pub struct Position(Mutex<Option<Key>>);

impl Position {
    /// The join has come to this key.
    pub fn set(&self, key: &Key) {
        *self.0.lock() = Some(key.clone());
    }

    /// Where the join is.
    pub fn get(&self) -> Option<Key> {
        self.0.lock().clone()
    }
}

/// What became of a shard.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The sums.
    pub recorded: Recorded,
    /// What the join counted.
    pub joined: Joined,
    /// Whether both listings were seen to their end.
    pub listing: ListingEnd,
}

/// Runs one shard to its end.
pub async fn run(shard: &Shard, rules: &Arc<DiffRules>, cx: &Arc<Ctx>) -> Ended {
    let (source_pages, source_entries) = async_channel::bounded(PAGES_WAITING_MAX);
    let (target_pages, target_entries) = async_channel::bounded(PAGES_WAITING_MAX);
    let (actions, to_transfer) = async_channel::bounded(ACTIONS_WAITING_MAX);
    let (outcomes, to_record) = async_channel::bounded(OUTCOMES_WAITING_MAX);
    let position = Arc::new(Position::default());
    let transferring = tokio::spawn(transfer(to_transfer, rules.clone(), outcomes, cx.clone()));
    let recording = {
        let (cx, shard, position) = (cx.clone(), shard.clone(), position.clone());
        tokio::spawn(async move { record(to_record, (&shard, &position), &cx).await })
    };
    let (source_end, target_end, counted) = tokio::join!(
        list(&*cx.source, Side::Source, &shard.range, source_pages, cx),
        list(&*cx.target, Side::Target, &shard.range, target_pages, cx),
        async {
            let actions = actions;
            diff::diff((shard, &position), source_entries, target_entries, rules, &actions, cx).await
        },
    );
    joined(transferring.await);
    let recorded = joined(recording.await);
    let complete = source_end == ListingEnd::Complete && target_end == ListingEnd::Complete;
    Ended { recorded, joined: counted, listing: if complete { ListingEnd::Complete } else { ListingEnd::Cut } }
}

/// A panic of a stage is a panic of the run.
fn joined<T>(result: Result<T, tokio::task::JoinError>) -> T {
    match result {
        Ok(value) => value,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
