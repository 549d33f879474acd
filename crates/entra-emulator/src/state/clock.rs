//! The emulator's clock.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use crate::state::lock::lock;

/// The time of the emulator. It follows the machine's clock until a test changes it.
///
/// Token lifetimes, secret validity, `Date` headers and recorded times all use this clock, so a
/// test that needs an expired token advances the clock instead of sleeping.
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
    /// The time at which the clock was frozen when it was created; `None` if it followed the
    /// machine.
    start: Option<SystemTime>,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// The time at `since`, or the current time while frozen.
    shown: SystemTime,
    /// The start of the running period; `None` while frozen.
    since: Option<Instant>,
}

impl Clock {
    pub(crate) fn running() -> Self {
        Self {
            start: None,
            state: Mutex::new(State::start(None)),
        }
    }

    pub(crate) fn frozen_at(time: SystemTime) -> Self {
        Self {
            start: Some(time),
            state: Mutex::new(State::start(Some(time))),
        }
    }

    /// Restores the initial clock: following the machine, or frozen at the initial time.
    pub(crate) fn reset(&self) {
        self.change(|state, _| *state = State::start(self.start));
    }

    /// Returns whether the clock is frozen.
    pub fn is_frozen(&self) -> bool {
        let state = lock(&self.state);
        state.since.is_none()
    }

    /// Freezes the clock at its current time.
    pub fn freeze(&self) {
        self.change(|state, now| {
            *state = State {
                shown: now,
                since: None,
            }
        });
    }

    /// Lets the clock run from its current time.
    pub fn unfreeze(&self) {
        self.change(|state, now| {
            *state = State {
                shown: now,
                since: Some(Instant::now()),
            }
        });
    }

    /// Sets the time, forward or backward. A frozen clock stays frozen; a running one continues
    /// from there.
    pub fn set(&self, time: SystemTime) {
        self.change(|state, _| {
            *state = State {
                shown: time,
                since: state.since.map(|_| Instant::now()),
            }
        });
    }

    /// Advances the clock, frozen or not. The time is unchanged if the result cannot be
    /// represented.
    pub fn advance(&self, by: Duration) {
        self.change(|state, now| {
            *state = State {
                shown: now.checked_add(by).unwrap_or(now),
                since: state.since.map(|_| Instant::now()),
            };
        });
    }

    /// Returns the emulator's current time.
    pub fn now(&self) -> SystemTime {
        lock(&self.state).now()
    }

    fn change(&self, change: impl FnOnce(&mut State, SystemTime)) {
        let mut state = lock(&self.state);
        let now = state.now();
        change(&mut state, now);
    }
}

impl State {
    /// Returns a state frozen at this time, or one that follows the machine.
    fn start(frozen: Option<SystemTime>) -> Self {
        Self {
            shown: frozen.unwrap_or_else(SystemTime::now),
            since: frozen.is_none().then(Instant::now),
        }
    }

    fn now(&self) -> SystemTime {
        match self.since {
            Some(since) => self.shown.checked_add(since.elapsed()).unwrap_or(self.shown),
            None => self.shown,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::time::unix;

    #[test]
    fn reset_restores_the_initial_clock() {
        let start = UNIX_EPOCH + Duration::from_secs(100);
        let clock = Clock::frozen_at(start);
        clock.advance(Duration::from_secs(5));
        clock.unfreeze();
        clock.reset();
        assert_eq!((clock.now(), clock.is_frozen()), (start, true));
        let clock = Clock::running();
        clock.set(start);
        clock.freeze();
        clock.reset();
        assert!(!clock.is_frozen() && clock.now() > start + Duration::from_secs(1_000_000_000));
    }

    #[test]
    fn frozen_clock_moves_only_on_request() {
        let clock = Clock::frozen_at(UNIX_EPOCH + Duration::from_secs(100));
        clock.advance(Duration::from_secs(5));
        assert_eq!(unix(clock.now()), 105);
        clock.set(UNIX_EPOCH + Duration::from_secs(50));
        assert_eq!(unix(clock.now()), 50);
        clock.advance(Duration::MAX);
        assert_eq!(unix(clock.now()), 50);
    }
}
