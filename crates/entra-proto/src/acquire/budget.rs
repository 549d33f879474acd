//! What is left of the attempts and the time that one request may take.

use std::time::Duration;

use crate::acquire::retry::RetryPolicy;
use crate::guid::Guid;
use crate::time::Timestamp;

/// The attempts and the time that one request of an acquisition has used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// How many attempts have failed.
    failed_attempts: u32,
    /// When the acquisition began, or the poll of a device flow.
    started_at: Timestamp,
}

impl Budget {
    /// The whole budget, from this moment on.
    pub(crate) fn new(started_at: Timestamp) -> Self {
        Self {
            failed_attempts: 0,
            started_at,
        }
    }

    /// The budget of a request that this one waits for: attempts of its own, and the same deadline.
    pub(crate) fn of_inner(&self) -> Self {
        Self::new(self.started_at)
    }

    /// Counts a failed attempt. Returns false if there must not be another one at `now`.
    pub(crate) fn another(&mut self, policy: &RetryPolicy, now: Timestamp) -> bool {
        self.failed_attempts = self.failed_attempts.saturating_add(1);
        self.failed_attempts < policy.max_attempts && now.since(self.started_at) < policy.deadline
    }

    /// Counts a failed attempt. Returns the wait before the next one, or `None` if none is left, or its time would be over by then.
    ///
    /// The wait is no shorter than the service asked for, and spread beyond that, so that clients that were sent away together do not
    /// return together.
    pub(crate) fn wait(
        &mut self,
        policy: &RetryPolicy,
        requested: Option<Duration>,
        request_id: Guid,
        now: Timestamp,
    ) -> Option<Duration> {
        self.failed_attempts = self.failed_attempts.saturating_add(1);
        if self.failed_attempts >= policy.max_attempts {
            return None;
        }
        let delay = policy.delay(self.failed_attempts, request_id);
        let wait = requested.unwrap_or_default().saturating_add(delay);
        (now.plus(wait).since(self.started_at) < policy.deadline).then_some(wait)
    }
}
