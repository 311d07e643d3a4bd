//! A rate that depends on the time of the week, written as rclone's `--bwlimit` is: `10M`, `off`, `08:00,512k 18:00,off`,
//! `Mon-08:00,1M Sat-00:00,off`.
//!
//! The entries of a week are kept in order, and the last one before a moment holds; before the first of the week it is the last of the
//! week before. What time it is arrives as an argument, in whatever zone the caller thinks in.

use jiff::civil::{DateTime, Weekday};

use super::{UnitError, parse_rate};

const TIMETABLE: &str = "a timetable";
const FORM: &str = "write entries such as 08:00,512k or Mon-08:00,10M, with a space between two";
const TIME_FORM: &str = "write a time of day as HH:MM, from 00:00 to 23:59";
const DAY_FORM: &str = "write a day as Mon, Tue, Wed, Thu, Fri, Sat or Sun";

/// Entries of a week: one for each quarter of an hour. More is a mistake.
const ENTRIES_MAX: usize = 7 * 24 * 4;

const MINUTES_PER_DAY: u16 = 24 * 60;

/// Bytes in a second, by the time of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timetable(Vec<Entry>);

/// From a minute of the week on; the week begins on Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    from: u16,
    rate: Option<u64>,
}

impl Timetable {
    /// The same rate always; `None` for no limit.
    pub fn constant(rate: Option<u64>) -> Self {
        Self(vec![Entry { from: 0, rate }])
    }

    /// One of so many equal parts of every rate: at least a byte in a second, for no limit is what nothing means.
    pub fn part(&self, of: u64) -> Self {
        let part = |entry: &Entry| Entry { rate: entry.rate.map(|rate| (rate / of.max(1)).max(1)), ..*entry };
        Self(self.0.iter().map(part).collect())
    }

    /// A rate, or entries with a space between two. An entry without a day holds for every day.
    ///
    /// # Errors
    /// When the text is neither.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        if !text.contains([' ', ',']) {
            return parse_rate(text).map(Self::constant);
        }
        let error = |problem| UnitError { what: TIMETABLE, text: text.to_owned(), problem };
        let mut entries = Vec::new();
        for entry in text.split_ascii_whitespace() {
            let (when, rate) = entry.split_once(',').ok_or(error(FORM))?;
            let rate = parse_rate(rate)?;
            for from in minutes(when).map_err(error)? {
                entries.push(Entry { from, rate });
            }
        }
        if entries.is_empty() || entries.len() > ENTRIES_MAX {
            return Err(error(FORM));
        }
        // Of two for the same minute, the one written last holds.
        entries.sort_by_key(|entry| entry.from);
        Ok(Self(entries))
    }

    /// The rate at this moment.
    pub fn rate(&self, at: DateTime) -> Option<u64> {
        let minute = u16::try_from(i16::from(at.hour()) * 60 + i16::from(at.minute())).expect("a time of day is not negative");
        let now = first_minute(at.weekday()) + minute;
        let entry = self.0.iter().rfind(|entry| entry.from <= now).or(self.0.last()).expect("a timetable has an entry");
        entry.rate
    }

    /// The rate that always holds, if one does; `None` where it depends on the time.
    pub fn always(&self) -> Option<Option<u64>> {
        let first = self.0.first().expect("a timetable has an entry").rate;
        self.0.iter().all(|entry| entry.rate == first).then_some(first)
    }
}

/// The minutes of the week that `08:00` or `Mon-08:00` means.
fn minutes(when: &str) -> Result<Vec<u16>, &'static str> {
    match when.split_once('-') {
        Some((day, time)) => Ok(vec![first_minute(weekday(day)?) + minute(time)?]),
        None => {
            let minute = minute(when)?;
            Ok((0..7).map(|day| day * MINUTES_PER_DAY + minute).collect())
        }
    }
}

fn first_minute(day: Weekday) -> u16 {
    u16::try_from(day.to_monday_zero_offset()).expect("a week has seven days") * MINUTES_PER_DAY
}

fn weekday(text: &str) -> Result<Weekday, &'static str> {
    const NAMES: [(&str, &str, Weekday); 7] = [
        ("mon", "monday", Weekday::Monday),
        ("tue", "tuesday", Weekday::Tuesday),
        ("wed", "wednesday", Weekday::Wednesday),
        ("thu", "thursday", Weekday::Thursday),
        ("fri", "friday", Weekday::Friday),
        ("sat", "saturday", Weekday::Saturday),
        ("sun", "sunday", Weekday::Sunday),
    ];
    let lower = text.to_ascii_lowercase();
    NAMES.iter().find(|(short, long, _)| [*short, *long].contains(&lower.as_str())).map(|(_, _, day)| *day).ok_or(DAY_FORM)
}

