//! A scripted year of one job, minute by minute: long runs, pauses, a week down, clocks that are put forward and back.
//!
//! The model has the list of all occurrences and a set of those that fired, and does what the rules say in the plainest way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{MINUTE, RULES, Rule, at, cron, model, zone};
use crate::schedule::{Because, Ending, JobPlan, Memory, Priority, Scheduler, Timing};

/// What happens at a minute of the script.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// The clock is put forward (or back) by so many minutes.
    Clock(i64),
    /// The process ends; it starts again so many minutes later.
    Down(i64),
    Pause,
    Resume,
    RunNow,
}

const DAY: i64 = 24 * 60;

/// The script: minute of the year, and what happens.
const SCRIPT: &[(i64, Event)] = &[
    (10 * DAY + 5, Event::Clock(-3)),
    (20 * DAY + 177, Event::Clock(-185)),
    (30 * DAY, Event::Down(7 * DAY)),
    (40 * DAY, Event::Clock(-2 * DAY)),
    (50 * DAY + 100, Event::Pause),
    (53 * DAY + 90, Event::Resume),
    (59 * DAY, Event::RunNow),
    (70 * DAY, Event::Clock(41 * DAY)),
    (70 * DAY + 130, Event::Clock(-41 * DAY)),
    (100 * DAY, Event::Down(1)),
    (110 * DAY, Event::Clock(3 * 60)),
    (111 * DAY, Event::Clock(-3 * 60)),
    (150 * DAY, Event::Pause),
    (150 * DAY + 30, Event::RunNow),
    (151 * DAY, Event::Down(2 * DAY)),
    (154 * DAY, Event::Resume),
    (200 * DAY, Event::Clock(-20 * DAY)),
    (230 * DAY + 60, Event::Clock(20 * DAY)),
    (300 * DAY + 119, Event::Down(3)),
];

/// How long the run that starts now takes: mostly short, now and then longer than any period here.
fn run_minutes(started: u64) -> i64 {
    match started % 97 {
        0 => 26 * 60,
        1 => 47,
        _ => 4,
    }
}

/// The plainest scheduler of one job.
struct Model {
    /// Occurrences in order, each with the moment it is due.
    all: Vec<(Timestamp, Timestamp)>,
    fired: BTreeSet<Timestamp>,
    looked: Timestamp,
    owed: Option<Because>,
    is_asked: bool,
    is_paused: bool,
    is_running: bool,
}

impl Model {
    fn tick(&mut self, now: Timestamp) -> Option<Because> {
        let since = std::mem::replace(&mut self.looked, now);
        let came_due = |(_, due): &&(Timestamp, Timestamp)| since < *due && *due <= now;
        let first = self.all.partition_point(|(occurrence, _)| *occurrence < since - SignedDuration::from_hours(1));
        let last = self.all.partition_point(|(occurrence, _)| *occurrence <= now);
        let window = self.all.get(first..last).unwrap_or_default();
        let latest = window.iter().filter(came_due).rfind(|(occurrence, _)| !self.fired.contains(occurrence));
        if let Some((occurrence, _)) = latest {
            self.owed = Some(Because::Due(*occurrence));
        }
        if self.is_running || (self.is_paused && !self.is_asked) {
            return None;
        }
        let because = self.owed.take()?;
        self.is_asked = false;
        self.is_running = true;
        if let Because::Due(occurrence) = because {
            assert!(self.fired.insert(occurrence), "the model fires once");
        }
        Some(because)
    }

    fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let first = self.all.partition_point(|(occurrence, _)| *occurrence < now - SignedDuration::from_hours(1));
        self.all[first..].iter().filter(|(occurrence, due)| *due > now && !self.fired.contains(occurrence)).map(|(_, due)| *due).next()
    }
}

fn plans(timing: &Timing) -> BTreeMap<String, JobPlan> {
    let plan = JobPlan { timing: Some(timing.clone()), after: Vec::new(), priority: Priority::Normal, group: None };
    BTreeMap::from([("job".to_owned(), plan)])
}

/// How a year is played.
#[derive(Clone, Copy)]
struct Play {
    zone: &'static str,
    year: i16,
    jitter: Duration,
    /// Minutes from one look at the clock to the next; what the script does is looked at besides.
    look_minutes: i64,
}

