//! The times in the responses of platforms: numbers, texts of digits, and dates in two formats.

use std::time::Duration;

use serde::de::{Deserialize, Deserializer};
use serde_json::Value;

use crate::error::ResponseProblem;
use crate::response::body::natural;
use crate::time::Timestamp;
use crate::token_response::MAX_LIFETIME;

/// A time as a member of a response states it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Moment {
    /// The member is absent or null.
    #[default]
    Missing,
    /// The member is something else.
    Odd,
    /// A number of seconds.
    Number(u64),
    /// A date.
    At(Timestamp),
}

/// Deserializes a time. It is never an error, so that one odd member does not hide the others.
pub(super) fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Moment, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => Moment::Missing,
        Value::String(text) => of_text(text.trim()),
        value => natural(&value).map_or(Moment::Odd, Moment::Number),
    })
}

/// Returns the lifetime that two members state: the shorter one if they differ.
///
/// `expires_in` counts from now. `expires_on` is a date or a number: seconds since 1970, or, if it
/// is too small for that, seconds from now.
pub(super) fn lifetime(expires_in: Moment, expires_on: Moment, now: Timestamp) -> Result<Duration, ResponseProblem> {
    let relative = match expires_in {
        Moment::Number(seconds) if seconds > 0 => Some(Duration::from_secs(seconds)),
        _ => None,
    };
    let absolute = match expires_on {
        Moment::Number(seconds) if seconds < FIRST_EPOCH => Some(Duration::from_secs(seconds)),
        Moment::Number(seconds) => Some(Timestamp::from_secs(seconds).since(now)),
        Moment::At(moment) => Some(moment.since(now)),
        Moment::Missing | Moment::Odd => None,
    };
    let life = match (relative, absolute) {
        (Some(relative), Some(absolute)) => relative.min(absolute),
        (Some(life), None) | (None, Some(life)) => life,
        (None, None) if expires_in == Moment::Number(0) => Duration::ZERO,
        (None, None) if expires_in == Moment::Missing && expires_on == Moment::Missing => {
            return Err(ResponseProblem::NoLifetime);
        }
        (None, None) => return Err(ResponseProblem::InvalidLifetime),
    };
    if life.is_zero() {
        return Err(ResponseProblem::Expired);
    }
    Ok(life.min(MAX_LIFETIME))
}

/// Parses a text: digits, perhaps with a fraction, or a date.
fn of_text(text: &str) -> Moment {
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if is_digits(whole) && is_digits(fraction) {
        return Moment::Number(whole.parse().unwrap_or(u64::MAX));
    }
    let date = iso_8601(text).or_else(|| month_first(text));
    date.map_or(Moment::Odd, Moment::At)
}

/// Parses a date such as `2026-10-18T19:51:37.0000000+10:00`. Without an offset, it is in UTC.
fn iso_8601(text: &str) -> Option<Timestamp> {
    let mut rest = Reader(text);
    let year = rest.number(4, 4)?;
    rest.sign("-")?;
    let month = rest.number(2, 2)?;
    rest.sign("-")?;
    let day = rest.number(2, 2)?;
    rest.sign("T").or_else(|| rest.sign("t")).or_else(|| rest.sign(" "))?;
    let hour = rest.number(2, 2)?;
    rest.sign(":")?;
    let minute = rest.number(2, 2)?;
    let second = match rest.sign(":") {
        Some(()) => rest.number(2, 2)?,
        None => 0,
    };
    if rest.sign(".").is_some() {
        rest.number(1, 9)?;
    }
    let offset = rest.offset()?;
    rest.end()?;
    Timestamp::from_civil([year, month, day], [hour, minute, second], offset)
}

/// Parses a date of the older App Service: `06/20/2019 02:57:58 +00:00` on Linux, `1/16/2020
/// 5:24:12 AM +00:00` on Windows. The month is first.
fn month_first(text: &str) -> Option<Timestamp> {
    let mut rest = Reader(text);
    let month = rest.number(1, 2)?;
    rest.sign("/")?;
    let day = rest.number(1, 2)?;
    rest.sign("/")?;
    let year = rest.number(4, 4)?;
    rest.sign(" ")?;
    let hour = rest.number(1, 2)?;
    rest.sign(":")?;
    let minute = rest.number(2, 2)?;
    rest.sign(":")?;
    let second = rest.number(2, 2)?;
    let is_morning = rest.sign(" AM").is_some();
    let hour = match is_morning || rest.sign(" PM").is_some() {
        false => hour,
        true if !(1..=12).contains(&hour) => return None,
        true => hour % 12 + if is_morning { 0 } else { 12 },
    };
    let _ = rest.sign(" ");
    let offset = rest.offset()?;
    rest.end()?;
    Timestamp::from_civil([year, month, day], [hour, minute, second], offset)
}

/// The unread rest of a date.
struct Reader<'a>(&'a str);

