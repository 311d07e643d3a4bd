//! Five fields of cron, as Vixie cron reads them: minute, hour, day of the month, month, day of the week.
//!
//! Numbers, names (`jan`, `mon`), ranges, lists and steps; `@hourly` and its kin. Where neither day field begins with `*`, a day
//! matches if either does; otherwise both must. What other programs read differently (`5/15`, `fri-mon`, a sixth field, `L`, `#`)
//! is refused: a schedule that is read otherwise than it was meant would only show when the copy is missing.

use std::fmt;

use jiff::civil::{Date, DateTime};

use crate::limits::CRON_YEARS_AHEAD_MAX;

/// A parsed expression: one bit for each value of each field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    text: String,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    /// 0 is Sunday; 7 is folded into 0.
    weekdays: u64,
    day_rule: DayRule,
    any_hour: AnyHour,
}

/// How the two day fields are taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DayRule {
    /// One of them begins with `*`: both must match.
    Both,
    /// Either.
    Either,
}

/// Whether the hour field is `*` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AnyHour {
    Yes,
    No,
}

/// Why a text is no cron expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no cron expression: {problem}")]
pub struct BadCron {
    text: String,
    problem: String,
}

/// One of the five fields.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    /// Names of the values from `least` on.
    names: &'static [&'static str],
}

