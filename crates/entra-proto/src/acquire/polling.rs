use std::time::Duration;

use crate::device_code::DeviceAuthorization;
use crate::error::Error;
use crate::service_error::ServiceError;
use crate::time::Timestamp;

/// How a person who signs in elsewhere is waited for (RFC 8628, section 3.5).
pub(super) struct Polling {
    interval: Duration,
    expires_at: Timestamp,
}

impl Polling {
    pub(super) fn new(authorization: &DeviceAuthorization) -> Self {
        Self {
            interval: authorization.interval,
            expires_at: authorization.expires_at,
        }
    }

    /// The wait before the next poll, after one that came too early: no less than the service asks for.
    ///
    /// # Errors
    /// Where the code is of no use any more by then: nobody waits for that.
    pub(super) fn next(&mut self, unfinished: Error, now: Timestamp) -> Result<Duration, Error> {
        let asked = unfinished.retry_after().unwrap_or_default();
        if now.plus(asked) >= self.expires_at {
            return Err(expired(unfinished));
        }
        if unfinished.service().is_some_and(|service| service.error == SLOW_DOWN) {
            // For good.
            self.interval = self.interval.saturating_add(SLOWER);
        }
        Ok(self.interval.max(asked))
    }

    /// The shortest wait between two polls.
    pub(super) fn interval(&self) -> Duration {
        self.interval
    }
}

/// Whether a poll came too early: the person is not done yet, or the polls are too many.
pub(super) fn is_unfinished(error: &Error) -> bool {
    let word = error.service().map(|service| service.error.as_str());
    matches!(word, Some("authorization_pending" | SLOW_DOWN))
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

const SLOW_DOWN: &str = "slow_down";

/// What `slow_down` adds to the interval.
const SLOWER: Duration = Duration::from_secs(5);