impl Reader<'_> {
    /// Reads a number of `least` to `most` digits.
    fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let length = self.0.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        (length >= least).then(|| digits.parse().ok())?
    }

    /// Reads this text.
    fn sign(&mut self, sign: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(sign)?;
        Some(())
    }

    /// Reads the difference to UTC in seconds: `Z`, `+hh:mm`, `-hhmm`, or nothing.
    fn offset(&mut self) -> Option<i64> {
        if self.0.is_empty() || self.sign("Z").or_else(|| self.sign("z")).is_some() {
            return Some(0);
        }
        let direction = match self.sign("+") {
            Some(()) => 1,
            None => {
                self.sign("-")?;
                -1
            }
        };
        let hours = self.number(2, 2)?;
        let _ = self.sign(":");
        let minutes = self.number(2, 2)?;
        (hours < 24 && minutes < 60).then(|| direction * i64::from(hours * 3600 + minutes * 60))
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// The first number of `expires_on` that counts as seconds since 1970: 2001-01-01.
const FIRST_EPOCH: u64 = 978_307_200;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);

    #[test]
    fn dates_of_both_formats_are_parsed() {
        for (text, expected) in [
            ("2026-10-18T19:51:37.0000000+10:00", "2026-10-18T09:51:37Z"),
            ("2026-10-18T19:51:37Z", "2026-10-18T19:51:37Z"),
            ("2026-10-18t19:51:37z", "2026-10-18T19:51:37Z"),
            ("2026-10-18 19:51:37-0130", "2026-10-18T21:21:37Z"),
            ("2026-10-18T19:51", "2026-10-18T19:51:00Z"),
            ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
            ("06/20/2019 02:57:58 +00:00", "2019-06-20T02:57:58Z"),
            ("1/16/2020 5:24:12 AM +00:00", "2020-01-16T05:24:12Z"),
            ("1/16/2020 12:24:12 AM +00:00", "2020-01-16T00:24:12Z"),
            ("1/16/2020 12:24:12 PM +00:00", "2020-01-16T12:24:12Z"),
            ("1/16/2020 11:24:12 PM -08:00", "2020-01-17T07:24:12Z"),
            ("12/31/2020 23:59:60", "2021-01-01T00:00:00Z"),
            ("1960-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        ] {
            let Moment::At(moment) = of_text(text) else {
                panic!("{text}")
            };
            assert_eq!(moment.to_rfc3339(), expected, "{text}");
        }
        for text in [
            "",
            "13/01/2020 02:57:58 +00:00",
            "00/01/2020 02:57:58 +00:00",
            "02/30/2020 02:57:58 +00:00",
            "02/29/2019 02:57:58 +00:00",
            "1/16/2020 13:24:12 PM +00:00",
            "1/16/2020 0:24:12 AM +00:00",
            "1/16/2020 5:24:12 AM PM",
            "1/16/20 5:24:12",
            "2026-10-18",
            "2026-13-18T19:51:37Z",
            "2026-10-32T19:51:37Z",
            "2026-10-18T24:51:37Z",
            "2026-10-18T19:60:37Z",
            "2026-10-18T19:51:37+24:00",
            "2026-10-18T19:51:37Z!",
            "tomorrow",
            "-5",
            "1e9",
            "\u{661}\u{662}",
        ] {
            assert_eq!(of_text(text), Moment::Odd, "{text}");
        }
    }

    #[test]
    fn small_expires_on_counts_from_now() {
        let on = |seconds| lifetime(Moment::Missing, Moment::Number(seconds), NOW).map(|life| life.as_secs());
        assert_eq!(on(3600), Ok(3600));
        assert_eq!(on(978_307_199), Ok(MAX_LIFETIME.as_secs()));
        assert_eq!(on(978_307_200), Err(ResponseProblem::Expired));
        assert_eq!(on(NOW.as_secs() + 50), Ok(50));
        assert_eq!(on(NOW.as_secs()), Err(ResponseProblem::Expired));
        assert_eq!(on(0), Err(ResponseProblem::Expired));
    }

    #[test]
    fn shorter_of_two_lifetimes_decides() {
        use Moment::{At, Missing, Number, Odd};
        let in_an_hour = NOW.plus(Duration::from_secs(3600));
        for (within, on, expected) in [
            (Number(7200), At(in_an_hour), Ok(3600)),
            (Number(60), Number(in_an_hour.as_secs()), Ok(60)),
            (Number(0), At(in_an_hour), Ok(3600)),
            (Odd, At(in_an_hour), Ok(3600)),
            (Number(60), Odd, Ok(60)),
            (Number(60), Missing, Ok(60)),
            (Number(0), Missing, Err(ResponseProblem::Expired)),
            (Number(60), At(NOW), Err(ResponseProblem::Expired)),
            (Missing, Missing, Err(ResponseProblem::NoLifetime)),
            (Odd, Missing, Err(ResponseProblem::InvalidLifetime)),
            (Missing, Odd, Err(ResponseProblem::InvalidLifetime)),
            (At(in_an_hour), Missing, Err(ResponseProblem::InvalidLifetime)),
            (Number(u64::MAX), Number(u64::MAX), Ok(86_400)),
        ] {
            let life = lifetime(within, on, NOW).map(|life| life.as_secs());
            assert_eq!(life, expected, "{within:?} {on:?}");
        }
    }

    proptest! {
        #[test]
        fn every_moment_survives_its_text(seconds in 0_u64..253_402_300_800) {
            let moment = Timestamp::from_secs(seconds);
            prop_assert_eq!(of_text(&moment.to_rfc3339()), Moment::At(moment));
        }

        #[test]
        fn no_text_panics(text in "([0-9]{1,5}|[-/:. TZ+]|AM|PM|\\PC){0,16}") {
            let _ = of_text(&text);
        }

        #[test]
        fn lifetime_is_never_longer_than_either(within in 0_u64..200_000, on in 0_u64..4_000_000_000) {
            let Ok(life) = lifetime(Moment::Number(within), Moment::Number(on), NOW) else { return Ok(()) };
            let until = if on < FIRST_EPOCH { on } else { on.saturating_sub(NOW.as_secs()) };
            prop_assert!(life.as_secs() <= until && (within == 0 || life.as_secs() <= within));
            prop_assert!(life <= MAX_LIFETIME && !life.is_zero());
        }
    }
}
