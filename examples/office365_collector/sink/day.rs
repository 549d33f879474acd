//! Days in UTC, which files are named after.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use entra_proto::Timestamp;

/// A day from 1970 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Day(u64);

impl Day {
    /// Returns the day of this moment.
    pub(crate) fn of(at: Timestamp) -> Self {
        Self((at.as_secs() / SECONDS).min(LAST))
    }

    /// Parses the day of a time as the API writes it, `2026-01-31T23:59:58`: without an offset it
    /// is UTC. The text is hostile.
    pub(crate) fn of_time(text: &[u8]) -> Option<Self> {
        let (day, time) = text.split_at_checked(10)?;
        let day = Self::read(day)?;
        let time = std::str::from_utf8(time).ok()?;
        if time.is_empty() {
            return Some(day);
        }
        let time = time.strip_prefix(['T', 't', ' '])?;
        let (hour, minute) = (two_digits(time.get(..2)?, 24)?, two_digits(time.get(3..5)?, 60)?);
        let rest = time.get(5..)?;
        let offset = match rest.find(['+', '-', 'Z', 'z']).map(|at| rest.split_at(at)) {
            None => 0,
            Some((_, "Z" | "z")) => 0,
            Some((_, offset)) => {
                let minutes = two_digits(offset.get(1..3)?, 24)? * 60
                    + two_digits(offset.get(offset.len().checked_sub(2)?..)?, 60)?;
                if offset.starts_with('-') { minutes } else { -minutes }
            }
        };
        let shift = (hour * 60 + minute + offset).div_euclid(MINUTES);
        Some(Self(day.0.checked_add_signed(shift)?.min(LAST)))
    }

    fn read(text: &[u8]) -> Option<Self> {
        let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else {
            return None;
        };
        let number = |digits: &[u8]| {
            let is_number = digits.iter().all(u8::is_ascii_digit);
            is_number.then(|| {
                digits
                    .iter()
                    .fold(0, |number, digit| 10 * number + u64::from(digit - b'0'))
            })
        };
        let (year, month, day) = (number(&[y1, y2, y3, y4])?, number(&[m1, m2])?, number(&[d1, d2])?);
        let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let length = match month {
            2 => 28 + u64::from(is_leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        if !(1..=length).contains(&day) {
            return None;
        }
        // Years start in March here, so that the leap day comes last.
        let (years, months) = if month > 2 {
            (year, month - 3)
        } else {
            (year.checked_sub(1)?, month + 9)
        };
        let days = years * 365 + years / 4 - years / 100 + years / 400 + (153 * months + 2) / 5 + day;
        Some(Self(days.checked_sub(DAYS_TO_1970)?))
    }

    /// Returns true if a content of the other day can hold a record of this day: it may be at most
    /// a year older and a day younger.
    ///
    /// So the number of files is bounded, whatever times the records claim.
    pub(crate) fn is_plausible_in(self, content: Self) -> bool {
        self.0 + 366 >= content.0 && self.0 <= content.0 + 1
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Timestamp::from_epoch(Duration::from_secs(self.0 * SECONDS)).to_rfc3339();
        f.write_str(text.get(..10).unwrap_or(&text))
    }
}

impl FromStr for Day {
    type Err = &'static str;

    /// Parses `2026-01-31`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::read(text.as_bytes()).ok_or("it is not a day such as 2026-01-31")
    }
}

fn two_digits(text: &str, end: i64) -> Option<i64> {
    let number = text
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())??;
    (number < end).then_some(number)
}

const SECONDS: u64 = 86_400;
const MINUTES: i64 = 1440;
/// 9999-12-31.
const LAST: u64 = 2_932_896;
/// The days since 0000-03-01, plus one because days of a month are counted from 1.
const DAYS_TO_1970: u64 = 719_469;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_round_trips() {
        for number in (0..200_000).chain([LAST - 1, LAST]) {
            let day = Day(number);
            assert_eq!(day.to_string().parse(), Ok(day));
        }
    }

    #[test]
    fn days_that_do_not_exist_are_rejected() {
        for text in [
            "",
            "2026",
            "2026-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-01-00",
            "2026-01-32",
            "2026-1-1",
            "1969-12-31",
            "0000-00-00",
            "2026/01/01",
            "+026-01-01",
            "2026-01-1 ",
            "../../etc/",
            "2026-01-011",
            "é026-01-01",
            "20260101",
        ] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_converted_to_days_in_utc() {
        for (time, day) in [
            ("2026-01-31", Some("2026-01-31")),
            ("2026-01-31T23:59:58", Some("2026-01-31")),
            ("2026-01-31 23:59", Some("2026-01-31")),
            ("2026-01-31T23:59:58.1234567Z", Some("2026-01-31")),
            ("2026-01-31T23:59:58-01:00", Some("2026-02-01")),
            ("2026-02-01T00:30:00+0100", Some("2026-01-31")),
            ("2026-02-01T00:30:00.5+00:30", Some("2026-02-01")),
            ("2026-01-31T24:00:00", None),
            ("2026-01-31T", None),
            ("2026-01-31x", None),
            ("2026-01-31T23:59:58+", None),
            ("2026-01-31T23:59:58+1", None),
            ("/Date(1234567890)/", None),
            ("../2026-01-31", None),
            ("2026-01-31/../x", None),
            ("2026-01-3\u{e9}", None),
            ("1970-01-01T00:00:00+23:00", None),
        ] {
            assert_eq!(
                Day::of_time(time.as_bytes()),
                day.map(|day| day.parse().unwrap()),
                "{time}"
            );
        }
        assert_eq!(Day::of_time(b"2026-01-31\xff"), None);
    }

    #[test]
    fn claimed_days_are_bounded_by_the_content() {
        let day = |text: &str| text.parse::<Day>().unwrap();
        let content = day("2026-06-15");
        for (claimed, is_plausible) in [
            ("2026-06-16", true),
            ("2026-06-17", false),
            ("2025-06-15", true),
            ("2025-06-13", false),
            ("1970-01-01", false),
            ("9999-12-31", false),
        ] {
            assert_eq!(day(claimed).is_plausible_in(content), is_plausible, "{claimed}");
        }
    }
}
