//! The shards of a run: some are listed and joined at once, and all of them feed the same workers and the same sums.
//!
//! Each shard joins its own range of both listings. A runner that has nothing to do takes the upper part of one that has most
//! before it, so the number of shards follows from what the listings show. Nothing of this is written down: a run that resumes
//! lists again.

use std::sync::Arc;

use brigade_core::diff::DiffRules;
use brigade_core::event::{Event, Side};
use brigade_core::shard::{Division, DivisionLimits};
use brigade_core::{ErrorKind, Shard};
use brigade_store::Listing;
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument as _;

use crate::ctx::{Ctx, Fatal};
use crate::diff::{self, Joined, Outlet};
use crate::last;
use crate::limits::{PAGES_WAITING_MAX, RUNNER_BYTES, RUNNERS_MAX, RUNNERS_MIN};
use crate::list::{ListingEnd, list};
use crate::queue::{Position, Queue};
use crate::record::{Recorded, Recorder};
use crate::transfer::Lanes;

/// Everything that the shards came to.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The sums.
    pub recorded: Recorded,
    /// What the joins counted.
    pub joined: Joined,
    /// Whether every listing was seen to its end.
    pub listing: ListingEnd,
}

/// Runs all shards to their end.
pub async fn run(limits: DivisionLimits, rules: &Arc<DiffRules>, cx: &Arc<Ctx>) -> Listed {
    let (division, runners_max) = divide(limits, cx);
    let queue = Arc::new(Queue::new(division, runners_max));
    let recorder = Arc::new(Recorder::new(queue.clone(), cx.clone()));
    let (lanes, mut workers) = Lanes::start(rules, &recorder, cx);
    let mut runners = JoinSet::new();
    for _ in 0..runners_max {
        let outlet = Outlet { lanes: lanes.clone(), recorder: recorder.clone() };
        runners.spawn(runner(queue.clone(), rules.clone(), outlet, cx.clone()).in_current_span());
    }
    drop(lanes);
    let (mut joined, mut listing) = (Joined::default(), ListingEnd::Complete);
    while let Some(ended) = runners.join_next().await {
        let (counted, end) = value_of(ended);
        joined.merge(&counted);
        listing = listing.and(end);
    }
    if listing == ListingEnd::Complete {
        if queue.is_whole() {
            cx.observer.observe(&Event::ListingEnded(Side::Source));
            cx.observer.observe(&Event::ListingEnded(Side::Target));
        } else {
            contradiction("the shards that were listed are not the whole keyspace", cx);
            listing = ListingEnd::Cut;
        }
    }
    while let Some(ended) = workers.join_next().await {
        value_of(ended);
    }
    last::run(listing, rules, &recorder, cx).await;
    Listed { recorded: recorder.finish().await, joined, listing }
}

/// How the keyspace is divided at first, and how many shards are listed at once at most. Where a side cannot begin in the middle
/// there is one.
fn divide(limits: DivisionLimits, cx: &Ctx) -> (Division, usize) {
    let ranged = cx.source_facts.listing == Listing::Ranged && cx.target_facts.listing == Listing::Ranged;
    if !ranged || cx.job.concurrency <= 1 {
        return (Division::undivided(), 1);
    }
    let marks = cx.baseline.as_ref().map(|baseline| baseline.marks()).unwrap_or_default();
    let fit = usize::try_from(cx.budget.floor_bytes() / RUNNER_BYTES).unwrap_or(usize::MAX).max(RUNNERS_MIN);
    (Division::new(limits, marks), RUNNERS_MAX.min(cx.job.concurrency).min(fit))
}

/// Runs one shard after the other.
async fn runner(queue: Arc<Queue>, rules: Arc<DiffRules>, outlet: Outlet, cx: Arc<Ctx>) -> (Joined, ListingEnd) {
    let (mut joined, mut listing) = (Joined::default(), ListingEnd::Complete);
    while let Some((shard, position)) = queue.take().await {
        let (counted, end) = Box::pin(one((&shard, &queue, &position), &rules, &outlet, &cx)).await;
        joined.merge(&counted);
        listing = listing.and(end);
        queue.ended(shard.id);
    }
    (joined, listing)
}

async fn one((shard, queue, position): (&Shard, &Queue, &Position), rules: &DiffRules, outlet: &Outlet, cx: &Ctx) -> (Joined, ListingEnd) {
    let (source_pages, source) = tokio::sync::mpsc::channel(PAGES_WAITING_MAX);
    let (target_pages, target) = tokio::sync::mpsc::channel(PAGES_WAITING_MAX);
    let (source_end, target_end, joined) = tokio::join!(
        list(&*cx.source, Side::Source, (shard, queue), source_pages, cx),
        list(&*cx.target, Side::Target, (shard, queue), target_pages, cx),
        diff::diff((shard, queue, position), source, target, rules, outlet, cx),
    );
    (joined, source_end.and(target_end))
}

/// Stops a run whose shards cannot be what they should: nothing that it saw counts then.
pub(crate) fn contradiction(message: &str, cx: &Ctx) {
    cx.give_up(Fatal { kind: ErrorKind::Internal, what: "the run contradicts itself".into(), message: message.into() });
}

/// A panic of a stage is a panic of the run.
pub(crate) fn value_of<T>(result: Result<T, JoinError>) -> T {
    match result {
        Ok(value) => value,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
