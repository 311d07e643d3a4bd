//! The frontier against a model that remembers every key and every version of a simulated year.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZoneDatabase;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::schedule::{Cron, Period, Schedule, Timing};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

/// One key of the simulated source and its copy.
#[derive(Clone, Copy, Default)]
struct Object {
    /// When the present version came to be; none where there is no such object.
    version: Option<Timestamp>,
    /// The version that the copy is of.
    copied: Option<Timestamp>,
    /// The last run that saw this key whole: proven or absent. What an engine could at most know.
    seen_whole: Option<Timestamp>,
    /// Since when it is outstanding, as a quarantine would remember it.
    since: Option<Timestamp>,
}

/// A run under way.
struct Running {
    from: Timestamp,
    ends: Timestamp,
    is_cut: bool,
    fails: Vec<bool>,
}

struct World {
    dice: StdRng,
    objects: Vec<Object>,
    frontier: Frontier,
    running: Option<Running>,
}

impl World {
    /// Something happens to the source.
    fn change(&mut self, now: Timestamp) {
        if self.dice.random_ratio(1, 40) {
            let key = self.dice.random_range(0..self.objects.len());
            let gone = self.dice.random_ratio(1, 6);
            self.objects[key].version = (!gone).then_some(now);
        }
    }

    fn begin(&mut self, now: Timestamp) {
        let minutes = if self.dice.random_ratio(1, 20) { 400 } else { self.dice.random_range(1..90) };
        let bad = self.dice.random_ratio(1, 8);
        let fails = (0..self.objects.len()).map(|_| bad && self.dice.random_ratio(1, 5)).collect();
        self.running = Some(Running { from: now, ends: now + MINUTE * minutes, is_cut: self.dice.random_ratio(1, 10), fails });
        // The listing is this moment's: what changes from now on is for the next run.
        let Some(running) = &self.running else { return };
        for (object, fails) in self.objects.iter_mut().zip(&running.fails).filter(|_| !running.is_cut) {
            if !fails {
                object.copied = object.version.or(object.copied);
            }
        }
    }

    /// The run ends: the engine folds what it found, and the model notes what anybody could know.
    fn end(&mut self) {
        let Some(running) = self.running.take() else { return };
        let mut facts = RunFacts {
            listed_from: running.from,
            held_back: SignedDuration::ZERO,
            swept: if running.is_cut { Swept::Part } else { Swept::Whole },
            still: BTreeMap::new(),
            fresh: 0,
        };
        for (object, fails) in self.objects.iter_mut().zip(running.fails).filter(|_| !running.is_cut) {
            match (fails, object.since) {
                (true, Some(since)) => *facts.still.entry(since).or_default() += 1,
                (true, None) => {
                    facts.fresh += 1;
                    object.since = Some(self.frontier.since_for_fresh());
                }
                (false, _) => (object.since, object.seen_whole) = (None, Some(running.from)),
            }
        }
        self.frontier.after(&facts);
    }

    /// Up to when every key is known to be whole.
    fn known(&self) -> Option<Timestamp> {
        self.objects.iter().map(|object| object.seen_whole).min().flatten()
    }

    /// When the oldest version came to be that is not at the target: what nobody can know who lists now and then.
    fn oldest_missing(&self) -> Option<Timestamp> {
        self.objects.iter().filter(|object| object.version > object.copied).filter_map(|object| object.version).min()
    }
}

