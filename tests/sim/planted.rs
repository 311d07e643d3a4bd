//! Every planted bug is caught, and by a promise that it breaks.

use std::fmt::Write as _;

use crate::bugs::Bug;
use crate::generate::scenario;
use crate::play::play;
use crate::promises::{PAIRS, changed_after_a_kill};
use crate::scenario::Scenario;
use crate::seeds::number;
use crate::shrink::shrink;
use crate::violation::Violation;

/// Seeds within which each bug must be caught.
const SEEDS_MAX: u64 = 1_500;

/// Steps at which a run of the sample is killed, where the seeds do not come to the one moment that a bug needs.
const STEPS: u64 = 150;

/// How a bug was caught.
struct Caught {
    bug: Bug,
    scenario: Scenario,
    place: String,
    violation: Violation,
}

/// The first scenario that fails with the bug and passes without it: a seed, or a kill at some step before an original changes.
fn hunt(bug: Bug, seeds_max: u64) -> Option<Caught> {
    let caught = |scenario: Scenario, place: String| {
        let violation = play(&scenario, Some(bug)).err()?;
        play(&scenario, None).ok()?;
        Some(Caught { bug, scenario, place, violation })
    };
    let kills = || PAIRS.into_iter().flat_map(|pair| (1..=STEPS).map(move |step| (pair, step)));
    let killed = || kills().find_map(|(pair, step)| caught(changed_after_a_kill(pair, step), format!("{pair:?}, a kill at step {step}")));
    (0..seeds_max).find_map(|seed| caught(scenario(seed), format!("{} seeds", seed + 1))).or_else(killed)
}

#[test]
fn every_planted_bug_is_caught() {
    let seeds_max = number("BRIGADE_SIM_SEEDS").unwrap_or(SEEDS_MAX);
    let hunts: Vec<(Bug, Option<Caught>)> = Bug::ALL.into_iter().map(|bug| (bug, hunt(bug, seeds_max))).collect();
    let mut table = String::from("| planted bug | caught after | by | what was seen |\n| --- | --- | --- | --- |\n");
    for Caught { bug, place, violation, .. } in hunts.iter().filter_map(|(_, caught)| caught.as_ref()) {
        let (promise, message) = (violation.promise, &violation.message);
        writeln!(table, "| {bug:?} | {place} | p{promise:02} | {message} |").expect("a text can always grow");
    }
    println!("{table}");
    let missed: Vec<Bug> = hunts.iter().filter(|(_, caught)| caught.is_none()).map(|(bug, _)| *bug).collect();
    assert!(missed.is_empty(), "not caught within {seeds_max} seeds: {missed:?}\n{table}");
}

#[test]
fn a_failure_shrinks_to_less_that_fails_in_the_same_way() {
    for bug in [Bug::ListingErrorIsTheEnd, Bug::UnconditionalDeletes, Bug::PartsAreForgotten] {
        let caught = hunt(bug, SEEDS_MAX).expect("the table says that it is caught");
        let (whole, violation) = (caught.scenario, caught.violation);
        let (least, _) = shrink(&whole, Some(bug), violation.clone());
        assert!(least.weight() < whole.weight(), "{bug:?}: {least}");
        let again = play(&least, Some(bug)).expect_err("the least scenario fails as well");
        assert_eq!(again.promise, violation.promise, "{bug:?}");
    }
}
