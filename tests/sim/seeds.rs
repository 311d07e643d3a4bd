//! Seeds: many in the gate, any number by hand, one to repeat a failure.

use std::time::Instant;

use crate::generate::scenario;
use crate::play::{Played, play};
use crate::scenario::Scenario;
use crate::shrink::shrink;
use crate::violation::Violation;

/// Seeds of the gate.
const SEEDS: u64 = 500;

/// Seeds that are told one by one before the rest is only counted.
const FAILURES_TOLD_MAX: usize = 10;

/// A number from the environment.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Plays a scenario and panics with everything that it takes to repeat a failure.
#[track_caller]
pub fn must_hold(scenario: &Scenario) -> Played {
    match play(scenario, None) {
        Ok(played) => played,
        Err(violation) => panic!("{}", told(scenario, violation)),
    }
}

/// A failure with the least scenario that shows it, and the command that repeats it.
fn told(scenario: &Scenario, violation: Violation) -> String {
    let first = violation.to_string();
    let (least, last) = shrink(scenario, None, violation);
    let seed = scenario.seed;
    format!(
        "{first}\nthe least that shows it: {least}  {last}\nrepeat it: BRIGADE_SIM_SEED={seed} cargo test --test sim one_seed -- --nocapture"
    )
}

/// Repeats the seed that `BRIGADE_SIM_SEED` names.
#[test]
fn one_seed() {
    let scenario = scenario(number("BRIGADE_SIM_SEED").unwrap_or(0));
    println!("{scenario}{:?}", must_hold(&scenario));
}

/// `BRIGADE_SIM_SEEDS` and `BRIGADE_SIM_FROM` play others than those of the gate.
#[test]
fn every_promise_holds_under_every_seed() {
    let (from, count) = (number("BRIGADE_SIM_FROM").unwrap_or(0), number("BRIGADE_SIM_SEEDS").unwrap_or(SEEDS));
    let begin = Instant::now();
    let mut sum = Played::default();
    let mut failed = Vec::new();
    for seed in from..from + count {
        let scenario = scenario(seed);
        match play(&scenario, None) {
            Ok(played) => sum.add(&played),
            Err(violation) if failed.len() < FAILURES_TOLD_MAX => failed.push(told(&scenario, violation)),
            Err(violation) => failed.push(format!("seed {seed}: {violation}")),
        }
    }
    println!("{count} seeds from {from} in {:.1} s: {sum}", begin.elapsed().as_secs_f64());
    assert!(failed.is_empty(), "{} of {count} seeds failed\n{}", failed.len(), failed.join("\n"));
    // A simulation in which nothing happens proves nothing.
    if count >= SEEDS {
        for (what, number) in [
            ("crashes", sum.crashes),
            ("faults", sum.struck),
            ("deletes", sum.deleted),
            ("resumed parts", sum.resumed),
            ("server-side copies", sum.copied),
            ("server-side copies in parts", sum.copied_in_parts),
        ] {
            assert!(number > count / 50, "only {number} {what} in {count} seeds");
        }
    }
}

#[test]
fn a_seed_plays_the_same_twice() {
    for seed in 0..40 {
        let scenario = scenario(seed);
        assert_eq!(play(&scenario, None), play(&scenario, None), "seed {seed}");
    }
}
