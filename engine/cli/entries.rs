//! Where the entries of a run come from, where it is not from listing both ends.

use std::sync::Arc;

use brigade_core::Key;
use brigade_core::event::Side;
use brigade_core::filter::Filter;
use brigade_core::job::Job;
use brigade_inventory::{Named, Way, way};

use crate::open::Opened;

/// Both ends as the job needs them listed.
pub async fn of_job(job: &Job, source: Opened, target: Opened) -> (Opened, Opened) {
    let source = of_filter(&job.filter, source, Side::Source).await;
    // What the filters hide of the target is deleted as well, so all of it has to be seen.
    let target = if job.delete_excluded { target } else { of_filter(&job.filter, target, Side::Target).await };
    (source, target)
}

/// The location as the filter needs it listed: where `--files-from` names few of its keys, each of them is looked up.
pub async fn of_filter(filter: &Filter, opened: Opened, side: Side) -> Opened {
    let Some(files) = filter.files() else { return opened };
    let names: Vec<Key> = files.map(Key::from).collect();
    match way(&*opened.store, &names).await {
        Way::List => {
            tracing::debug!(%side, names = names.len(), "the keys of --files-from are picked from a listing");
            opened
        }
        Way::Look => {
            tracing::debug!(%side, names = names.len(), "the keys of --files-from are looked up one by one");
            let entries = Named::new(opened.store.clone(), &names, &opened.prefix);
            opened.listed_by(Arc::new(entries))
        }
    }
}
