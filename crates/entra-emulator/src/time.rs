//! Times as text, and as seconds since the Unix epoch.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;

/// Returns the seconds since the Unix epoch, or 0 for earlier times.
pub(crate) fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Formats a time as `2026-01-31 23:59:58Z`, the format of `timestamp` in error responses.
pub(crate) fn error_timestamp(unix: u64) -> String {
    let (date, time) = civil(unix);
    format!("{date} {time}Z")
}

/// Formats a time as `2026-01-31T23:59:58Z`, at most the year 9999.
pub(crate) fn rfc3339(unix: u64) -> String {
    let (date, time) = civil(unix.min(LAST_SECOND));
    format!("{date}T{time}Z")
}

/// 9999-12-31T23:59:59Z, the last second that RFC 3339 and HTTP dates can express.
pub(crate) const LAST_SECOND: u64 = 253_402_300_799;

/// Formats a time as `2026-01-31T23:59:58`, the format of Graph's `innerError.date` (without a
/// zone).
pub(crate) fn graph_date(unix: u64) -> String {
    let (date, time) = civil(unix);
    format!("{date}T{time}")
}

/// Formats a time as `2026-01-31T23:59:58Z`, the format of Microsoft Graph in resources.
pub(crate) fn graph_time(unix: u64) -> String {
    graph_date(unix) + "Z"
}

/// Formats a time as `06/20/2019 02:57:58 +00:00`, month first: the format of App Service on Linux
/// in the version 2017-09-01 of its tokens.
pub(crate) fn us_date(unix: u64) -> String {
    let [year, month, day, hour, minute, second] = parts(unix.min(LAST_SECOND));
    format!("{month:02}/{day:02}/{year:04} {hour:02}:{minute:02}:{second:02} +00:00")
}

/// Formats a time as `1/16/2020 5:24:12 AM +00:00`, as [`us_date`] on Windows.
pub(crate) fn us_date_on_windows(unix: u64) -> String {
    let [year, month, day, hour, minute, second] = parts(unix.min(LAST_SECOND));
    let half = if hour < 12 { "AM" } else { "PM" };
    let hour = (hour + 11) % 12 + 1;
    format!("{month}/{day}/{year} {hour}:{minute:02}:{second:02} {half} +00:00")
}

