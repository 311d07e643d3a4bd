//! Durations and ages: Go's `1h30m`, rclone's `1d`, `2w`, `3M`, `1y`, and dates.

use std::time::Duration;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{UnitError, whole};

const DURATION: &str = "a duration";
const DURATION_FORM: &str = "write a number and ms, s, m, h, d, w, M or y, such as 30s or 1h30m (seconds where no unit is given)";
const AGE: &str = "an age";
const AGE_FORM: &str = "write a duration such as 90m, 1d, 2w, 3M or 1y, or a date such as 2026-11-20 or 2026-11-20T03:00:00Z";

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

/// How old an object is at least or at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Age {
    /// So long before the run; a negative duration lies ahead of it.
    Ago(SignedDuration),
    /// A fixed moment.
    At(Timestamp),
}

impl Age {
    /// The moment that the age stands for. `None` where it lies outside of the calendar, which is the years up to 9999.
    pub fn instant(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Ago(duration) => now.checked_sub(duration).ok(),
            Self::At(moment) => Some(moment),
        }
    }
}

/// A length of time: `30s`, `1h30m`, `500ms`, `2d`, `1.5w`; seconds where no unit is given.
///
/// # Errors
/// When the text is no duration, is negative, or is longer than 292 years.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let error = |problem| UnitError { what: DURATION, text: text.to_owned(), problem };
    let nanos = go_duration(text).or_else(|| long_duration(text)).ok_or_else(|| error(DURATION_FORM))?;
    let nanos = u64::try_from(nanos).map_err(|_| error("a duration cannot be negative"))?;
    Ok(Duration::from_nanos(nanos))
}

/// An age as `--min-age` and `--max-age` take it: a duration, or a date with or without a time of day, in `zone` where it
/// names none. `off` is `None`.
///
/// # Errors
/// When the text is neither.
pub fn parse_age(text: &str, zone: &TimeZone) -> Result<Option<Age>, UnitError> {
    if text == "off" {
        return Ok(None);
    }
    if let Some(nanos) = go_duration(text).or_else(|| long_duration(text)) {
        return Ok(Some(Age::Ago(SignedDuration::from_nanos(nanos))));
    }
    let moment = moment(text, zone).ok_or_else(|| UnitError { what: AGE, text: text.to_owned(), problem: AGE_FORM })?;
    Ok(Some(Age::At(moment)))
}

/// Nanoseconds of a duration as Go writes it (`time.ParseDuration`): a sign, then numbers with units.
fn go_duration(text: &str) -> Option<i64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned == "0" {
        return Some(0);
    }
    let mut total: u128 = 0;
    let mut rest = unsigned;
    while !rest.is_empty() {
        let (nanos, after) = go_term(rest)?;
        total = total.checked_add(nanos)?;
        rest = after;
    }
    if unsigned.is_empty() {
        return None;
    }
    let total = i128::try_from(total).ok()?;
    i64::try_from(if text.starts_with('-') { -total } else { total }).ok()
}

/// One number with its unit.
fn go_term(text: &str) -> Option<(u128, &str)> {
    let (integer, rest) = digits(text);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), digits);
    if integer.is_empty() && fraction.is_empty() {
        return None;
    }
    let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    let unit_nanos: u128 = match unit {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let integer: u128 = if integer.is_empty() { 0 } else { integer.parse::<u64>().ok()?.into() };
    // Digits beyond the eighteenth are below a nanosecond in every unit.
    let fraction = fraction.get(..18).unwrap_or(fraction);
    let mut scale = 1;
    let mut part = 0;
    for digit in fraction.chars() {
        scale *= 10;
        part = part * 10 + u128::from(digit.to_digit(10)?);
    }
    Some((integer * unit_nanos + part * unit_nanos / scale, rest))
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// Nanoseconds of a number of days, weeks, months of 30 days, years of 365 days, or seconds where no unit is given.
fn long_duration(text: &str) -> Option<i64> {
    let units = [("d", SECONDS_PER_DAY), ("w", 7 * SECONDS_PER_DAY), ("M", 30 * SECONDS_PER_DAY), ("y", 365 * SECONDS_PER_DAY), ("", 1)];
    let (number, seconds) = units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds)))?;
    let value: f64 = number.parse().ok()?;
    let scale: f64 = seconds.checked_mul(NANOS_PER_SECOND)?.to_string().parse().ok()?;
    whole(value * scale)
}

/// RFC 3339, `2006-01-02T15:04:05`, `2006-01-02 15:04:05` or `2006-01-02`.
fn moment(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let date = civil_date(text.get(..10)?)?;
    let rest = text.get(10..)?;
    if rest.is_empty() {
        return in_zone(date.to_datetime(Time::midnight()), zone);
    }
    let (time, offset) = civil_time(rest.strip_prefix(['T', ' '])?)?;
    match offset {
        "" => in_zone(date.to_datetime(time), zone),
        _ if rest.starts_with(' ') => None,
        _ => in_zone(date.to_datetime(time), &TimeZone::fixed(fixed_offset(offset)?)),
    }
}

