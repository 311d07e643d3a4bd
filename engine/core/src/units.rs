//! Sizes, rates, durations and ages as people type them, by rclone's rules.
//!
//! The same suffixes as in rclone, so that nobody learns a second set: a size without a suffix is in KiB, `M` is 2^20, a duration without
//! a unit is in seconds, and `M` after a number of an age is a month of 30 days. What does not fit is refused, never cut or wrapped.

mod duration;
mod timetable;

pub use duration::{Age, parse_age, parse_duration};
pub use timetable::Timetable;

/// A text that is no size, rate, duration or age.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}: {problem}")]
pub struct UnitError {
    what: &'static str,
    text: String,
    problem: &'static str,
}

const SIZE: &str = "a size";
const RATE: &str = "a rate";
const SIZE_FORM: &str = "write a number and B, K, M, G, T, P or E, such as 64M or 1.5GiB (KiB where no suffix is given)";

/// Bytes of a KiB, the unit of a size without a suffix.
const KIBIBYTE: u64 = 1 << 10;

/// A size in bytes: `10` and `10K` are 10 KiB, `1.5G`, `64MiB`, `100B`.
///
/// # Errors
/// When the text is no size, is negative, or does not fit 63 bits.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let error = |problem| UnitError { what: SIZE, text: text.to_owned(), problem };
    size(text).map_err(error)
}

/// A size that can be switched off: `off` is `None`.
///
/// # Errors
/// As [`parse_size`].
pub fn parse_size_limit(text: &str) -> Result<Option<u64>, UnitError> {
    if text.eq_ignore_ascii_case("off") { Ok(None) } else { parse_size(text).map(Some) }
}

/// A rate in bytes a second: a size, with or without `/s`. `off` and zero are `None`: no limit.
///
/// # Errors
/// When the text is no rate.
pub fn parse_rate(text: &str) -> Result<Option<u64>, UnitError> {
    if text.eq_ignore_ascii_case("off") {
        return Ok(None);
    }
    let error = |problem| UnitError { what: RATE, text: text.to_owned(), problem };
    let bytes = size(text.strip_suffix("/s").unwrap_or(text)).map_err(error)?;
    Ok((bytes > 0).then_some(bytes))
}

fn size(text: &str) -> Result<u64, &'static str> {
    let (number, unit_bytes) = split_size(text).ok_or(SIZE_FORM)?;
    let value: f64 = number.parse().map_err(|_| SIZE_FORM)?;
    if value < 0.0 {
        return Err("a size cannot be negative");
    }
    // The units are powers of two: scaling them is exact.
    let scale: f64 = unit_bytes.to_string().parse().map_err(|_| SIZE_FORM)?;
    let bytes = whole(value * scale).ok_or("it is too large")?;
    u64::try_from(bytes).map_err(|_| SIZE_FORM)
}

/// The number and the bytes of its unit. A suffix is `B`, a letter, a letter with `i`, or a letter with `iB`.
fn split_size(text: &str) -> Option<(&str, u64)> {
    let last = text.chars().last()?;
    if last.is_ascii_digit() || last == '.' {
        return Some((text, KIBIBYTE));
    }
    if let Some(rest) = text.strip_suffix(['b', 'B']) {
        // `10iB` has no letter, and `iB` no number: the letter before the `i` decides.
        return match rest.strip_suffix('i') {
            Some(letter) if !letter.is_empty() => split_letter(letter),
            _ => Some((rest, 1)),
        };
    }
    split_letter(text.strip_suffix(['i', 'I']).unwrap_or(text))
}

fn split_letter(text: &str) -> Option<(&str, u64)> {
    let letter = text.chars().last()?;
    let power = match letter.to_ascii_uppercase() {
        'K' => 10,
        'M' => 20,
        'G' => 30,
        'T' => 40,
        'P' => 50,
        'E' => 60,
        _ => return None,
    };
    Some((text.strip_suffix(letter)?, 1 << power))
}

/// The whole part of a number, if it fits 63 bits and a sign.
fn whole(value: f64) -> Option<i64> {
    // A float prints all of its digits, so the text is exact.
    if value.is_finite() { format!("{:.0}", value.trunc()).parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_read_as_rclone_reads_them() {
        for (text, bytes) in [
            ("0", 0),
            ("10", 10 << 10),
            ("10.", 10 << 10),
            (".5", 512),
            ("10b", 10),
            ("10B", 10),
            ("1k", 1 << 10),
            ("1K", 1 << 10),
            ("1Ki", 1 << 10),
            ("1KI", 1 << 10),
            ("1KiB", 1 << 10),
            ("1kib", 1 << 10),
            ("64MiB", 64 << 20),
            ("1.5G", 3 << 29),
            ("2T", 2 << 40),
            ("1p", 1 << 50),
            ("1E", 1 << 60),
            ("1e3", 1000 << 10),
            ("1e3B", 1000),
            ("0.1K", 102),
            ("+1K", 1 << 10),
            ("-0", 0),
        ] {
            assert_eq!(parse_size(text).unwrap(), bytes, "{text}");
        }
        for text in [
            "", " ", "K", "B", "i", "iB", "1iB", "1i", "1KB", "1KIB", "10 M", "1x", "-1", "-1B", "8E", "1e40", "inf", "nan", "infB", "1_0",
            "0x10", "off", "1é", "é", "KK",
        ] {
            assert!(parse_size(text).is_err(), "{text}: {:?}", parse_size(text));
        }
    }

    #[test]
    fn limits_and_rates_can_be_off() {
        assert_eq!(parse_size_limit("Off").unwrap(), None);
        assert_eq!(parse_size_limit("0").unwrap(), Some(0));
        assert_eq!(parse_rate("10M").unwrap(), Some(10 << 20));
        assert_eq!(parse_rate("10MiB/s").unwrap(), Some(10 << 20));
        assert_eq!(parse_rate("off").unwrap(), None);
        assert_eq!(parse_rate("0").unwrap(), None);
        assert!(parse_rate("/s").is_err());
        let error = parse_rate("fast").unwrap_err().to_string();
        assert!(error.starts_with("\"fast\" is not a rate: write a number"), "{error}");
    }

    proptest! {
        #[test]
        fn every_whole_size_up_to_53_bits_is_exact(bytes in 0u64..1 << 53) {
            prop_assert_eq!(parse_size(&format!("{bytes}B")).unwrap(), bytes);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,12}|[-+.0-9eEkKmMiIbB/s]{0,12}") {
            let _ = (parse_size(&text), parse_rate(&text), parse_duration(&text), parse_age(&text, &jiff::tz::TimeZone::UTC));
        }
    }
}
