//! What the engine deleted, and whether it had the right to: p01, p03 and p13.

use brigade_core::Identity;
use brigade_core::event::Side;
use brigade_core::outcome::Done;
use brigade_core::{Outcome, Proof};

use super::{Case, known};
use crate::book::{Gone, Now};
use crate::engine::Told;
use crate::scenario::{Fault, Wanted};
use crate::violation::Violation;

pub(super) fn judge(case: &Case<'_>) -> Result<(), Violation> {
    let now = &case.stage.book.lock().now.clone();
    let extras: Vec<&Gone> = now.extras_gone.iter().filter(|gone| !taken_back(case, gone, now)).collect();
    if now.originals_gone.is_empty() && extras.is_empty() {
        return Ok(());
    }
    let told: Vec<Told> = case.engines.iter().map(|engine| engine.seen.told()).collect();
    for gone in &now.originals_gone {
        original(case, gone, &told)?;
    }
    for gone in &extras {
        extra(case, gone, now, &told)?;
    }
    if let [told] = &told[..] {
        whole(told)?;
        guards(case, now, extras.len(), told)?;
        known::guard(case, now)?;
    }
    Ok(())
}

/// A copy that was read back wrongly is rightly taken back, if it was a copy of something.
fn taken_back(case: &Case<'_>, gone: &Gone, now: &Now) -> bool {
    case.turn.faults.iter().any(Fault::spoils_copies) && now.present.contains(&gone.key)
}

fn original(case: &Case<'_>, gone: &Gone, told: &[Told]) -> Result<(), Violation> {
    if case.turn.wanted != Wanted::Migrate {
        return Err(Violation::of(1, &gone.key, "a run that does not migrate deleted an original"));
    }
    // A listing of the target that lags shows copies that are gone: what it keeps is then believed wrongly, and nobody can tell.
    let believed = case.stale_in(Side::Target) && told.iter().flat_map(|told| &told.decided).any(|outcome| kept(outcome, &gone.key));
    if !gone.in_target && !believed {
        return Err(Violation::of(13, &gone.key, "an original was deleted whose content is not in the target"));
    }
    let proven = told.iter().flat_map(|told| &told.decided).any(|outcome| {
        outcome.key.as_bytes() == gone.key
            && proof_of(outcome).is_some_and(|(source, proof)| *source == gone.version.identity && proof.is_some_and(Proof::allows_delete))
    });
    if proven { Ok(()) } else { Err(Violation::of(13, &gone.key, "an original was deleted that this run did not prove")) }
}

fn kept(outcome: &Outcome, key: &[u8]) -> bool {
    outcome.key.as_bytes() == key && matches!(outcome.result, Done::Kept { .. })
}

fn proof_of(outcome: &Outcome) -> Option<(&Identity, Option<Proof>)> {
    match &outcome.result {
        Done::Copied(copied) => Some((&copied.source, Some(copied.proof))),
        Done::Kept { source, proof, .. } => Some((source, *proof)),
        _ => None,
    }
}

fn extra(case: &Case<'_>, gone: &Gone, now: &Now, told: &[Told]) -> Result<(), Violation> {
    if case.turn.wanted != Wanted::SyncDelete {
        return Err(Violation::of(3, &gone.key, "a run that was not asked to deleted an object of the target"));
    }
    if !case.before.includes(&gone.key) {
        return Err(Violation::of(3, &gone.key, "an object that the filters hide was deleted"));
    }
    // A listing that shows an older state may lack the newest keys.
    let always_there = !case.stale() && now.present.contains(&gone.key) && now.steady.contains_key(&gone.key);
    if always_there {
        return Err(Violation::of(3, &gone.key, "an object of the target was deleted although the source has the key"));
    }
    // A key that failed before is tried ahead of the listings: where its original then goes, the listing shows that very copy.
    let rewritten = case.engines.iter().any(|engine| engine.sent().conditions.iter().any(|(key, _)| key.as_bytes() == gone.key));
    let doomed = told.iter().flat_map(|told| &told.decided).any(|outcome| {
        outcome.key.as_bytes() == gone.key
            && matches!(&outcome.result, Done::Doomed { target } if rewritten || *target == gone.version.identity)
    });
    if doomed { Ok(()) } else { Err(Violation::of(3, &gone.key, "the target's version that was deleted is not the one that was listed")) }
}

/// Nothing is deleted unless every listing ended and nothing failed.
fn whole(told: &Told) -> Result<(), Violation> {
    if told.listed.len() < 2 {
        return Err(Violation::whole(3, "something was deleted although a listing did not end"));
    }
    let bad = told.decided.iter().find(|outcome| matches!(outcome.result, Done::Failed(_) | Done::Unknown));
    match bad {
        Some(outcome) => Err(Violation::of(3, outcome.key.as_bytes(), "something was deleted although this key failed or is unknown")),
        None => Ok(()),
    }
}

fn guards(case: &Case<'_>, now: &Now, extras: usize, told: &Told) -> Result<(), Violation> {
    let count = |number: usize| u64::try_from(number).expect("a count fits in 64 bits");
    let deleted = count(now.originals_gone.len() + extras);
    if case.turn.deletes_max.is_some_and(|max| deleted > max) {
        return Err(Violation::whole(3, format!("{deleted} deletes, more than the guard allows")));
    }
    if extras == 0 {
        return Ok(());
    }
    let listed = told.decided.iter().filter(|outcome| !matches!(outcome.result, Done::Left | Done::Doomed { .. })).count();
    if listed == 0 {
        return Err(Violation::whole(3, "an empty source emptied the target"));
    }
    let copied = told.decided.iter().filter(|outcome| matches!(outcome.result, Done::Copied(_))).count();
    let held = now.target_before + count(now.touched.len() + copied);
    let percent = 100.0 * f64::from(u32::try_from(extras).expect("few")) / f64::from(u32::try_from(held.max(1)).expect("few"));
    if percent > case.turn.percent_max {
        return Err(Violation::whole(3, format!("{extras} of {held} objects of the target were deleted, more than the guard allows")));
    }
    Ok(())
}