const MINUTE: Field = Field { name: "minute", least: 0, most: 59, names: &[] };
const HOUR: Field = Field { name: "hour", least: 0, most: 23, names: &[] };
const DAY: Field = Field { name: "day of the month", least: 1, most: 31, names: &[] };
const MONTH: Field = Field {
    name: "month",
    least: 1,
    most: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAY: Field = Field { name: "day of the week", least: 0, most: 7, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

/// Short names, as crontab(5) has them.
const SHORT: &[(&str, &str)] = &[
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// Most days that a month has, in a leap year.
const DAYS_OF_MONTH: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    /// When it is not understood, or names no day that exists.
    pub fn parse(text: &str) -> Result<Self, BadCron> {
        let bad = |problem: String| BadCron { text: text.to_owned(), problem };
        let trimmed = text.trim();
        let spelt = match trimmed.strip_prefix('@') {
            Some(_) => SHORT.iter().find(|(short, _)| short.eq_ignore_ascii_case(trimmed)).map(|(_, long)| *long).ok_or_else(|| {
                let known: Vec<&str> = SHORT.iter().map(|(short, _)| *short).collect();
                bad(format!("the short names are {}", known.join(", ")))
            })?,
            None => trimmed,
        };
        let fields: Vec<&str> = spelt.split_whitespace().collect();
        let &[minute, hour, day, month, weekday] = fields.as_slice() else {
            let problem = format!("it has {} fields, not five: minute, hour, day of the month, month, day of the week", fields.len());
            return Err(bad(problem));
        };
        let read = |field: &Field, text: &str| field.parse(text).map_err(&bad);
        let weekdays = read(&WEEKDAY, weekday)?;
        let cron = Self {
            text: trimmed.to_owned(),
            minutes: read(&MINUTE, minute)?,
            hours: read(&HOUR, hour)?,
            days: read(&DAY, day)?,
            months: read(&MONTH, month)?,
            weekdays: (weekdays | weekdays >> 7) & 0x7f,
            day_rule: if day.starts_with('*') || weekday.starts_with('*') { DayRule::Both } else { DayRule::Either },
            any_hour: if hour == "*" { AnyHour::Yes } else { AnyHour::No },
        };
        if cron.has_a_day() { Ok(cron) } else { Err(bad("no month that it names has a day that it names".into())) }
    }

    /// Whether the hour is `*`: then the expression names minutes of any hour, of an hour that comes twice as well.
    pub fn names_no_hour(&self) -> bool {
        self.any_hour == AnyHour::Yes
    }

    /// Whether every hour of every day has the same minutes.
    pub(super) fn is_every_hour(&self) -> bool {
        let all = |bits: u64, field: &Field| (field.least..=field.most).all(|value| bits >> value & 1 == 1);
        let week = 0x7f;
        self.names_no_hour() && all(self.days, &DAY) && all(self.months, &MONTH) && self.weekdays == week
    }

    /// The first local minute at or after `from`, which must be a whole minute. `None` where there is none within
    /// [`CRON_YEARS_AHEAD_MAX`] years.
    pub fn next_at_or_after(&self, from: DateTime) -> Option<DateTime> {
        let (mut date, mut hour, mut minute) = (from.date(), from.hour(), from.minute());
        let last_year = date.year().saturating_add(CRON_YEARS_AHEAD_MAX);
        while date.year() <= last_year {
            let is_in_month = has(self.months, date.month());
            if is_in_month
                && self.matches_day(date)
                && let Some((hour, minute)) = self.next_time(hour, minute)
            {
                return Some(date.at(hour, minute, 0, 0));
            }
            let before = if is_in_month { date } else { date.last_of_month() };
            date = before.tomorrow().ok()?;
            (hour, minute) = (0, 0);
        }
        None
    }

    fn matches_day(&self, date: Date) -> bool {
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        match self.day_rule {
            DayRule::Both => day && weekday,
            DayRule::Either => day || weekday,
        }
    }

    /// The first time of a day at or after the one given.
    fn next_time(&self, hour: i8, minute: i8) -> Option<(i8, i8)> {
        if has(self.hours, hour)
            && let Some(minute) = next_bit(self.minutes, minute, 59)
        {
            return Some((hour, minute));
        }
        let hour = next_bit(self.hours, hour.checked_add(1)?, 23)?;
        next_bit(self.minutes, 0, 59).map(|minute| (hour, minute))
    }

    fn has_a_day(&self) -> bool {
        let by_date = (1..=12).zip(DAYS_OF_MONTH).any(|(month, last)| has(self.months, month) && self.days & ((2 << last) - 1) != 0);
        by_date || self.day_rule == DayRule::Either
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Field {
    /// The bits of a field.
    fn parse(&self, text: &str) -> Result<u64, String> {
        text.split(',').try_fold(0, |bits, item| Ok(bits | self.item(item)?))
    }

    /// One item of a list: `*`, `7`, `1-5`, and the first and the last with a step.
    fn item(&self, text: &str) -> Result<u64, String> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(self.step(step)?)),
            None => (text, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.least, self.most),
            Some((first, last)) => (self.value(first)?, self.value(last)?),
            None if step.is_some() => {
                return Err(format!("`{text}` in the {}: a step follows `*` or a range, such as {range}-{}/2", self.name, self.most));
            }
            None => (self.value(range)?, self.value(range)?),
        };
        if first > last {
            return Err(format!("the range `{range}` of the {} ends before it begins: write two ranges", self.name));
        }
        let step = usize::try_from(step.unwrap_or(1)).unwrap_or(usize::MAX);
        Ok((first..=last).step_by(step).fold(0, |bits, value| bits | 1 << value))
    }

    fn step(&self, text: &str) -> Result<u32, String> {
        match text.parse() {
            Ok(step) if step >= 1 && step <= self.most - self.least => Ok(step),
            _ => Err(format!("the step `{text}` of the {} is not a number from 1 to {}", self.name, self.most - self.least)),
        }
    }

    fn value(&self, text: &str) -> Result<u32, String> {
        let named = self.names.iter().zip(self.least..).find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, value)| value);
        let number = || text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        match named.or_else(number) {
            Some(value) if (self.least..=self.most).contains(&value) => Ok(value),
            _ => {
                let names = match (self.names.first(), self.names.last()) {
                    (Some(first), Some(last)) => format!(" or {first} to {last}"),
                    _ => String::new(),
                };
                Err(format!("`{text}` is no {}: write {} to {}{names}", self.name, self.least, self.most))
            }
        }
    }
}

fn has(bits: u64, value: i8) -> bool {
    u32::try_from(value).is_ok_and(|value| bits >> value & 1 == 1)
}

