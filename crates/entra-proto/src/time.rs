//! Moments in time, as plain data.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment: the time since 1970-01-01 00:00:00 UTC, with a resolution of one nanosecond.
///
/// This crate reads no clock: its driver passes the time. Sums and differences saturate, so that no
/// lifetime in a response can overflow.
///
/// ```
/// use std::time::SystemTime;
/// use entra_proto::Timestamp;
///
/// let now = Timestamp::from(SystemTime::now());
/// assert!(now > Timestamp::from_secs(1_700_000_000));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(Duration);

impl Timestamp {
    /// Creates the moment this many seconds after the epoch.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// Creates the moment this long after the epoch.
    #[inline]
    #[must_use]
    pub const fn from_epoch(duration: Duration) -> Self {
        Self(duration)
    }

    /// Returns the whole seconds since the epoch, as in `exp` and `nbf`.
    #[inline]
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0.as_secs()
    }

    /// Returns the moment in whole seconds in the format of RFC 3339, in UTC:
    /// `2026-01-31T23:59:58Z`.
    ///
    /// The format ends with the year 9999: its last second stands for all later moments.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        let seconds = self.as_secs().min(LAST);
        let time = seconds % 86_400;
        // Years are counted from March, so that the leap day is the last day.
        let days = seconds / 86_400 + DAYS_TO_1970;
        let era = days / DAYS_IN_400_YEARS;
        let day_of_era = days % DAYS_IN_400_YEARS;
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = (month_from_march + 2) % 12 + 1;
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    /// Creates the moment of a date and a time of day, which are ahead of UTC by `offset` seconds.
    /// `None` if there is no such date or time. A moment before 1970 counts as the epoch, and the
    /// leap second as the next second.
    pub(crate) fn from_civil(
        [year, month, day]: [u32; 3],
        [hour, minute, second]: [u32; 3],
        offset: i64,
    ) -> Option<Self> {
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let last = match month {
            2 => 28 + u32::from(is_leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        let is_valid = (1..=last).contains(&day) && hour < 24 && minute < 60 && second <= 60;
        if !is_valid || year > 9999 {
            return None;
        }
        // Years are counted from March, so that the leap day is the last day. The year 0 is moved
        // by 400 years, so that no number is negative.
        let (year, month, day) = (u64::from(year) + 400, u64::from(month), u64::from(day));
        let (year, month_from_march) = if month > 2 {
            (year, month - 3)
        } else {
            (year - 1, month + 9)
        };
        let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month_from_march + 2) / 5 + day - 1;
        let time = u64::from(hour * 3600 + minute * 60 + second);
        let since_start = i64::try_from(days * 86_400 + time).ok()? - offset;
        let start = i64::try_from((DAYS_IN_400_YEARS + DAYS_TO_1970) * 86_400).ok()?;
        Some(Self::from_secs(u64::try_from(since_start - start).unwrap_or(0)))
    }

    /// Returns the time from `earlier` to this moment, or zero if `earlier` is later.
    #[inline]
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns this moment plus `duration`.
    #[inline]
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    /// Returns this moment minus `duration`, at the earliest the epoch.
    #[inline]
    #[must_use]
    pub const fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration))
    }
}

impl From<SystemTime> for Timestamp {
    /// Converts the time. A clock before 1970 counts as the epoch.
    fn from(time: SystemTime) -> Self {
        Self(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0.as_secs(), self.0.subsec_millis())
    }
}

/// The number of days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: u64 = 719_468;
const DAYS_IN_400_YEARS: u64 = 146_097;
/// The last second of the year 9999.
const LAST: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_formatted_as_rfc_3339() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Timestamp::from_secs(seconds).to_rfc3339(), text);
        }
    }
}
