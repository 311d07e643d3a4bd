//! Dates as the protocols write them, from milliseconds since 1970. Hand-made: a page of a listing writes a thousand of them.

use std::time::{SystemTime, UNIX_EPOCH};

const DAY_SECONDS: u64 = 86_400;
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A moment taken apart, in UTC.
struct Civil {
    year: u64,
    month: u64,
    day: u64,
    weekday: u64,
    seconds: u64,
    millis: u64,
}

impl Civil {
    /// The algorithm is Howard Hinnant's "civil_from_days", for days after 1970 only.
    fn of(millis: u64) -> Self {
        let days = millis / 1_000 / DAY_SECONDS;
        let shifted = days + 719_468;
        let era = shifted / 146_097;
        let day_of_era = shifted % 146_097;
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        Self { year, month, day, weekday: days % 7, seconds: millis / 1_000 % DAY_SECONDS, millis: millis % 1_000 }
    }

    fn clock(&self) -> (u64, u64, u64) {
        (self.seconds / 3_600, self.seconds / 60 % 60, self.seconds % 60)
    }
}

/// `2026-11-20T03:00:00.000Z` (RFC 3339).
pub(crate) fn rfc3339(millis: u64) -> String {
    let civil = Civil::of(millis);
    let (hour, minute, second) = civil.clock();
    format!("{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", civil.year, civil.month, civil.day, civil.millis)
}

/// `Fri, 20 Nov 2026 03:00:00 GMT` (RFC 9110).
pub(crate) fn http_date(millis: u64) -> String {
    let civil = Civil::of(millis);
    let (hour, minute, second) = civil.clock();
    let name = |names: &[&'static str], index: u64| names[usize::try_from(index).expect("a weekday or a month is small")];
    let (weekday, month) = (name(&WEEKDAYS, civil.weekday), name(&MONTHS, civil.month - 1));
    format!("{weekday}, {:02} {month} {:04} {hour:02}:{minute:02}:{second:02} GMT", civil.day, civil.year)
}

/// Milliseconds since 1970.
pub(crate) fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock stands after 1970");
    u64::try_from(since.as_millis()).expect("64 bits hold milliseconds for ages")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (millis, rfc, http) in [
            (0, "1970-01-01T00:00:00.000Z", "Thu, 01 Jan 1970 00:00:00 GMT"),
            (951_782_400_123, "2000-02-29T00:00:00.123Z", "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_795_143_600_000, "2026-11-20T03:00:00.000Z", "Fri, 20 Nov 2026 03:00:00 GMT"),
        ] {
            assert_eq!((rfc3339(millis).as_str(), http_date(millis).as_str()), (rfc, http));
        }
    }
}