/// The first value from `from` to `last` that is among the bits.
fn next_bit(bits: u64, from: i8, last: i8) -> Option<i8> {
    let from = u32::try_from(from).ok()?;
    let found = from + bits.checked_shr(from)?.trailing_zeros();
    i8::try_from(found).ok().filter(|value| *value <= last)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn first(expression: &str, from: &str) -> String {
        Cron::parse(expression).unwrap().next_at_or_after(from.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn expressions_name_the_times_that_crontab_says() {
        for (expression, from, expected) in [
            ("0 3 * * *", "2026-11-20T03:00:00", "2026-11-20T03:00:00"),
            ("0 3 * * *", "2026-11-20T03:01:00", "2026-11-21T03:00:00"),
            ("*/15 * * * *", "2026-11-20T03:46:00", "2026-11-20T04:00:00"),
            ("5,10-12 4-6/2 * * *", "2026-11-20T04:12:00", "2026-11-20T04:12:00"),
            ("5,10-12 4-6/2 * * *", "2026-11-20T04:13:00", "2026-11-20T06:05:00"),
            ("0 0 29 2 *", "2026-11-20T00:00:00", "2028-02-29T00:00:00"),
            ("0 0 29 2 *", "2096-03-01T00:00:00", "2104-02-29T00:00:00"),
            ("0 0 31 * *", "2026-02-01T00:00:00", "2026-03-31T00:00:00"),
            ("@weekly", "2026-11-20T00:00:00", "2026-11-22T00:00:00"),
            ("@Monthly", "2026-11-20T00:00:00", "2026-12-01T00:00:00"),
            ("@yearly", "2026-11-20T00:00:00", "2027-01-01T00:00:00"),
            ("0 0 * * 7", "2026-11-20T00:00:00", "2026-11-22T00:00:00"),
            ("0 0 * * 5-7", "2026-11-21T12:00:00", "2026-11-22T00:00:00"),
            ("0 0 * JAN,Jun mon-WED", "2026-11-20T00:00:00", "2027-01-04T00:00:00"),
        ] {
            assert_eq!(first(expression, from), expected, "{expression} from {from}");
        }
    }

    #[test]
    fn either_day_field_is_enough_unless_one_begins_with_a_star() {
        // 13 November 2026 is a Friday.
        assert_eq!(first("0 0 13 * fri", "2026-11-01T00:00:00"), "2026-11-06T00:00:00");
        assert_eq!(first("0 0 13 * fri", "2026-12-12T00:00:00"), "2026-12-13T00:00:00");
        assert_eq!(first("0 0 */2 * fri", "2026-11-01T00:00:00"), "2026-11-13T00:00:00");
        assert_eq!(first("0 0 31 2 fri", "2026-02-01T00:00:00"), "2026-02-06T00:00:00");
    }

    #[test]
    fn what_could_be_read_two_ways_is_refused_with_a_reason() {
        for (expression, reason) in [
            ("", "it has 0 fields"),
            ("0 3 * *", "it has 4 fields"),
            ("0 0 3 * * *", "it has 6 fields"),
            ("60 * * * *", "`60` is no minute: write 0 to 59"),
            ("* 24 * * *", "`24` is no hour"),
            ("* * 0 * *", "`0` is no day of the month"),
            ("* * * 13 *", "`13` is no month: write 1 to 12 or jan to dec"),
            ("* * * * 8", "`8` is no day of the week"),
            ("* * * * fri-mon", "ends before it begins"),
            ("5/15 * * * *", "a step follows `*` or a range"),
            ("*/0 * * * *", "the step `0`"),
            ("*/90 * * * *", "the step `90`"),
            ("1- * * * *", "`` is no minute"),
            ("+1 * * * *", "`+1` is no minute"),
            ("1,,2 * * * *", "`` is no minute"),
            ("0 0 31 feb *", "no month that it names"),
            ("0 0 31 4,6,9,11 *", "no month that it names"),
            ("@reboot", "the short names are @yearly"),
            ("0 0 L * *", "`L` is no day of the month"),
            ("* * * * 1#2", "`1#2` is no day of the week"),
        ] {
            let error = Cron::parse(expression).unwrap_err().to_string();
            assert!(error.contains(reason), "{expression}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_none_loops(text in "\\PC{0,20}|([0-9*/,a-z-]{1,5} ){4}[0-9*/,a-z-]{1,5}") {
            if let Ok(cron) = Cron::parse(&text) {
                prop_assert!(cron.next_at_or_after(jiff::civil::date(2026, 1, 1).at(0, 0, 0, 0)).is_some(), "{}", text);
            }
        }
    }
}
