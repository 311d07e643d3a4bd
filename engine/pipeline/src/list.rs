//! The first stage: one side's listing, page by page, filtered and held to its order.
//!
//! A listing that fails makes the keyspace unknown. The stage then stops the run: what is unknown is never deleted (p03).

use brigade_core::diff::Sorted;
use brigade_core::event::{Event, Side};
use brigade_core::{Entry, ErrorKind, KeyRange};
use brigade_store::{List, StoreError};

use crate::ctx::{Ctx, Fatal};

/// Whether a listing reached its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListingEnd {
    /// Every key was seen.
    Complete,
    /// It was stopped or failed.
    Cut,
}

/// Sends the side's entries, in order, as pages. Returns when the listing has ended, the run was stopped, or it failed.
pub async fn list(store: &dyn List, side: Side, range: &KeyRange, output: async_channel::Sender<Vec<Entry>>, cx: &Ctx) -> ListingEnd {
    match pages(store, side, range, &output, cx).await {
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
    range: &KeyRange,
    output: &async_channel::Sender<Vec<Entry>>,
    cx: &Ctx,
) -> Result<ListingEnd, StoreError> {
    let mut pages = store.list(range);
    let mut sorted = Sorted::default();
    loop {
        let page = tokio::select! {
            // In the order of writing: a simulation must go the same way twice.
            biased;
            () = cx.stop.cancelled() => return Ok(ListingEnd::Cut),
            page = pages.next() => page?,
        };
        let Some(mut entries) = page else {
            cx.observer.observe(&Event::ListingEnded(side));
            return Ok(ListingEnd::Complete);
        };
        for entry in &entries {
            sorted.check(&entry.key).map_err(|message| StoreError::new(ErrorKind::Protocol, message))?;
        }
        entries.retain(|entry| takes_part(entry, side, cx));
        if !entries.is_empty() && output.send(entries).await.is_err() {
            return Ok(ListingEnd::Cut);
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
