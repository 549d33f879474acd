//! The emulator's own clock.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The time as the emulator sees it: it follows the machine until a test takes hold of it.
///
/// Token lifetimes, secret validity, `Date` headers and recorded timings all read this clock, so a test that wants an
/// expired token moves the clock instead of sleeping.
///
/// ```
/// use std::time::Duration;
///
/// let emulator = entra_emulator::Emulator::builder().build();
/// emulator.clock().freeze();
/// let before = emulator.clock().now();
/// emulator.clock().advance(Duration::from_secs(3600));
/// assert_eq!(emulator.clock().now(), before + Duration::from_secs(3600));
/// ```
#[derive(Debug)]
pub struct Clock {
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// The time shown at `since`, or all the time while frozen.
    shown: SystemTime,
    /// `None` while frozen.
    since: Option<Instant>,
}

impl Clock {
    pub(crate) fn running() -> Self {
        Self {
            state: Mutex::new(State {
                shown: SystemTime::now(),
                since: Some(Instant::now()),
            }),
        }
    }

    pub(crate) fn frozen_at(time: SystemTime) -> Self {
        Self {
            state: Mutex::new(State {
                shown: time,
                since: None,
            }),
        }
    }

    /// Stops the clock where it stands.
    pub fn freeze(&self) {
        self.change(|state, now| {
            *state = State {
                shown: now,
                since: None,
            }
        });
    }

    /// Lets the clock run on from the time it shows.
    pub fn unfreeze(&self) {
        self.change(|state, now| {
            *state = State {
                shown: now,
                since: Some(Instant::now()),
            }
        });
    }

    /// Sets the time, forwards or backwards. A frozen clock stays frozen, a running one runs on from there.
    pub fn set(&self, time: SystemTime) {
        self.change(|state, _| {
            *state = State {
                shown: time,
                since: state.since.map(|_| Instant::now()),
            }
        });
    }

    /// Moves the clock forward, frozen or not. Stops at the end of representable time.
    pub fn advance(&self, by: Duration) {
        self.change(|state, now| {
            *state = State {
                shown: now.checked_add(by).unwrap_or(now),
                since: state.since.map(|_| Instant::now()),
            };
        });
    }

    /// The time the emulator believes it is.
    pub fn now(&self) -> SystemTime {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).now()
    }

    fn change(&self, change: impl FnOnce(&mut State, SystemTime)) {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let now = state.now();
        change(&mut state, now);
    }
}

impl State {
    fn now(&self) -> SystemTime {
        match self.since {
            Some(since) => self.shown.checked_add(since.elapsed()).unwrap_or(self.shown),
            None => self.shown,
        }
    }
}

/// Seconds since the epoch, zero before it.
pub(crate) fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// `2026-01-31 23:59:58Z`, the form of an error's `timestamp`.
pub(crate) fn error_timestamp(unix: u64) -> String {
    let (date, time) = civil(unix);
    format!("{date} {time}Z")
}

/// `2026-01-31T23:59:58`, the form of Graph's `innerError.date` (no zone letter).
pub(crate) fn graph_date(unix: u64) -> String {
    let (date, time) = civil(unix);
    format!("{date}T{time}")
}

/// Reads `2026-01-31T23:59:58Z`, the form configuration files use.
pub(crate) fn parse_rfc3339(text: &str) -> Option<SystemTime> {
    let bytes = text.as_bytes();
    let shape = bytes.len() == 20
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            10 => *byte == b'T',
            13 | 16 => *byte == b':',
            19 => *byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    if !shape {
        return None;
    }
    let number = |from: usize, to: usize| text[from..to].parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 59
    {
        return None;
    }
    // Days from 1970 to a civil date, months counted from March so that the leap day comes last.
    let (shifted_year, shifted_month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let (era, of_era) = (shifted_year / 400, shifted_year % 400);
    let of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(UNIX_EPOCH + Duration::from_secs(days * 86_400 + hour * 3_600 + minute * 60 + second))
}

fn civil(unix: u64) -> (String, String) {
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
    (
        format!("{year:04}-{month:02}-{day:02}"),
        format!("{:02}:{:02}:{:02}", rest / 3_600, rest / 60 % 60, rest % 60),
    )
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
        ] {
            assert_eq!(parse_rfc3339(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_frozen_clock_moves_only_when_told() {
        let clock = Clock::frozen_at(UNIX_EPOCH + Duration::from_secs(100));
        clock.advance(Duration::from_secs(5));
        assert_eq!(unix(clock.now()), 105);
        clock.set(UNIX_EPOCH + Duration::from_secs(50));
        assert_eq!(unix(clock.now()), 50);
        clock.advance(Duration::MAX);
        assert_eq!(unix(clock.now()), 50);
    }
}
