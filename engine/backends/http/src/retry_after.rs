//! `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

/// How long the server asks us to wait from `now`. A date in the past means not at all; anything else is ignored.
pub fn parse(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit mean longer than anybody waits.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::from(u32::MAX))));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn asked(value: &'static str) -> Option<Duration> {
        let headers = HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static(value))]);
        // 1994-11-15 08:12:31 UTC
        parse(&headers, SystemTime::UNIX_EPOCH + Duration::from_secs(784_887_151))
    }

    #[test]
    fn seconds_and_every_http_date_form_are_understood() {
        assert_eq!(asked("120"), Some(Duration::from_secs(120)));
        assert_eq!(asked(" 0 "), Some(Duration::ZERO));
        assert_eq!(asked("Tue, 15 Nov 1994 08:12:41 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(asked("Tuesday, 15-Nov-94 08:12:41 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(asked("Tue Nov 15 08:12:41 1994"), Some(Duration::from_secs(10)));
    }

    #[test]
    fn a_past_date_means_now_and_nonsense_means_nothing() {
        assert_eq!(asked("Tue, 15 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(asked("99999999999999999999999"), Some(Duration::from_secs(u64::from(u32::MAX))));
        for nonsense in ["", "-1", "1.5", "soon", "+3"] {
            assert_eq!(asked(nonsense), None, "{nonsense:?}");
        }
        assert_eq!(parse(&HeaderMap::new(), SystemTime::UNIX_EPOCH), None);
    }
}
