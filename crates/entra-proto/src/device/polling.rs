//! The intervals in which the token endpoint is polled while a user signs in on another device (RFC
//! 8628, section 3.5).

use std::time::Duration;

use crate::acquire::SLOW_DOWN;
use crate::error::{Error, ServiceError};
use crate::time::Timestamp;

/// The waits between the polls of one device flow.
pub(crate) struct Polling {
    interval: Duration,
    expires_at: Timestamp,
    /// The remaining lifetime of the code, counted by the waits alone, because the clock may be set
    /// back.
    left: Duration,
    /// The number of failed polls in a row.
    failed: u32,
}

impl Polling {
    /// Creates the schedule: one poll per interval, the first after one interval, until the code
    /// expires.
    pub(crate) fn new(interval: Duration, expires_at: Timestamp, now: Timestamp) -> Self {
        Self {
            interval,
            expires_at,
            left: expires_at.since(now).saturating_sub(interval),
            failed: 0,
        }
    }

    /// Returns the wait before the next poll, after one that came too early. It is at least as long
    /// as the service requested.
    ///
    /// # Errors
    /// Returns an error if the code expires before the end of that wait.
    pub(crate) fn next(&mut self, unfinished: Error, now: Timestamp) -> Result<Duration, Error> {
        self.failed = 0;
        if unfinished.service().is_some_and(|service| service.error == SLOW_DOWN) {
            // The longer interval applies to all further polls (RFC 8628, section 3.5).
            self.interval = self.interval.saturating_add(SLOWER);
        }
        let wait = self.interval.max(unfinished.retry_after().unwrap_or_default());
        if wait >= self.life(now) {
            return Err(expired(unfinished));
        }
        self.left = self.left.saturating_sub(wait);
        Ok(wait)
    }

    /// Returns the wait before the next poll, after one that failed temporarily. It doubles with
    /// each failure in a row, as the RFC recommends, plus `spread`. Returns `None` if the code
    /// expires before another poll is possible.
    pub(crate) fn later(&mut self, requested: Option<Duration>, spread: Duration, now: Timestamp) -> Option<Duration> {
        self.failed = self.failed.saturating_add(1);
        let longest = self.interval.saturating_mul(2).max(LONGEST_BACK_OFF);
        let back_off = self.interval.saturating_mul(1 << self.failed.min(16)).min(longest);
        let requested = requested.unwrap_or_default();
        // A back-off must not miss the last chance before the code expires.
        let last = self.life(now).saturating_sub(BEFORE_THE_END);
        let wait = back_off.max(requested).saturating_add(spread).min(last);
        self.left = self.left.saturating_sub(wait);
        (wait >= self.interval.max(requested)).then_some(wait)
    }

    /// Returns the remaining lifetime of the code.
    fn life(&self, now: Timestamp) -> Duration {
        self.expires_at.since(now).min(self.left)
    }
}

/// Returns the error for an expired code, with the IDs of the last response, which did not report
/// it yet.
fn expired(unfinished: Error) -> Error {
    match unfinished {
        Error::Service(service) => ServiceError {
            status: service.status,
            error: "expired_token".into(),
            trace_id: service.trace_id.clone(),
            correlation_id: service.correlation_id.clone(),
            timestamp: service.timestamp.clone(),
            ..ServiceError::default()
        }
        .into(),
        other => other,
    }
}

/// The increase of the interval after `slow_down`.
const SLOWER: Duration = Duration::from_secs(5);

/// The longest wait between two polls after failures, unless the interval is longer than half of
/// it.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(60);

/// The time before the code's expiry at which the last poll is sent.
const BEFORE_THE_END: Duration = Duration::from_secs(1);