fn minute(text: &str) -> Result<u16, &'static str> {
    let two = |digits: &str, below: u16| -> Option<u16> {
        let number = digits.parse().ok()?;
        (digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit()) && number < below).then_some(number)
    };
    let (hours, minutes) = text.split_once(':').ok_or(TIME_FORM)?;
    Ok(two(hours, 24).ok_or(TIME_FORM)? * 60 + two(minutes, 60).ok_or(TIME_FORM)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    /// 2026-11-23 is a Monday.
    fn at(table: &Timetable, day: i8, hour: i8, minute: i8) -> Option<u64> {
        table.rate(date(2026, 11, 22 + day).at(hour, minute, 59, 0))
    }

    #[test]
    fn times_of_day_hold_until_the_next_and_over_midnight() {
        let table = Timetable::parse("08:00,512k 12:00,10M 18:00,off").unwrap();
        for day in 1..=7 {
            assert_eq!(at(&table, day, 7, 59), None);
            assert_eq!(at(&table, day, 8, 0), Some(512 << 10));
            assert_eq!(at(&table, day, 11, 59), Some(512 << 10));
            assert_eq!(at(&table, day, 12, 0), Some(10 << 20));
            assert_eq!(at(&table, day, 18, 0), None);
        }
        assert_eq!(table.always(), None);
    }

    #[test]
    fn equal_parts_are_together_never_more_than_the_whole_and_never_nothing() {
        let table = Timetable::parse("08:00,10 12:00,10M 18:00,off").unwrap();
        let part = table.part(3);
        assert_eq!((at(&part, 1, 8, 0), at(&part, 1, 12, 0), at(&part, 1, 18, 0)), (Some(3413), Some((10 << 20) / 3), None));
        assert_eq!(Timetable::constant(Some(1)).part(5), Timetable::constant(Some(1)), "no rate becomes none");
        assert_eq!(table.part(0), table);
    }

    #[test]
    fn days_hold_until_the_next_and_over_the_end_of_the_week() {
        let table = Timetable::parse("Sat-10:00,1M mon-00:00,512 FRIDAY-23:59,10M Sun-20:00,off").unwrap();
        assert_eq!(at(&table, 1, 0, 0), Some(512 << 10));
        assert_eq!(at(&table, 5, 23, 58), Some(512 << 10));
        assert_eq!(at(&table, 5, 23, 59), Some(10 << 20));
        assert_eq!(at(&table, 6, 10, 0), Some(1 << 20));
        assert_eq!(at(&table, 7, 19, 59), Some(1 << 20));
        assert_eq!(at(&table, 7, 20, 0), None);
        let table = Timetable::parse("Tue-06:00,1M Thu-06:00,2M").unwrap();
        assert_eq!(at(&table, 1, 0, 0), Some(2 << 20), "the last of the week before");
    }

    #[test]
    fn one_rate_always_holds() {
        for (text, rate) in [("10M", Some(10 << 20)), ("off", None), ("0", None), ("1M/s", Some(1 << 20))] {
            let table = Timetable::parse(text).unwrap();
            assert_eq!((table.always(), at(&table, 3, 4, 5)), (Some(rate), rate), "{text}");
        }
    }

    #[test]
    fn what_is_no_timetable_is_refused_with_the_form_that_is() {
        for (text, form) in [
            (" ", FORM),
            ("08:00", "write a number"),
            ("08:00,", "write a number"),
            ("08:00,1M,2M", "write a number"),
            ("08:00,1M 12:00", FORM),
            ("8:00,1M", TIME_FORM),
            ("24:00,1M", TIME_FORM),
            ("23:60,1M", TIME_FORM),
            ("+8:00,1M", TIME_FORM),
            ("Mon-,1M", TIME_FORM),
            ("Mo-08:00,1M", DAY_FORM),
            ("-08:00,1M", DAY_FORM),
            ("08:00,10M:100k", "write a number"),
        ] {
            let error = Timetable::parse(text).unwrap_err().to_string();
            assert!(error.contains(form), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_every_table_has_a_rate_at_every_minute(text in "((Mon-)?[0-2][0-9]:[0-5][0-9],[0-9kMof]{1,3} ?){0,4}", day in 1i8..8, hour in 0i8..24, minute in 0i8..60) {
            if let Ok(table) = Timetable::parse(&text) {
                let rate = at(&table, day, hour, minute);
                prop_assert!(table.always().is_none_or(|always| always == rate));
            }
        }
    }
}
