//! Cuts a failing scenario down: whatever can go while the same promise is still violated goes.

use crate::bugs::Bug;
use crate::play::play;
use crate::scenario::{Directory, End, Scenario, Turn};
use crate::violation::Violation;

/// Rounds over the whole scenario; most need three.
const ROUNDS_MAX: usize = 10;

/// The smallest scenario that was found to violate the same promise, and how it does.
pub fn shrink(scenario: &Scenario, bug: Option<Bug>, violation: Violation) -> (Scenario, Violation) {
    let (mut least, mut last) = (scenario.clone(), violation);
    for _ in 0..ROUNDS_MAX {
        let before = least.weight();
        // Later things first: what came after the violation goes at once.
        let mut at = cuts(&least).len();
        while at > 0 {
            at -= 1;
            let Some(cut) = cuts(&least).into_iter().nth(at) else { continue };
            match play(&cut, bug) {
                Err(violation) if violation.promise == last.promise => (least, last) = (cut, violation),
                _ => {}
            }
        }
        if least.weight() == before {
            break;
        }
    }
    (least, last)
}

/// Everything that one cut can make of a scenario.
fn cuts(scenario: &Scenario) -> Vec<Scenario> {
    let mut cuts = Vec::new();
    let mut with = |change: &dyn Fn(&mut Scenario)| {
        let mut cut = scenario.clone();
        change(&mut cut);
        cuts.push(cut);
    };
    with(&|cut| cut.concurrency = 1);
    with(&|cut| cut.skew_seconds = 0);
    with(&|cut| cut.page_items_max = 1_000);
    with(&|cut| (cut.source_prefix, cut.target_prefix) = ("", ""));
    for at in 0..scenario.source.len() {
        with(&|cut| drop(cut.source.remove(at)));
    }
    for at in 0..scenario.target.len() {
        with(&|cut| drop(cut.target.remove(at)));
    }
    for (at, turn) in scenario.turns.iter().enumerate() {
        for change in turn_cuts(turn) {
            with(&|cut| cut.turns[at] = change.clone());
        }
    }
    for at in 0..scenario.turns.len() {
        with(&|cut| drop(cut.turns.remove(at)));
    }
    cuts
}

fn turn_cuts(turn: &Turn) -> Vec<Turn> {
    let mut cuts = Vec::new();
    let mut with = |applies: bool, change: &dyn Fn(&mut Turn)| {
        if applies {
            let mut cut = turn.clone();
            change(&mut cut);
            cuts.push(cut);
        }
    };
    with(turn.end != End::Whole, &|cut| cut.end = End::Whole);
    with(turn.directory != Directory::Kept, &|cut| cut.directory = Directory::Kept);
    with(turn.fresh, &|cut| cut.fresh = false);
    with(turn.rival, &|cut| cut.rival = false);
    with(!turn.exclude.is_empty(), &|cut| cut.exclude.clear());
    with(turn.deletes_max.is_some(), &|cut| cut.deletes_max = None);
    for at in 0..turn.before.len() {
        with(true, &|cut| drop(cut.before.remove(at)));
    }
    for at in 0..turn.during.len() {
        with(true, &|cut| drop(cut.during.remove(at)));
    }
    for at in 0..turn.faults.len() {
        with(true, &|cut| drop(cut.faults.remove(at)));
    }
    cuts
}