#[test]
fn lag_and_breach_equal_the_model_at_every_step_of_a_year_and_are_never_fresher_than_the_truth() {
    for seed in 0..4 {
        let begin = at("2026-01-01T00:00:00Z");
        let recovery_point = hours(30);
        let dice = StdRng::seed_from_u64(seed);
        let mut world = World { dice, objects: vec![Object::default(); 12], frontier: Frontier::default(), running: None };
        let (mut breaches, mut met, mut down_until) = (0, 0, 0);
        for step in 0..365 * 24 * 6 {
            let now = begin + MINUTE * (step * 10);
            world.change(now);
            if world.running.as_ref().is_some_and(|running| running.ends <= now) {
                world.end();
            }
            // A process that is down for days, now and then, and starts nothing.
            if world.dice.random_ratio(1, 2000) {
                down_until = step + 400;
            }
            if step % 40 == 0 && step >= down_until && world.running.is_none() {
                world.begin(now);
            }
            let proven = world.frontier.proven_through();
            assert_eq!(proven, world.known(), "seed {seed}, {now}");
            let standing = standing(proven, recovery_point, now, Ahead::default());
            let expected = match world.known() {
                None => (Lag::NeverProven, Level::Breached),
                Some(known) if known.duration_until(now).as_secs() > 30 * 3600 => (Lag::Known(known.duration_until(now)), Level::Breached),
                Some(known) => (Lag::Known(known.duration_until(now)), Level::Met),
            };
            assert_eq!((standing.lag, standing.level), expected, "seed {seed}, {now}");
            if let (Some(missing), Lag::Known(lag)) = (world.oldest_missing(), standing.lag) {
                assert!(
                    missing.duration_until(now) <= lag,
                    "seed {seed}, {now}: a version of {missing} is missing, the lag is said to be {lag}"
                );
            }
            let outstanding: u64 = world.frontier.histogram(now).iter().map(|band| band.objects).sum();
            assert_eq!(outstanding, u64::try_from(world.objects.iter().filter(|object| object.since.is_some()).count()).unwrap());
            if standing.level == Level::Breached { breaches += 1 } else { met += 1 }
        }
        assert!(breaches > 1000 && met > 10_000, "both are seen: {breaches} breaches, {met} met");
    }
}

fn run(listed_from: &str, still: &[(&str, u64)], fresh: u64) -> RunFacts {
    let still = still.iter().map(|(since, count)| (at(since), *count)).collect();
    RunFacts { listed_from: at(listed_from), held_back: SignedDuration::ZERO, swept: Swept::Whole, still, fresh }
}

#[test]
fn a_key_that_failed_keeps_its_time_until_it_is_proven() {
    let mut frontier = Frontier::default();
    frontier.after(&run("2026-11-01T03:00:00Z", &[], 0));
    frontier.after(&run("2026-11-02T03:00:00Z", &[], 2));
    assert_eq!(frontier.proven_through(), Some(at("2026-11-01T03:00:00Z")));
    frontier.after(&run("2026-11-03T03:00:00Z", &[("2026-11-01T03:00:00Z", 1)], 1));
    assert_eq!(frontier.proven_through(), Some(at("2026-11-01T03:00:00Z")));
    // The first key is proven at last; the other one was proven until the second.
    frontier.after(&run("2026-11-04T03:00:00Z", &[("2026-11-02T03:00:00Z", 1)], 0));
    assert_eq!(frontier.proven_through(), Some(at("2026-11-02T03:00:00Z")));
    let bands: Vec<u64> = frontier.histogram(at("2026-11-04T04:00:00Z")).iter().map(|band| band.objects).collect();
    assert_eq!(bands, [0, 0, 0, 1, 0, 0, 0]);
    frontier.after(&RunFacts { swept: Swept::Part, ..run("2026-11-05T03:00:00Z", &[], 0) });
    assert_eq!(frontier.proven_through(), Some(at("2026-11-02T03:00:00Z")), "a run that was cut short shows nothing");
    frontier.after(&run("2026-11-06T03:00:00Z", &[], 0));
    assert_eq!(frontier.proven_through(), Some(at("2026-11-06T03:00:00Z")));
}

#[test]
fn where_keys_have_no_names_all_count_as_old_as_the_oldest() {
    let mut frontier = Frontier::default();
    frontier.after(&run("2026-11-01T03:00:00Z", &[], 0));
    for (day, failing, proven) in [(2, 3, 1), (3, 5, 1), (4, 1, 1), (5, 0, 5), (6, 2, 5)] {
        frontier.after_unnamed(at(&format!("2026-11-0{day}T03:00:00Z")), SignedDuration::ZERO, Swept::Whole, failing);
        assert_eq!(frontier.proven_through(), Some(at(&format!("2026-11-0{proven}T03:00:00Z"))), "day {day}");
        assert_eq!(frontier.outstanding().values().sum::<u64>(), failing);
    }
}

#[test]
fn a_key_that_was_never_proven_leaves_no_frontier() {
    let mut frontier = Frontier::default();
    frontier.after(&run("2026-11-01T03:00:00Z", &[], 1));
    assert_eq!(frontier.proven_through(), None);
    assert_eq!(standing(None, hours(1), at("2026-11-01T04:00:00Z"), Ahead::default()).level, Level::Breached);
}

