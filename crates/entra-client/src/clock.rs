//! The clocks that measure the age of a token.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use entra_proto::Timestamp;

/// A moment, as a reading of both clocks of a machine.
///
/// The age of a token is the greater of the two clocks' differences: the time of day goes on while
/// a machine sleeps, and the monotonic clock ignores changes of the time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The time of day.
    pub wall: Timestamp,
    /// The time since a fixed moment. It never goes back.
    pub monotonic: Duration,
}

/// Returns a duration in whole nanoseconds, saturating at about 584 years.
#[inline]
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::from(duration.subsec_nanos()))
}

/// The source of a client's time.
pub trait Clock: Send + Sync {
    /// Returns the current moment. A client calls this for every token that is read, so it must be
    /// fast.
    fn now(&self) -> Moment;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Moment {
        (**self).now()
    }
}

/// The clocks of the system, with a resolution of a few milliseconds on Linux (feature
/// `coarse-clock`).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[cfg(all(target_os = "linux", feature = "coarse-clock"))]
impl Clock for SystemClock {
    fn now(&self) -> Moment {
        use rustix::time::{ClockId, clock_gettime};
        let read = |clock| {
            let time = clock_gettime(clock);
            // Times before 1970 count as 1970. The nanoseconds are always below 1,000,000,000.
            let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
            Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), nanoseconds)
        };
        // The monotonic clock is read first: a moment that precedes the first read precedes the
        // result by both clocks.
        let monotonic = read(ClockId::MonotonicCoarse);
        Moment {
            wall: Timestamp::from_epoch(read(ClockId::RealtimeCoarse)),
            monotonic,
        }
    }
}

#[cfg(not(all(target_os = "linux", feature = "coarse-clock")))]
impl Clock for SystemClock {
    fn now(&self) -> Moment {
        use std::sync::LazyLock;
        use std::time::{Instant, SystemTime};
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        // The monotonic clock is read first: a moment that precedes the first read precedes the
        // result by both clocks.
        let monotonic = START.elapsed();
        Moment {
            wall: SystemTime::now().into(),
            monotonic,
        }
    }
}

/// A clock for tests, which stands still until it is moved. Clones show the same time.
///
/// ```
/// use std::time::Duration;
/// use entra_client::clock::{Clock, ManualClock};
/// use entra_proto::Timestamp;
///
/// let clock = ManualClock::at(Timestamp::from_secs(1_767_225_600));
/// clock.advance(Duration::from_secs(3600));
/// assert_eq!(clock.now().wall, Timestamp::from_secs(1_767_229_200));
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<Moment>>);

impl ManualClock {
    /// Creates a clock that shows this time of day.
    #[must_use]
    pub fn at(wall: Timestamp) -> Self {
        // Not zero, so that earlier moments can be represented.
        let monotonic = Duration::from_secs(1_000_000);
        Self(Arc::new(Mutex::new(Moment { wall, monotonic })))
    }

    /// Moves both clocks forwards.
    pub fn advance(&self, by: Duration) {
        self.change(|now| {
            now.wall = now.wall.plus(by);
            now.monotonic = now.monotonic.saturating_add(by);
        });
    }

    /// Sets the time of day, forwards or back, without moving the monotonic clock.
    pub fn set_wall(&self, wall: Timestamp) {
        self.change(|now| now.wall = wall);
    }

    /// Simulates a machine that sleeps: moves the time of day forwards, but not the monotonic
    /// clock.
    pub fn suspend(&self, by: Duration) {
        self.change(|now| now.wall = now.wall.plus(by));
    }

    fn change(&self, change: impl FnOnce(&mut Moment)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_clock_agrees_with_the_standard_library() {
        let before = SystemClock.now();
        let exact = Timestamp::from(std::time::SystemTime::now());
        let after = SystemClock.now();
        // A coarse clock is at most one tick behind.
        let tick = Duration::from_millis(20);
        assert!(
            before.wall <= exact && exact <= after.wall.plus(tick),
            "{before:?} {exact:?} {after:?}"
        );
        assert!(before.monotonic <= after.monotonic);
    }

    #[test]
    fn manual_clock_separates_setting_from_passing() {
        let clock = ManualClock::at(Timestamp::from_secs(1000));
        let start = clock.now();
        clock.set_wall(Timestamp::from_secs(10));
        clock.suspend(Duration::from_secs(5));
        assert_eq!(clock.now().monotonic, start.monotonic);
        clock.advance(Duration::from_secs(1));
        assert_eq!(clock.now().wall, Timestamp::from_secs(16));
        assert_eq!(clock.now().monotonic, start.monotonic + Duration::from_secs(1));
    }
}
