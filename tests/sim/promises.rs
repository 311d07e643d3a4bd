//! Each promise by scenarios of its own, most of them exhaustive: what can happen happens at every step of a run.

use brigade_core::compare::CompareMode;
use brigade_core::event::Side;
use brigade_core::job::{MetadataPolicy, Verify};
use brigade_lab::fault::{Action, Occurrence, Op, Rule};

use crate::dice::Dice;
use crate::generate::{ODD_KEYS, scenario, spoiling};
use crate::scenario::{Directory, End, Fault, FaultKind, Form, Mutation, Pair, Placed, Scenario, Turn, Wanted};
use crate::seeds::must_hold;

/// Every pair of dialects.
pub const PAIRS: [Pair; 5] = [Pair::S3ToS3, Pair::S3ToGcs, Pair::GcsToS3, Pair::S3Inside, Pair::GcsInside];

/// Where the seeds of this file begin: the gate's own have been played already.
const SEEDS_FROM: u64 = 1_000_000;

/// Seeds of one promise.
const SEEDS: u64 = 40;

/// A key that is copied in five parts.
const LARGE: &str = "k/large";

/// A key that is copied at once.
const SMALL: &str = "k/small";

pub fn placed(key: &str, version: u64, size: u64, form: Form) -> Placed {
    Placed { key: key.into(), version, size, form }
}

pub fn turn(wanted: Wanted) -> Turn {
    Turn {
        wanted,
        exclude: Vec::new(),
        deletes_max: None,
        percent_max: 50.0,
        before: Vec::new(),
        during: Vec::new(),
        faults: Vec::new(),
        end: End::Whole,
        directory: Directory::Kept,
        fresh: false,
        rival: false,
    }
}

/// A few objects of every kind, and something in the target that the source lacks.
pub fn sample(pair: Pair, turns: Vec<Turn>) -> Scenario {
    Scenario {
        seed: 1,
        pair,
        source_prefix: "",
        target_prefix: "",
        verify: Verify::Stored,
        compare: CompareMode::Auto,
        metadata: MetadataPolicy::All,
        part_bytes: 1_024,
        memory_bytes: 64 << 10,
        concurrency: 2,
        attempts_max: 3,
        preserve_etag: false,
        page_items_max: 3,
        skew_seconds: 0,
        source: vec![
            placed("empty", 11, 0, Form::Whole),
            placed(LARGE, 12, 5_000, Form::Parts),
            placed(SMALL, 13, 700, Form::Whole),
            placed("k/two", 14, 2_048, Form::PartsChecksum64),
            placed("z", 15, 1_024, Form::Checksum),
        ],
        target: vec![placed("extra", 21, 100, Form::Whole), placed("z", 22, 1_024, Form::Whole)],
        turns,
    }
}

/// The steps of a run of the sample that nothing disturbs, and of the runs that follow it.
fn steps(pair: Pair, wanted: Wanted) -> u64 {
    must_hold(&sample(pair, vec![turn(wanted)])).steps
}

/// Plays the sample once for every step of its first run, with what `at` makes of the step.
fn at_every_step(wanted: Wanted, at: impl Fn(u64) -> Vec<Turn>) {
    for pair in PAIRS {
        for step in 1..=steps(pair, wanted) {
            must_hold(&sample(pair, at(step)));
        }
    }
}

/// Plays seeds, each changed by `change`.
fn seeds(change: impl Fn(&mut Scenario)) {
    for seed in SEEDS_FROM..SEEDS_FROM + SEEDS {
        let mut scenario = scenario(seed);
        change(&mut scenario);
        must_hold(&scenario);
    }
}

fn overwrite(key: &str, size: u64) -> Mutation {
    Mutation::Write(Side::Source, placed(key, 99, size, Form::Parts))
}

fn fault(side: Side, rule: Rule) -> Fault {
    Fault { side, kind: FaultKind::Usual, rule }
}

#[test]
fn p01_a_copy_never_writes_to_its_source_under_any_seed() {
    seeds(|scenario| {
        for turn in scenario.turns.iter_mut().filter(|turn| turn.wanted == Wanted::Migrate) {
            turn.wanted = Wanted::Sync;
        }
    });
}

#[test]
fn p02_what_the_target_spoils_is_taken_back() {
    for seed in SEEDS_FROM..SEEDS_FROM + SEEDS {
        let mut scenario = scenario(seed);
        scenario.verify = Verify::Content;
        for turn in &mut scenario.turns {
            (turn.end, turn.rival) = (End::Whole, false);
            turn.faults = vec![spoiling(&mut Dice::new(seed))];
        }
        must_hold(&scenario);
    }
}

#[test]
fn p03_nothing_is_deleted_after_a_listing_that_fails_at_any_page() {
    for wanted in [Wanted::SyncDelete, Wanted::Migrate] {
        for side in [Side::Source, Side::Target] {
            for page in 1..4 {
                for pair in PAIRS {
                    let rule = Rule::new(&[Op::List], Action::ACCESS_DENIED).when(Occurrence::From(page));
                    must_hold(&sample(pair, vec![Turn { faults: vec![fault(side, rule)], ..turn(wanted) }]));
                }
            }
        }
    }
}

#[test]
fn p03_an_extra_that_somebody_replaces_at_any_step_is_left() {
    let replace = Mutation::Write(Side::Target, placed("extra", 98, 100, Form::Whole));
    at_every_step(Wanted::SyncDelete, |step| vec![Turn { during: vec![(step, replace.clone())], ..turn(Wanted::SyncDelete) }]);
}

