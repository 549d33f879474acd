//! When the token endpoint is polled for a user who signs in on another device (RFC 8628, section 3.5).

use std::time::Duration;

use crate::acquire::SLOW_DOWN;
use crate::error::{Error, ServiceError};
use crate::time::Timestamp;

/// The waits between the polls of one device flow.
pub(crate) struct Polling {
    interval: Duration,
    expires_at: Timestamp,
    /// What is left of the code's life by the waits alone: the time of day may be set back.
    left: Duration,
    /// How many polls in a row have failed.
    failed: u32,
}

impl Polling {
    /// Polls in this interval, of which the first one has passed before the first poll, until the code expires.
    pub(crate) fn new(interval: Duration, expires_at: Timestamp, now: Timestamp) -> Self {
        Self {
            interval,
            expires_at,
            left: expires_at.since(now).saturating_sub(interval),
            failed: 0,
        }
    }

    /// The wait before the next poll, after one that came too early: no less than the service asks for.
    ///
    /// # Errors
    /// Where the code is of no use any more when that wait is over: nobody waits for that.
    pub(crate) fn next(&mut self, unfinished: Error, now: Timestamp) -> Result<Duration, Error> {
        self.failed = 0;
        if unfinished.service().is_some_and(|service| service.error == SLOW_DOWN) {
            // For good.
            self.interval = self.interval.saturating_add(SLOWER);
        }
        let wait = self.interval.max(unfinished.retry_after().unwrap_or_default());
        if wait >= self.life(now) {
            return Err(expired(unfinished));
        }
        self.left = self.left.saturating_sub(wait);
        Ok(wait)
    }

    /// The wait before the next poll, after one that failed in passing: doubled with each in a row, as the RFC recommends, and longer
    /// by `spread`. `None` where the code is of no use any more when the service could be asked again.
    pub(crate) fn later(&mut self, asked: Option<Duration>, spread: Duration, now: Timestamp) -> Option<Duration> {
        self.failed = self.failed.saturating_add(1);
        let longest = self.interval.saturating_mul(2).max(LONGEST_BACK_OFF);
        let back_off = self.interval.saturating_mul(1 << self.failed.min(16)).min(longest);
        let asked = asked.unwrap_or_default();
        // A back-off is no reason to miss the last chance.
        let last = self.life(now).saturating_sub(BEFORE_THE_END);
        let wait = back_off.max(asked).saturating_add(spread).min(last);
        self.left = self.left.saturating_sub(wait);
        (wait >= self.interval.max(asked)).then_some(wait)
    }

    /// How much longer the code is good.
    fn life(&self, now: Timestamp) -> Duration {
        self.expires_at.since(now).min(self.left)
    }
}

/// The refusal of a code whose time is over, made of the answer that did not know it yet.
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

/// What `slow_down` adds to the interval.
const SLOWER: Duration = Duration::from_secs(5);

/// How long two polls are apart at the most after failures, where the interval itself is not longer than half of it.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(60);

/// How long before the code's end the last poll is sent.
const BEFORE_THE_END: Duration = Duration::from_secs(1);