#[test]
fn what_is_held_back_for_its_age_holds_the_frontier_back() {
    let mut frontier = Frontier::default();
    frontier.after(&RunFacts { held_back: hours(2), ..run("2026-11-01T03:00:00Z", &[], 0) });
    assert_eq!(frontier.proven_through(), Some(at("2026-11-01T01:00:00Z")));
    frontier.after(&run("2026-10-31T03:00:00Z", &[], 0));
    assert_eq!(frontier.proven_through(), Some(at("2026-11-01T01:00:00Z")), "a clock that was put back moves nothing back");
}

#[test]
fn groups_are_bounded_and_never_grow_younger() {
    let mut frontier = Frontier::default();
    let begin = at("2026-01-01T00:00:00Z");
    for day in 0..500 {
        let still = frontier.outstanding().clone();
        frontier.after(&RunFacts {
            listed_from: begin + hours(24 * day),
            held_back: SignedDuration::ZERO,
            swept: Swept::Whole,
            still,
            fresh: 1,
        });
        assert!(frontier.outstanding().len() <= crate::limits::OUTSTANDING_GROUPS_MAX);
        assert_eq!(frontier.outstanding().values().sum::<u64>(), u64::try_from(day + 1).unwrap());
    }
    let written = serde_json::to_string(&frontier).unwrap();
    assert_eq!(serde_json::from_str::<Frontier>(&written).unwrap(), frontier);
}

#[test]
fn a_clock_before_the_last_proof_is_no_fresh_copy() {
    let frontier = Some(at("2027-11-01T00:00:00Z"));
    let now = at("2026-11-01T00:00:00Z");
    let standing = standing(frontier, hours(24), now, Ahead::default());
    assert_eq!((standing.lag, standing.level), (Lag::ClockBehind, Level::Breached));
    assert_eq!(
        lag(Some(at("2026-11-01T00:00:30Z")), now),
        Lag::Known(SignedDuration::ZERO),
        "what a clock daemon corrects is no such thing"
    );
}

#[test]
fn a_job_is_at_risk_when_the_next_run_ends_too_late() {
    let frontier = Some(at("2026-11-01T00:00:00Z"));
    let now = at("2026-11-01T12:00:00Z");
    let level = |ends: Option<&str>| standing(frontier, hours(24), now, Ahead { ends: ends.map(at) }).level;
    assert_eq!(level(None), Level::Met);
    assert_eq!(level(Some("2026-11-02T00:00:00Z")), Level::Met);
    assert_eq!(level(Some("2026-11-02T00:00:01Z")), Level::AtRisk);
    assert_eq!(standing(frontier, hours(24), now, Ahead::default()).breach_at, Some(at("2026-11-02T00:00:00Z")));
}

#[test]
fn a_schedule_is_held_against_the_longest_night() {
    let berlin = TimeZoneDatabase::bundled().get("Europe/Berlin").unwrap();
    let timing = |expression: &str, jitter_seconds: u64| {
        let schedule = Schedule::Cron { cron: Cron::parse(expression).unwrap(), zone: berlin.clone() };
        Timing::new(schedule, "job", Duration::from_secs(jitter_seconds))
    };
    let now = at("2026-11-26T00:00:00Z");
    let measured = Budget { run: Some(SignedDuration::from_mins(40)), ..Budget::default() };
    let refused = feasible(&timing("0 3 * * *", 600), hours(24), measured, now).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "longest gap 25h (from 2027-10-30T01:00:00Z) + jitter 10m + longest run 40m = 25h 50m, more than the recovery point of 24h"
    );
    let fits = feasible(&timing("0 3 * * *", 600), hours(26), measured, now).unwrap();
    assert_eq!((fits.worst, fits.spare), (hours(25) + MINUTE * 50, MINUTE * 10));
    let weekdays = feasible(&timing("0 3 * * mon-fri", 0), hours(72), Budget::default(), now).unwrap_err();
    assert_eq!(weekdays.worst, hours(73), "a weekend in which the clocks are put back");
    let rare = feasible(&timing("0 3 29 2 *", 0), hours(1000), Budget::default(), now).unwrap_err();
    assert_eq!(rare.worst, hours(366 * 24));
    let hourly = Timing::new(Schedule::Every(Period::new(Duration::from_secs(3600)).unwrap()), "job", Duration::ZERO);
    let budget = Budget { run: Some(MINUTE * 5), upstream: MINUTE * 20, held_back: MINUTE * 35 };
    assert_eq!(feasible(&hourly, hours(2), budget, now).unwrap().spare, SignedDuration::ZERO);
}