/// Plays the script; gives how many runs started because an occurrence was due.
fn play(rule: Rule, play: Play) -> usize {
    let Play { zone: name, year: number, jitter, look_minutes } = play;
    let zone = zone(name);
    let begin = at(&format!("{number}-01-01T00:00:00Z"));
    let timing = Timing::new(cron(rule.expression, &zone), "job", jitter);
    let (from, to) = (begin - SignedDuration::from_hours(24 * 60), begin + SignedDuration::from_hours(24 * 460));
    let all = model(rule, &zone, from, to).into_iter().map(|occurrence| (occurrence, timing.due(occurrence))).collect();
    let mut model = Model { all, fired: BTreeSet::new(), looked: begin, owed: None, is_asked: false, is_paused: false, is_running: false };
    let mut scheduler = Scheduler::new(plans(&timing), 1, Memory::default(), begin);
    let (mut offset, mut down_until, mut ends, mut starts) = (0, 0, i64::MAX, 0_u64);
    for minute in 1..=365 * DAY {
        let now = begin + MINUTE * i32::try_from(minute + offset).unwrap();
        if minute == ends {
            scheduler.finished("job", Ending::Clean);
            model.is_running = false;
        }
        if minute < down_until {
            continue;
        }
        if minute == down_until {
            let written = serde_json::to_string(&scheduler.memory()).unwrap();
            scheduler = Scheduler::new(plans(&timing), 1, serde_json::from_str(&written).unwrap(), now);
            if std::mem::take(&mut model.is_running) {
                model.owed.get_or_insert(Because::Interrupted);
            }
        }
        for (_, event) in SCRIPT.iter().filter(|(at, _)| *at == minute) {
            match event {
                Event::Clock(minutes) => offset += minutes,
                Event::Down(minutes) => (down_until, ends) = (minute + minutes, i64::MAX),
                Event::Pause => scheduler.pause("job"),
                Event::Resume => scheduler.resume("job"),
                Event::RunNow => {
                    scheduler.run_now("job", now);
                    model.owed.get_or_insert(Because::Asked);
                    model.is_asked = true;
                }
            }
            model.is_paused = (model.is_paused || matches!(event, Event::Pause)) && !matches!(event, Event::Resume);
        }
        let is_looked_at = minute % look_minutes == 0 || minute == ends || SCRIPT.iter().any(|(at, _)| *at == minute);
        if minute < down_until || !is_looked_at {
            continue;
        }
        let now = begin + MINUTE * i32::try_from(minute + offset).unwrap();
        let step = scheduler.tick(now);
        let expected = model.tick(now);
        let started = step.starts.first().map(|start| start.because);
        assert_eq!(started, expected, "{} in {name}: minute {minute} of {number}, the clock shows {now}", rule.expression);
        if started.is_some() {
            starts += 1;
            ends = minute + run_minutes(starts);
        }
        if let Some(expected) = model.next(now).filter(|_| minute % 61 == 0 && !model.is_paused) {
            assert_eq!(scheduler.view("job", now).unwrap().next, Some(expected), "{} in {name}, {now}", rule.expression);
        }
    }
    model.fired.len()
}

#[test]
fn a_scripted_year_starts_exactly_what_the_model_starts() {
    for (name, number) in
        [("Europe/Berlin", 2028), ("America/New_York", 2026), ("Australia/Lord_Howe", 2027), ("America/Sao_Paulo", 2018), ("UTC", 2028)]
    {
        for (at, &rule) in RULES.iter().enumerate().filter(|(at, _)| name == "Europe/Berlin" || [0, 3].contains(at)) {
            // Looks are never so far apart that occurrences of the dense rules are missed by them: those holes are bounded.
            let look_minutes = match (at, name) {
                (0, "Europe/Berlin") => 1,
                (2 | 3, _) => 13,
                _ => 31,
            };
            let fired = play(rule, Play { zone: name, year: number, jitter: Duration::ZERO, look_minutes });
            assert_eq!(fired == 0, rule.expression.contains("29 2") && number != 2028, "{} in {name}: {fired}", rule.expression);
        }
    }
}

#[test]
fn jitter_moves_the_starts_of_a_year_and_loses_none() {
    for &rule in &RULES[..4] {
        let play_with_jitter = Play { zone: "Europe/Berlin", year: 2026, jitter: Duration::from_secs(7 * 60), look_minutes: 7 };
        assert!(play(rule, play_with_jitter) > 300, "{}", rule.expression);
    }
}

#[test]
fn jitter_is_bounded_spread_and_the_same_in_every_process() {
    let timing = |job: &str| Timing::new(cron("0 3 * * *", &zone("UTC")), job, Duration::from_secs(600));
    let three = at("2026-11-20T03:00:00Z");
    let offsets: BTreeSet<i64> = (0..50).map(|job| three.duration_until(timing(&format!("job-{job}")).due(three)).as_secs()).collect();
    assert!(offsets.iter().all(|offset| (0..=600).contains(offset)), "{offsets:?}");
    assert!(offsets.len() > 40, "{offsets:?}");
    assert_eq!(timing("registry").due(three), timing("registry").due(three));
    assert_eq!(timing("registry").due(three), at("2026-11-20T03:07:23Z"), "a change would move every job of every installation");
}