#[test]
fn p05_a_kill_at_every_step_converges() {
    for wanted in [Wanted::SyncDelete, Wanted::Migrate] {
        at_every_step(wanted, |step| vec![Turn { end: End::Crash(step), ..turn(wanted) }]);
    }
}

#[test]
fn p05_two_kills_in_a_row_converge() {
    at_every_step(Wanted::Migrate, |step| {
        let again = 1 + (step * 37) % 211;
        vec![Turn { end: End::Crash(step), ..turn(Wanted::Migrate) }, Turn { end: End::Crash(again), ..turn(Wanted::Migrate) }]
    });
}

#[test]
fn p05_a_disk_that_fills_up_at_every_step_harms_nothing() {
    for pair in PAIRS {
        for step in 1..=60 {
            must_hold(&sample(pair, vec![Turn { end: End::DiskFull(step), ..turn(Wanted::Migrate) }]));
        }
    }
}

#[test]
fn p06_a_journal_that_is_lost_after_a_kill_at_any_step_changes_only_time() {
    at_every_step(Wanted::Migrate, |step| {
        let forgetful = Turn { directory: Directory::Lost, ..turn(Wanted::Migrate) };
        vec![Turn { end: End::Crash(step), ..turn(Wanted::Migrate) }, forgetful]
    });
}

#[test]
fn p06_a_job_that_forgets_everything_before_every_run_keeps_every_promise() {
    seeds(|scenario| scenario.turns.iter_mut().for_each(|turn| turn.directory = Directory::Lost));
}

#[test]
fn p07_an_original_that_changes_at_any_step_is_never_a_mix() {
    for (key, size) in [(LARGE, 5_000), (SMALL, 700)] {
        at_every_step(Wanted::Copy, |step| vec![Turn { during: vec![(step, overwrite(key, size))], ..turn(Wanted::Copy) }]);
    }
}

/// A kill at this step, and an original in parts that is another when the next run begins, with nothing but its bytes to tell.
pub fn changed_after_a_kill(pair: Pair, step: u64) -> Scenario {
    let after = Turn { before: vec![overwrite(LARGE, 5_000)], ..turn(Wanted::Copy) };
    let killed = Turn { end: End::Crash(step), ..turn(Wanted::Copy) };
    Scenario { metadata: MetadataPolicy::None, ..sample(pair, vec![killed, after]) }
}

#[test]
fn p07_an_original_that_changes_between_a_kill_and_the_next_run_is_never_a_mix() {
    for pair in PAIRS {
        for step in 1..=steps(pair, Wanted::Copy) {
            must_hold(&changed_after_a_kill(pair, step));
        }
    }
}

#[test]
fn p08_the_smallest_budget_is_kept() {
    seeds(|scenario| (scenario.memory_bytes, scenario.part_bytes, scenario.concurrency) = (8 << 10, 1_024, 16));
}

#[test]
fn p09_a_run_that_is_stopped_at_any_step_accounts_for_every_key() {
    at_every_step(Wanted::Migrate, |step| vec![Turn { end: End::Stop(step), ..turn(Wanted::Migrate) }]);
}

#[test]
fn p10_two_engines_on_the_same_places_do_no_harm() {
    seeds(|scenario| {
        for turn in &mut scenario.turns {
            turn.rival = true;
            turn.faults.retain(|fault| fault.kind != FaultKind::Spoils);
        }
    });
}

#[test]
fn p10_what_somebody_writes_to_the_target_at_any_step_is_not_replaced_unseen() {
    for key in [LARGE, SMALL] {
        let write = Mutation::Write(Side::Target, placed(key, 97, 33, Form::Whole));
        at_every_step(Wanted::Copy, |step| vec![Turn { during: vec![(step, write.clone())], ..turn(Wanted::Copy) }]);
    }
}

#[test]
fn p12_uploads_that_expire_at_any_step_or_outlive_a_kill_leave_nothing() {
    at_every_step(Wanted::Copy, |step| {
        let killed = Turn { end: End::Crash(step), ..turn(Wanted::Copy) };
        let expiring = Turn { during: vec![(step, Mutation::ExpireUploads)], ..turn(Wanted::Copy) };
        vec![killed, expiring]
    });
}

#[test]
fn p13_an_original_that_changes_at_any_step_of_a_migration_is_never_deleted() {
    for (key, size) in [(LARGE, 5_000), (SMALL, 700)] {
        at_every_step(Wanted::Migrate, |step| vec![Turn { during: vec![(step, overwrite(key, size))], ..turn(Wanted::Migrate) }]);
    }
}

#[test]
fn p14_odd_keys_arrive_byte_for_byte_or_are_reported() {
    for pair in PAIRS {
        for wanted in [Wanted::Copy, Wanted::SyncDelete, Wanted::Migrate] {
            let mut scenario = sample(pair, vec![turn(wanted)]);
            scenario.target_prefix = "copy/";
            let odd = (200..).zip(ODD_KEYS).map(|(version, key)| placed(key, version, 50 + version, Form::Whole));
            scenario.source.extend(odd);
            scenario.source.push(Placed { key: vec![b'l'; 1_024], ..placed("", 300, 10, Form::Whole) });
            must_hold(&scenario);
        }
    }
}
