//! What the engine said, and whether it is so: p04, p08, p09 and p14.

use std::collections::{BTreeMap, BTreeSet};

use brigade_core::Outcome;
use brigade_core::outcome::Done;
use brigade_core::report::{ObjectCounts, RunOutcome};

use super::Case;
use crate::engine::Ended;
use crate::scenario::Wanted;
use crate::violation::Violation;

pub(super) fn judge(case: &Case<'_>) -> Result<(), Violation> {
    for (at, engine) in case.engines.iter().enumerate() {
        let decided = engine.seen.told().decided;
        once(case, &decided)?;
        quarantine(case, &decided, engine.name)?;
        if let Some(Ended { finished: Some(finished), .. }) = case.ended.map(|ended| &ended[at]) {
            let objects = finished.recorded.totals.objects;
            let listed = matches!(finished.outcome, RunOutcome::Done | RunOutcome::Partial);
            books(&decided, &objects)?;
            if finished.peak_bytes > case.scenario.memory_bytes {
                return Err(Violation::whole(8, format!("{} bytes were held, more than the budget", finished.peak_bytes)));
            }
            if listed && !case.stale() {
                complete(case, &decided)?;
            }
            if finished.outcome == RunOutcome::Done && !case.stale() {
                done(case, &decided)?;
            }
        }
    }
    Ok(())
}

fn of_source(outcome: &Outcome) -> bool {
    !matches!(outcome.result, Done::Left | Done::Doomed { .. })
}

/// Each key is decided at most once, and only keys that were there.
fn once(case: &Case<'_>, decided: &[Outcome]) -> Result<(), Violation> {
    let book = case.stage.book.lock();
    let mut seen = BTreeSet::new();
    for outcome in decided {
        let key = outcome.key.as_bytes();
        if !seen.insert(key) {
            return Err(Violation::of(9, key, "it was decided twice"));
        }
        if of_source(outcome) && !case.stale() && !book.now.present.contains(key) {
            return Err(Violation::of(9, key, "it was decided, and was never there"));
        }
        if !case.before.includes(key) {
            return Err(Violation::of(9, key, "it was decided although the filters hide it"));
        }
    }
    Ok(())
}

/// The sums are those of the outcomes.
fn books(decided: &[Outcome], objects: &ObjectCounts) -> Result<(), Violation> {
    let count = |wanted: fn(&Done) -> bool| {
        u64::try_from(decided.iter().filter(|outcome| wanted(&outcome.result)).count()).expect("a count fits in 64 bits")
    };
    let told = ObjectCounts {
        listed: u64::try_from(decided.iter().filter(|outcome| of_source(outcome)).count()).expect("a count fits in 64 bits"),
        copied: count(|done| matches!(done, Done::Copied(_))),
        kept: count(|done| matches!(done, Done::Kept { .. })),
        skipped: count(|done| matches!(done, Done::Skipped(_))),
        failed: count(|done| matches!(done, Done::Failed(_))),
        unknown: count(|done| matches!(done, Done::Unknown)),
        deleted_source: objects.deleted_source,
        deleted_target: objects.deleted_target,
    };
    if told != *objects || !objects.balances() {
        return Err(Violation::whole(9, format!("the books say {objects:?}, the outcomes {told:?}")));
    }
    Ok(())
}

/// A run that listed everything decided every key that was there all the time.
fn complete(case: &Case<'_>, decided: &[Outcome]) -> Result<(), Violation> {
    let book = case.stage.book.lock();
    let keys: BTreeSet<&[u8]> = decided.iter().filter(|outcome| of_source(outcome)).map(|outcome| outcome.key.as_bytes()).collect();
    // A rival may have moved an original before this engine came to it.
    let moved = |key: &Vec<u8>| case.engines.len() > 1 && !book.source().contains_key(key);
    let forgotten = book.now.steady.keys().find(|key| case.before.includes(key) && !moved(key) && !keys.contains(key.as_slice()));
    match forgotten {
        Some(key) => Err(Violation::of(9, key, "it was there all the time, and was not decided")),
        None => Ok(()),
    }
}

/// p04: a run that is done left the target equal to the source, as far as nobody else interfered.
fn done(case: &Case<'_>, decided: &[Outcome]) -> Result<(), Violation> {
    let book = case.stage.book.lock();
    let outcomes: BTreeMap<&[u8], &Done> = decided.iter().map(|outcome| (outcome.key.as_bytes(), &outcome.result)).collect();
    for (key, version) in &book.now.steady {
        if !case.before.includes(key) || book.now.touched.contains(key) {
            continue;
        }
        if !case.fits(key) {
            return Err(Violation::of(14, key, "the target cannot hold it, and the run calls itself done"));
        }
        let Some(copy) = book.target().get(key) else {
            return Err(Violation::of(4, key, "the run is done, and the target does not hold it"));
        };
        let unproven = matches!(outcomes.get(key.as_slice()), Some(Done::Kept { proof: None, .. }));
        if copy.content != version.content && !unproven {
            return Err(Violation::of(4, key, "the run is done, and the target holds something else"));
        }
        if case.turn.wanted == Wanted::Migrate && book.source().contains_key(key) {
            return Err(Violation::of(4, key, "the migration is done, and the original is still there"));
        }
    }
    if case.turn.wanted == Wanted::SyncDelete && case.engines.len() == 1 {
        let extra = book
            .target()
            .keys()
            .find(|key| case.before.includes(key) && !book.now.present.contains(*key) && !book.now.touched.contains(*key));
        if let Some(key) = extra {
            return Err(Violation::of(4, key, "the sync is done, and the target still holds what the source lacks"));
        }
    }
    Ok(())
}

/// A key that failed stays a failure until it is proven: sizes and times are no evidence for it.
fn quarantine(case: &Case<'_>, decided: &[Outcome], engine: &str) -> Result<(), Violation> {
    if engine != "main" {
        return Ok(());
    }
    for outcome in decided {
        let suspect = case.before.quarantine.contains(&outcome.key);
        if suspect && matches!(outcome.result, Done::Kept { proof: None, .. }) {
            return Err(Violation::of(4, outcome.key.as_bytes(), "it failed before, and is kept without having been proven"));
        }
    }
    Ok(())
}
