use std::time::{Duration, SystemTime, UNIX_EPOCH};

use entra_proto::Timestamp;
use serde_json::{Map, Value};

/// A moment as people read it, in UTC.
pub(crate) fn utc(moment: Timestamp) -> String {
    // Years beyond 9999 have no such form.
    let last = Duration::from_secs(253_402_300_799);
    let time = UNIX_EPOCH + Duration::from_secs(moment.as_secs()).min(last);
    httpdate::fmt_http_date(time).replace("GMT", "UTC")
}

/// Adds a moment to a JSON object: as `NAME_on` in seconds since 1970, and as `NAME_at` in RFC 3339.
pub(crate) fn put_moment(object: &mut Map<String, Value>, name: &str, moment: Timestamp) {
    object.insert(format!("{name}_on"), moment.as_secs().into());
    object.insert(format!("{name}_at"), moment.to_rfc3339().into());
}

/// How far a moment is away: `in 59 min`, `2 h ago`.
pub(crate) fn from_now(moment: Timestamp) -> String {
    let now = Timestamp::from(SystemTime::now());
    let (ahead, behind) = (moment.since(now), now.since(moment));
    if behind.is_zero() {
        format!("in {}", length(ahead))
    } else {
        format!("{} ago", length(behind))
    }
}

/// A length of time in its largest sensible unit.
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
    fn lengths_are_rounded_to_what_people_say() {
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
    fn json_has_a_moment_in_both_forms() {
        let mut object = Map::new();
        put_moment(&mut object, "expires", Timestamp::from_secs(951_868_799));
        assert_eq!(
            Value::from(object),
            serde_json::json!({"expires_on": 951_868_799, "expires_at": "2000-02-29T23:59:59Z"})
        );
    }

    #[test]
    fn no_moment_is_too_far_away() {
        assert_eq!(utc(Timestamp::from_secs(0)), "Thu, 01 Jan 1970 00:00:00 UTC");
        assert!(utc(Timestamp::from_secs(u64::MAX)).ends_with("9999 23:59:59 UTC"));
    }
}
