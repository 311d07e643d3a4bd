//! The first stage of a shard: one side's listing, page by page, held to its order, cut to the shard and filtered.
//!
//! A listing that fails makes the keyspace unknown. The stage then stops the run: what is unknown is never deleted (p03).

use brigade_core::diff::Sorted;
use brigade_core::event::{Event, Side};
use brigade_core::shard::GoesOn;
use brigade_core::{Entry, ErrorKind, Shard};
use brigade_store::{List, StoreError};
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;

use crate::ctx::{Ctx, Fatal};
use crate::queue::Queue;

/// Whether a listing reached its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListingEnd {
    /// Every key was seen.
    Complete,
    /// It was stopped or failed.
    Cut,
}

impl ListingEnd {
    /// What two listings together came to.
    pub fn and(self, other: Self) -> Self {
        if self == Self::Complete { other } else { self }
    }
}

/// Sends the side's entries, in order, as pages. Returns when the listing has ended, the run was stopped, or it failed.
pub async fn list(store: &dyn List, side: Side, (shard, queue): (&Shard, &Queue), output: Sender<Vec<Entry>>, cx: &Ctx) -> ListingEnd {
    match pages(store, side, (shard, queue), &output, cx).await {
        Ok(end) => end,
        Err(error) => {
            cx.give_up(Fatal::new(format!("cannot list {}", Ctx::side_name(side)), &error));
            ListingEnd::Cut
        }
    }
}

async fn pages(
    store: &dyn List,
    side: Side,
    (shard, queue): (&Shard, &Queue),
    output: &Sender<Vec<Entry>>,
    cx: &Ctx,
) -> Result<ListingEnd, StoreError> {
    let mut pages = store.list(&shard.range);
    let mut sorted = Sorted::default();
    loop {
        // A page is asked for only when there is a place for it: so a shard holds two of each side.
        let place = tokio::select! {
            // In the order of writing: a simulation must go the same way twice.
            biased;
            () = cx.stop.cancelled() => return Ok(ListingEnd::Cut),
            place = output.reserve() => place,
        };
        if queue.goes_on(shard.id, side) == GoesOn::No {
            return Ok(ListingEnd::Complete);
        }
        // A join that ended before its listings did so because nothing takes its actions any more.
        let Ok(place) = place else { return Ok(ListingEnd::Cut) };
        let asked = Instant::now();
        let page = tokio::select! {
            biased;
            () = cx.stop.cancelled() => return Ok(ListingEnd::Cut),
            page = pages.next() => page?,
        };
        let Some(mut entries) = page else {
            queue.side_ended(shard.id, side);
            return Ok(ListingEnd::Complete);
        };
        sorted.check(&entries).map_err(|message| StoreError::new(ErrorKind::Protocol, message))?;
        let goes_on = queue.arrived(shard.id, side, &mut entries, asked.elapsed());
        cx.observer.observe(&Event::Listed(side, entries.len()));
        entries.retain(|entry| takes_part(entry, side, cx));
        if !entries.is_empty() {
            place.send(entries);
        }
        if goes_on == GoesOn::No {
            return Ok(ListingEnd::Complete);
        }
    }
}

/// Filters by name hide keys on both sides; with `--delete-excluded` an excluded key of the target counts as one that the source lacks.
fn takes_part(entry: &Entry, side: Side, cx: &Ctx) -> bool {
    if side == Side::Target && cx.job.delete_excluded {
        return true;
    }
    cx.job.filter.includes_key(entry.key.as_bytes())
}
