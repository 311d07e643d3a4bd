//! Keys that are copied after all others (`--order-last`): sentinels and manifests, which say that the data they describe is there.
//!
//! The join decides about them as about any key. What needs requests then waits here, in a bounded list, until every listing has ended
//! and every other key is done; where one of those is not, none of these is touched, and each is reported as skipped. Nothing
//! here is written down: the next run finds them again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use brigade_core::diff::DiffRules;
use brigade_core::outcome::{Done, Failure};
use brigade_core::report::ObjectCounts;
use brigade_core::{Action, ErrorKind, Outcome};
use parking_lot::Mutex;

use crate::ctx::Ctx;
use crate::limits::LAST_MAX;
use crate::list::ListingEnd;
use crate::record::Recorder;
use crate::shard::value_of;
use crate::transfer::{Lanes, unknown};

/// Those that wait.
#[derive(Default)]
pub struct Last {
    waiting: Mutex<Vec<Action>>,
    /// How many found no place.
    left_over: AtomicU64,
}

impl Last {
    /// Takes an action on an object of the source. Where too many wait already, it is the next run's, and this is its outcome.
    pub fn put(&self, action: Action) -> Option<Outcome> {
        let mut waiting = self.waiting.lock();
        if waiting.len() < LAST_MAX {
            waiting.push(action);
            return None;
        }
        self.left_over.fetch_add(1, Ordering::Relaxed);
        Some(skipped(&action, &format!("more than {LAST_MAX} keys go last; it is the next run's")))
    }

    /// How many objects were not done, beside those that found no place here.
    fn undone(&self, objects: &ObjectCounts) -> u64 {
        let skipped = objects.skipped.saturating_sub(self.left_over.load(Ordering::Relaxed));
        objects.failed + objects.unknown + skipped
    }
}

/// Carries out what waited, where everything else is done; gives every one of them its outcome in any case (p09).
pub async fn run(listing: ListingEnd, rules: &Arc<DiffRules>, recorder: &Arc<Recorder>, cx: &Arc<Ctx>) {
    let waiting = std::mem::take(&mut *cx.last.waiting.lock());
    if waiting.is_empty() {
        return;
    }
    if listing == ListingEnd::Cut || cx.stop.is_cancelled() {
        return recorder.record(&waiting.iter().map(unknown).collect::<Vec<_>>()).await;
    }
    let undone = cx.last.undone(&recorder.objects());
    if undone > 0 {
        let why = format!("it goes last, and of the objects before it {undone} failed or were skipped");
        return recorder.record(&waiting.iter().map(|action| skipped(action, &why)).collect::<Vec<_>>()).await;
    }
    let (lanes, mut workers) = Lanes::start(rules, recorder, cx);
    for action in waiting {
        // Only a panic of a worker makes them go, and that is met below.
        if lanes.send(Box::new(action)).await.is_err() {
            break;
        }
    }
    drop(lanes);
    while let Some(ended) = workers.join_next().await {
        value_of(ended);
    }
}

fn skipped(action: &Action, why: &str) -> Outcome {
    let source = action.source().expect("only what is copied from the source waits here");
    let failure = Failure { kind: ErrorKind::Cancelled, message: why.to_owned() };
    Outcome { key: source.key.clone(), size: source.size, result: Done::Skipped(failure) }
}

#[cfg(test)]
mod tests {
    use brigade_core::action::CopyReason;
    use brigade_core::{Entry, Identity, Key};

    use super::*;

    fn action(number: usize) -> Action {
        let source = Entry::new(Key::from(format!("{number}").as_str()), 1, Identity::etag("v"));
        Action::Copy { source, replaces: None, reason: CopyReason::Missing }
    }

    #[test]
    fn those_that_find_no_place_are_the_next_runs_and_keep_none_of_the_others_back() {
        let last = Last::default();
        assert!((0..LAST_MAX).all(|number| last.put(action(number)).is_none()));
        let outcome = last.put(action(LAST_MAX)).expect("there is no place");
        assert!(matches!(&outcome.result, Done::Skipped(failure) if failure.message.contains("the next run's")), "{outcome:?}");
        assert_eq!(last.undone(&ObjectCounts { skipped: 1, ..ObjectCounts::default() }), 0);
        assert_eq!(last.undone(&ObjectCounts { skipped: 2, failed: 3, unknown: 1, ..ObjectCounts::default() }), 5);
    }
}
