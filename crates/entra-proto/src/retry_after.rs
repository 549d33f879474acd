//! The times in response headers: `Retry-After` and `Date`.

use std::time::Duration;

use http::header::{DATE, HeaderMap, RETRY_AFTER};

use crate::time::Timestamp;

/// The longest pause that a response can request: one hour.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Returns the pause that `Retry-After` requests (RFC 9110, section 10.2.3), at most
/// [`MAX_RETRY_AFTER`].
///
/// Seconds may be fractional; negative seconds mean no wait. A date, in any of the three formats,
/// is relative to the response's own `Date`, or to `now` without one, so that a wrong local
/// clock makes no difference; a date in the past means no wait. Anything else counts as missing.
///
/// ```
/// use std::time::Duration;
/// use entra_proto::acquire::retry_after;
/// use entra_proto::Timestamp;
/// use http::{HeaderMap, HeaderValue};
///
/// let value = HeaderValue::from_static("120");
/// let headers = HeaderMap::from_iter([(http::header::RETRY_AFTER, value)]);
/// let wait = retry_after(&headers, Timestamp::from_secs(0));
/// assert_eq!(wait, Some(Duration::from_secs(120)));
/// ```
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        // The parser accepts "nan" and "inf", which are not durations.
        return seconds
            .is_finite()
            .then(|| Duration::from_secs_f64(seconds.clamp(0.0, MAX_RETRY_AFTER.as_secs_f64())));
    }
    let at = http_date(text)?;
    let from = server_time(headers).unwrap_or(now);
    Some(at.since(from).min(MAX_RETRY_AFTER))
}

/// Returns the time of the server's clock: the `Date` of its response (RFC 9110, section 6.6.1).
///
/// ```
/// use entra_proto::acquire::server_time;
/// use entra_proto::Timestamp;
/// use http::{HeaderMap, HeaderValue};
///
/// let date = HeaderValue::from_static("Thu, 01 Jan 2026 00:00:00 GMT");
/// let headers = HeaderMap::from_iter([(http::header::DATE, date)]);
/// assert_eq!(server_time(&headers), Some(Timestamp::from_secs(1_767_225_600)));
/// ```
#[must_use]
pub fn server_time(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers.get(DATE)?.to_str().ok()?.trim())
}

/// Returns whether a status means that the service is busy or fails temporarily.
pub(crate) fn is_transient_status(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

fn http_date(text: &str) -> Option<Timestamp> {
    httpdate::parse_http_date(text).ok().map(Timestamp::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01 00:00:00 UTC.
    const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);

    fn wait(value: &str, date: Option<&str>) -> Option<f64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().unwrap());
        if let Some(date) = date {
            headers.insert(DATE, date.parse().unwrap());
        }
        retry_after(&headers, NOW).map(|wait| wait.as_secs_f64())
    }

    #[test]
    fn every_form_is_parsed_and_bounded() {
        for (value, expected) in [
            ("0", Some(0.0)),
            ("2", Some(2.0)),
            (" 60 ", Some(60.0)),
            ("1.5", Some(1.5)),
            ("-5", Some(0.0)),
            ("3600", Some(3600.0)),
            ("3601", Some(3600.0)),
            ("99999999999999999999999", Some(3600.0)),
            ("1e30", Some(3600.0)),
            ("-1e30", Some(0.0)),
            ("1e999", None),
            ("nan", None),
            ("inf", None),
            ("", None),
            ("soon", None),
            ("2 seconds", None),
            ("Thu, 01 Jan 2026 00:00:30 GMT", Some(30.0)),
            ("Thursday, 01-Jan-26 00:00:30 GMT", Some(30.0)),
            ("Thu Jan  1 00:00:30 2026", Some(30.0)),
            ("Wed, 31 Dec 2025 23:59:00 GMT", Some(0.0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(3600.0)),
            ("Thu, 99 Jan 2026 00:00:30 GMT", None),
        ] {
            assert_eq!(wait(value, None), expected, "{value}");
        }
    }

    #[test]
    fn date_is_relative_to_the_clock_of_the_server() {
        let date = "Thu, 01 Jan 2026 00:00:30 GMT";
        assert_eq!(wait(date, Some("Thu, 01 Jan 2026 00:00:20 GMT")), Some(10.0));
        assert_eq!(wait(date, Some("garbage")), Some(30.0));
    }
}