fn in_zone(moment: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_timestamp(moment).ok()
}

fn civil_date(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let fits = year.len() == 4 && month.len() == 2 && day.len() == 2 && parts.next().is_none();
    let year: i16 = number(year)?.try_into().ok()?;
    if fits { Date::new(year, number(month)?.try_into().ok()?, number(day)?.try_into().ok()?).ok() } else { None }
}

/// `15:04:05`, with a fraction or without; gives what follows.
fn civil_time(text: &str) -> Option<(Time, &str)> {
    let (hour, rest) = text.split_once(':')?;
    let (minute, rest) = rest.split_once(':')?;
    let (second, rest) = digits(rest);
    let (fraction, rest) = rest.strip_prefix(['.', ',']).map_or(("0", rest), digits);
    if hour.len() > 2 || minute.len() != 2 || second.len() != 2 || fraction.is_empty() {
        return None;
    }
    let nanos: i32 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    let (hour, minute, second) = (number(hour)?, number(minute)?, number(second)?);
    let time = Time::new(hour.try_into().ok()?, minute.try_into().ok()?, second.try_into().ok()?, nanos).ok()?;
    Some((time, rest))
}

/// `Z`, `+01:00` or `-07:30`.
fn fixed_offset(text: &str) -> Option<Offset> {
    if text == "Z" {
        return Some(Offset::UTC);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = text.strip_prefix(['+', '-'])?.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    if minutes > 59 {
        return None;
    }
    Offset::from_seconds(sign * i32::try_from(hours * 3600 + minutes * 60).ok()?).ok()
}

/// A few digits and nothing else.
fn number(text: &str) -> Option<u32> {
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn durations_are_read_as_rclone_reads_them() {
        for (text, millis) in [
            ("0", 0),
            ("30", 30_000),
            ("1.5", 1_500),
            ("30s", 30_000),
            ("500ms", 500),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            (".5s", 500),
            ("1.s", 1_000),
            ("+1m", 60_000),
            ("2000us", 2),
            ("2000\u{b5}s", 2),
            ("1d", 86_400_000),
            ("1.5d", 129_600_000),
            ("2w", 1_209_600_000),
            ("3M", 7_776_000_000),
            ("1y", 31_536_000_000),
            ("1e3", 1_000_000),
        ] {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
        for text in [
            "",
            " ",
            "s",
            "1x",
            "1h 30m",
            "1d2h",
            "-1s",
            "-1d",
            "off",
            "300y",
            "9999999h",
            "inf",
            "nan",
            "infd",
            ".s",
            "1h30",
            "1D",
            "2026-11-20",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert!(parse_duration("-5s").unwrap_err().to_string().ends_with("a duration cannot be negative"));
    }

    #[test]
    fn ages_can_be_dates() {
        let east = TimeZone::fixed(Offset::from_seconds(7200).unwrap());
        for (text, expected) in [
            ("2026-11-20", "2026-11-19T22:00:00Z"),
            ("2026-11-20T03:04:05", "2026-11-20T01:04:05Z"),
            ("2026-11-20 03:04:05", "2026-11-20T01:04:05Z"),
            ("2026-11-20T3:04:05.25", "2026-11-20T01:04:05.25Z"),
            ("2026-11-20T03:04:05Z", "2026-11-20T03:04:05Z"),
            ("2026-11-20T03:04:05.5-07:30", "2026-11-20T10:34:05.5Z"),
        ] {
            let expected: Timestamp = expected.parse().unwrap();
            assert_eq!(parse_age(text, &east).unwrap(), Some(Age::At(expected)), "{text}");
        }
        for text in [
            "2026-13-01",
            "2026-02-30",
            "2026-1-1",
            "2026-11-20T",
            "2026-11-20T25:00:00",
            "2026-11-20 03:04:05Z",
            "2026-11-20T03:04",
            "yesterday",
            "",
            "2026-11-2\u{e9}",
        ] {
            assert!(parse_age(text, &TimeZone::UTC).is_err(), "{text}");
        }
    }

    #[test]
    fn an_age_is_reckoned_from_the_run() {
        let now: Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
        let age = |text| parse_age(text, &TimeZone::UTC).unwrap();
        assert_eq!(age("off"), None);
        assert_eq!(age("1d").unwrap().instant(now).unwrap().to_string(), "2026-11-19T00:00:00Z");
        assert_eq!(age("-1h").unwrap().instant(now).unwrap().to_string(), "2026-11-20T01:00:00Z");
    }
}
