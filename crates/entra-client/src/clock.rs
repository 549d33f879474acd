//! The clocks that the age of a token is measured by.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use entra_proto::Timestamp;

/// One moment by both clocks of a machine.
///
/// A token's age is the greater of what the two say: the time of day goes on while a machine sleeps, and the monotonic clock does not
/// follow whoever sets the time of day back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The time of day.
    pub wall: Timestamp,
    /// The time since some moment that stays the same: it never goes back.
    pub monotonic: Duration,
}

/// Returns a duration in whole nanoseconds: at most some 584 years.
#[inline]
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::from(duration.subsec_nanos()))
}

/// Where a client's time comes from.
pub trait Clock: Send + Sync {
    /// What time it is. Called for every token that is read, so it should be quick.
    fn now(&self) -> Moment;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Moment {
        (**self).now()
    }
}

/// The clocks of the system, to a few milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[cfg(all(target_os = "linux", feature = "coarse-clock"))]
impl Clock for SystemClock {
    fn now(&self) -> Moment {
        use rustix::time::{ClockId, clock_gettime};
        let read = |clock| {
            let time = clock_gettime(clock);
            // Before 1970 counts as 1970; the nanoseconds are below a milliard by contract.
            let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
            Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), nanoseconds)
        };
        // In this order: by both of them, what came before the first was read came before now.
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
        // In this order: by both of them, what came before the first was read came before now.
        let monotonic = START.elapsed();
        Moment {
            wall: SystemTime::now().into(),
            monotonic,
        }
    }
}

/// A clock that stands still until a test moves it. Clones show the same time.
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
    /// A clock that shows this time of day.
    #[must_use]
    pub fn at(wall: Timestamp) -> Self {
        // Not zero, so that what began before this moment has a place.
        let monotonic = Duration::from_secs(1_000_000);
        Self(Arc::new(Mutex::new(Moment { wall, monotonic })))
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.change(|now| {
            now.wall = now.wall.plus(by);
            now.monotonic = now.monotonic.saturating_add(by);
        });
    }

    /// Sets the time of day, forwards or back; no time passes.
    pub fn set_wall(&self, wall: Timestamp) {
        self.change(|now| now.wall = wall);
    }

    /// Lets time pass as a machine that sleeps sees it: the monotonic clock stands still.
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
    fn the_systems_clocks_agree_with_the_standard_librarys() {
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
    fn a_manual_clock_tells_setting_from_passing() {
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