/// Parses an RFC 3339 time from 1970 to 9999, such as `2026-01-31T23:59:58Z` or
/// `2026-01-31T23:59:58.5+01:00`. A fraction of a second is dropped.
pub(crate) fn parse_rfc3339(text: &str) -> Option<SystemTime> {
    // Only ASCII can be split at any byte.
    let (date_time, rest) = text.is_ascii().then(|| text.split_at_checked(19))??;
    let is_shaped = date_time.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        10 => matches!(byte, b'T' | b't' | b' '),
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    let number = |text: &str| text.parse::<u64>().ok();
    let field = |from: usize, to: usize| number(date_time.get(from..to)?);
    if !is_shaped {
        return None;
    }
    let (year, month, day) = (field(0, 4)?, field(5, 7)?, field(8, 10)?);
    let (hour, minute, second) = (field(11, 13)?, field(14, 16)?, field(17, 19)?);
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if year < 1970 || !(1..=days).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
            (zone.len() < fraction.len()).then_some(zone)?
        }
        None => rest,
    };
    // The offset in minutes.
    let (east, west) = match zone.as_bytes() {
        b"Z" | b"z" => (0, 0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] if [h1, h2, m1, m2].iter().all(|digit| digit.is_ascii_digit()) => {
            let (hours, minutes) = (number(zone.get(1..3)?)?, number(zone.get(4..6)?)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let offset = hours * 60 + minutes;
            if *sign == b'+' { (offset, 0) } else { (0, offset) }
        }
        _ => return None,
    };
    // Days from 1970 to a civil date, with months counted from March so that the leap day comes
    // last.
    let (shifted_year, shifted_month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let (era, of_era) = (shifted_year / 400, shifted_year % 400);
    let of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let local = days * 86_400 + hour * 3_600 + minute * 60 + second;
    let utc = (local + west * 60).checked_sub(east * 60)?;
    (utc <= LAST_SECOND).then(|| UNIX_EPOCH + Duration::from_secs(utc))
}

/// Appends a time such as `2026-01-31T23:59:58`.
pub(crate) fn push_date_time(out: &mut Vec<u8>, unix: u64) {
    let [year, month, day, hour, minute, second] = parts(unix.min(LAST_SECOND));
    let digits = |number: u64| [b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8];
    out.extend(digits(year / 100));
    out.extend(digits(year));
    for (mark, number) in [(b'-', month), (b'-', day), (b'T', hour), (b':', minute), (b':', second)] {
        out.push(mark);
        out.extend(digits(number));
    }
}

fn civil(unix: u64) -> (String, String) {
    let [year, month, day, hour, minute, second] = parts(unix);
    (
        format!("{year:04}-{month:02}-{day:02}"),
        format!("{hour:02}:{minute:02}:{second:02}"),
    )
}

/// Splits a time into year, month, day, hour, minute and second.
fn parts(unix: u64) -> [u64; 6] {
    let (days, rest) = (unix / 86_400 + 719_468, unix % 86_400);
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    [year, month, day, rest / 3_600, rest / 60 % 60, rest % 60]
}

/// Formats an HTTP date, at most the year 9999.
pub(crate) fn http_date(time: SystemTime) -> HeaderValue {
    let seconds = unix(time).min(LAST_SECOND);
    let text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_and_read_back() {
        for (unix, text) in [
            (0, "1970-01-01 00:00:00Z"),
            (951_782_399, "2000-02-28 23:59:59Z"),
            (951_782_400, "2000-02-29 00:00:00Z"),
            (1_431_655_194, "2015-05-15 01:59:54Z"),
            (4_107_542_400, "2100-03-01 00:00:00Z"),
        ] {
            assert_eq!(error_timestamp(unix), text);
            let mut pushed = Vec::new();
            push_date_time(&mut pushed, unix);
            assert_eq!(String::from_utf8(pushed).unwrap() + "Z", text.replace(' ', "T"));
            assert_eq!(
                parse_rfc3339(&text.replace(' ', "T")).map(super::unix),
                Some(unix),
                "{text}"
            );
        }
        for bad in [
            "",
            "2026-01-31",
            "2026-01-31T00:00:00",
            "2026-13-01T00:00:00Z",
            "2026-01-01T25:00:00Z",
            "2026-01-01T00:00:00é",
            "2026-02-29T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00+1:00",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00Z ",
            "1970-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
        ] {
            assert_eq!(parse_rfc3339(bad), None, "{bad}");
        }
    }

    #[test]
    fn times_with_offset_and_fraction_are_read() {
        for text in [
            "2000-02-29T00:00:00Z",
            "2000-02-29t00:00:00.123456789z",
            "2000-02-29 01:00:00+01:00",
            "2000-02-28T18:30:00.5-05:30",
        ] {
            assert_eq!(parse_rfc3339(text).map(unix), Some(951_782_400), "{text}");
        }
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(u64::MAX), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn us_dates_have_the_month_first() {
        assert_eq!(us_date(1_560_999_478), "06/20/2019 02:57:58 +00:00");
        for (unix, text) in [
            (1_579_152_252, "1/16/2020 5:24:12 AM +00:00"),
            (1_579_132_800, "1/16/2020 12:00:00 AM +00:00"),
            (1_579_176_000, "1/16/2020 12:00:00 PM +00:00"),
            (1_579_219_199, "1/16/2020 11:59:59 PM +00:00"),
        ] {
            assert_eq!(us_date_on_windows(unix), text);
        }
    }

    #[test]
    fn late_times_are_clamped_in_dates() {
        assert_eq!(
            http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 60)),
            "Fri, 31 Dec 9999 23:59:59 GMT"
        );
    }
}
