//! Schedules against models that count every minute of a year and know nothing of how the engine finds the next one.

#![allow(clippy::unwrap_used)]

mod chains;
mod script;

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};

use super::{Cron, Period, Schedule};

/// The zone as the engine itself carries it, whatever the machine has.
fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).unwrap()
}

fn cron(expression: &str, zone: &TimeZone) -> Schedule {
    Schedule::Cron { cron: Cron::parse(expression).unwrap(), zone: zone.clone() }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// A rule as a person would check it: does this local minute match, and does it name an hour?
#[derive(Clone, Copy)]
struct Rule {
    expression: &'static str,
    names_hour: bool,
    matches: fn(DateTime) -> bool,
}

const RULES: &[Rule] = &[
    Rule { expression: "30 2 * * *", names_hour: true, matches: |t| (t.hour(), t.minute()) == (2, 30) },
    Rule { expression: "0 0 * * *", names_hour: true, matches: |t| (t.hour(), t.minute()) == (0, 0) },
    Rule { expression: "*/20 1-3 * * *", names_hour: true, matches: |t| (1..=3).contains(&t.hour()) && t.minute() % 20 == 0 },
    Rule { expression: "*/15 * * * *", names_hour: false, matches: |t| t.minute() % 15 == 0 },
    Rule { expression: "0 3 29 2 *", names_hour: true, matches: |t| (t.month(), t.day(), t.hour(), t.minute()) == (2, 29, 3, 0) },
    Rule {
        expression: "45 1 1,15 * sun",
        names_hour: true,
        matches: |t| {
            let is_sunday = t.weekday() == jiff::civil::Weekday::Sunday;
            (t.hour(), t.minute()) == (1, 45) && (t.day() == 1 || t.day() == 15 || is_sunday)
        },
    },
];

/// Every instant at which the rule fires: minute by minute, with nothing but the local time that a clock on the wall shows.
fn model(rule: Rule, zone: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
    let mut fired = Vec::new();
    let mut shown_last = zone.to_datetime(from);
    let mut now = from;
    while now < to {
        now += MINUTE;
        let shown = zone.to_datetime(now);
        let is_second_pass = shown <= shown_last;
        let fires = if is_second_pass {
            !rule.names_hour && (rule.matches)(shown)
        } else {
            let mut passed = shown_last;
            std::iter::from_fn(|| {
                passed = passed.checked_add(MINUTE).unwrap();
                (passed <= shown).then_some(passed)
            })
            .any(rule.matches)
        };
        if fires {
            fired.push(now);
        }
        shown_last = shown_last.max(shown);
    }
    fired
}

/// Zones that turn their clocks at other hours, by other amounts, at midnight, or never, and a year each; 2028 is a leap year.
const YEARS: &[(&str, i16)] = &[
    ("Europe/Berlin", 2028),
    ("America/New_York", 2026),
    ("Australia/Lord_Howe", 2027),
    ("America/Sao_Paulo", 2018),
    ("America/Sao_Paulo", 2026),
    ("UTC", 2028),
];

fn year(year: i16) -> (Timestamp, Timestamp) {
    (at(&format!("{year}-01-01T00:00:00Z")), at(&format!("{}-01-01T00:00:00Z", year + 1)))
}

#[test]
fn a_year_fires_exactly_what_a_count_of_its_minutes_fires_from_wherever_one_looks() {
    for &(name, number) in YEARS {
        let (zone, (from, to)) = (zone(name), year(number));
        let turns: Vec<Timestamp> = zone.following(from).map(|turn| turn.timestamp()).take_while(|turn| *turn < to).collect();
        for &rule in RULES {
            let schedule = cron(rule.expression, &zone);
            let expected = model(rule, &zone, from, to);
            let all = std::iter::successors(schedule.next_after(from), |last| schedule.next_after(*last));
            let found: Vec<Timestamp> = all.take_while(|fired| *fired <= to).collect();
            assert_eq!(found, expected, "{} in {name}, {number}", rule.expression);
            let near = turns.iter().flat_map(|turn| (-240..240).map(move |minute| *turn + SignedDuration::from_mins(minute)));
            let spread = (0..1000).map(|step| from + SignedDuration::from_secs(step * 30_011));
            for look in near.chain(spread).filter(|look| (from..to).contains(look)) {
                if let Some(next) = expected.get(expected.partition_point(|fired| *fired <= look)) {
                    assert_eq!(schedule.next_after(look).as_ref(), Some(next), "{} in {name} from {look}", rule.expression);
                }
            }
        }
    }
}

#[test]
fn the_turns_of_the_clock_are_as_documented() {
    let fires = |expression: &str, name: &str, from: &str, to: &str| -> Vec<String> {
        let schedule = cron(expression, &zone(name));
        let mut all = Vec::new();
        let mut last = at(from);
        while let Some(next) = schedule.next_after(last).filter(|next| *next < at(to)) {
            all.push(next.to_string());
            last = next;
        }
        all
    };
    let berlin = |expression: &str, from: &str, to: &str| fires(expression, "Europe/Berlin", from, to);
    // 29 March 2026: 02:00 becomes 03:00 at 01:00 UTC. 25 October: 03:00 becomes 02:00 at 01:00 UTC.
    assert_eq!(berlin("30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z"), ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
    assert_eq!(berlin("*/20 2,3 * * *", "2026-03-29T00:00:00Z", "2026-03-29T01:30:00Z"), ["2026-03-29T01:00:00Z", "2026-03-29T01:20:00Z"]);
    assert_eq!(berlin("30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z"), ["2026-10-25T00:30:00Z"]);
    let half_hours = ["2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z"];
    assert_eq!(berlin("*/30 * * * *", "2026-10-24T23:59:00Z", "2026-10-25T02:00:00Z"), half_hours);
    // Midnight of 4 November 2018 does not exist in Sao Paulo.
    let midnight = fires("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", "2018-11-04T12:00:00Z");
    assert_eq!(midnight, ["2018-11-04T03:00:00Z"]);
    // Samoa had no 30 December 2011: what was meant for it happens as the 31st begins.
    let skipped = fires("0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", "2012-12-01T00:00:00Z");
    assert_eq!(skipped, ["2011-12-30T10:00:00Z"]);
}

#[test]
fn a_period_is_counted_from_1970_whenever_the_process_began() {
    let every = |text: &str| Schedule::Every(Period::new(crate::units::parse_duration(text).unwrap()).unwrap());
    assert_eq!(every("6h").next_after(at("2026-11-20T05:59:59.5Z")).unwrap(), at("2026-11-20T06:00:00Z"));
    assert_eq!(every("6h").next_after(at("2026-11-20T06:00:00Z")).unwrap(), at("2026-11-20T12:00:00Z"));
    assert_eq!(every("7m").next_after(at("1969-12-31T23:59:00Z")).unwrap(), at("1970-01-01T00:00:00Z"));
    for bad in ["59s", "90.5s", "367d", "0"] {
        assert!(Period::new(crate::units::parse_duration(bad).unwrap()).is_err(), "{bad}");
    }
}

#[test]
fn the_longest_gap_of_a_year_is_the_night_that_is_an_hour_longer() {
    let (from, to) = year(2026);
    let gaps = cron("0 3 * * *", &zone("Europe/Berlin")).gaps(from, to).unwrap();
    assert_eq!((gaps.shortest, gaps.longest), (SignedDuration::from_hours(23), SignedDuration::from_hours(25)));
    assert_eq!(gaps.longest_to, at("2026-10-25T02:00:00Z"));
    let gaps = cron("*/15 * * * *", &zone("Europe/Berlin")).gaps(from, to).unwrap();
    assert_eq!((gaps.shortest, gaps.longest), (SignedDuration::from_mins(15), SignedDuration::from_mins(15)));
    let gaps = Schedule::Every(Period::new(Duration::from_secs(3600)).unwrap()).gaps(from, to).unwrap();
    assert_eq!((gaps.shortest, gaps.longest), (SignedDuration::from_hours(1), SignedDuration::from_hours(1)));
    // Half an hour that comes twice, between two full hours.
    let gaps = cron("0 * * * *", &zone("Australia/Lord_Howe")).gaps(from, to).unwrap();
    assert_eq!((gaps.shortest, gaps.longest), (SignedDuration::from_mins(30), SignedDuration::from_mins(90)));
    assert!(cron("0 3 29 2 *", &TimeZone::UTC).gaps(from, to).is_none(), "there is none in that year");
}

#[test]
fn looking_at_the_turns_only_finds_the_gaps_of_the_whole_year() {
    let (from, to) = year(2027);
    for name in ["Australia/Lord_Howe", "Europe/Berlin", "UTC"] {
        for expression in ["0 * * * *", "10,25 * * * *"] {
            let schedule = cron(expression, &zone(name));
            let (quick, whole) = (schedule.gaps(from, to).unwrap(), schedule.gaps_within(from, to).unwrap());
            assert_eq!((quick.shortest, quick.longest), (whole.shortest, whole.longest), "{expression} in {name}");
        }
    }
}
