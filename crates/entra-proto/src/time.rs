use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment: the time since 1970-01-01 00:00:00 UTC, to the nanosecond.
///
/// This crate reads no clock: whoever drives it says what time it is. Sums and differences saturate, so that no lifetime that
/// an answer claims can overflow.
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
    /// The moment this many seconds after the epoch.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The moment this long after the epoch.
    #[must_use]
    pub const fn from_epoch(duration: Duration) -> Self {
        Self(duration)
    }

    /// Whole seconds since the epoch, as in `exp` and `nbf`.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0.as_secs()
    }

    /// The time from `earlier` to this moment; zero where `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// This moment plus `duration`.
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    /// This moment less `duration`, no earlier than the epoch.
    #[must_use]
    pub const fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration))
    }
}

impl From<SystemTime> for Timestamp {
    /// A clock that stands before 1970 counts as the epoch.
    fn from(time: SystemTime) -> Self {
        Self(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0.as_secs(), self.0.subsec_millis())
    }
}
