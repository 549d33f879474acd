//! The current time, and times and durations as text and as JSON.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use entra_proto::Timestamp;
use serde_json::{Map, Value};

/// Returns the current time.
pub(crate) fn now() -> Timestamp {
    SystemTime::now().into()
}

/// Returns a time as text, in UTC.
pub(crate) fn utc(moment: Timestamp) -> String {
    // The format has no years after 9999.
    let last = Duration::from_secs(253_402_300_799);
    let time = UNIX_EPOCH + Duration::from_secs(moment.as_secs()).min(last);
    httpdate::fmt_http_date(time).replace("GMT", "UTC")
}

/// Adds a time to a JSON object: `NAME_on` in seconds since 1970, and `NAME_at` in RFC 3339 format.
pub(crate) fn put_time(object: &mut Map<String, Value>, name: &str, moment: Timestamp) {
    object.insert(format!("{name}_on"), moment.as_secs().into());
    object.insert(format!("{name}_at"), moment.to_rfc3339().into());
}

/// Returns the distance of a time from now, such as `in 59 min` or `2 h ago`.
pub(crate) fn from_now(moment: Timestamp) -> String {
    let now = now();
    let (ahead, behind) = (moment.since(now), now.since(moment));
    if behind.is_zero() {
        format!("in {}", length(ahead))
    } else {
        format!("{} ago", length(behind))
    }
}

/// Returns a duration in seconds, minutes, hours or days, whichever suits its length.
pub(crate) fn length(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", (seconds + 30) / 60),
        seconds @ 7200..172_800 => format!("{} h", (seconds + 1800) / 3600),
        seconds => format!("{} days", (seconds + 43_200) / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_unit_follows_its_length() {
        for (seconds, text) in [
            (0, "0 s"),
            (119, "119 s"),
            (3599, "60 min"),
            (7200, "2 h"),
            (172_800, "2 days"),
        ] {
            assert_eq!(length(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn json_has_a_time_in_both_formats() {
        let mut object = Map::new();
        put_time(&mut object, "expires", Timestamp::from_secs(951_868_799));
        assert_eq!(
            Value::from(object),
            serde_json::json!({"expires_on": 951_868_799, "expires_at": "2000-02-29T23:59:59Z"})
        );
    }

    #[test]
    fn latest_time_is_formatted() {
        assert_eq!(utc(Timestamp::from_secs(0)), "Thu, 01 Jan 1970 00:00:00 UTC");
        assert!(utc(Timestamp::from_secs(u64::MAX)).ends_with("9999 23:59:59 UTC"));
    }
}
