//! The attempts and the time that one request of an acquisition may still use.

use std::time::Duration;

use crate::acquire::retry::RetryPolicy;
use crate::guid::Guid;
use crate::managed_identity::{Failure, Failures, Source, UPGRADE_DEADLINE};
use crate::time::Timestamp;

/// The attempts and the time that one request of an acquisition has used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// The number of failed attempts.
    failed_attempts: u32,
    /// The start of the acquisition or, in a device flow, of the current poll.
    started_at: Timestamp,
}

impl Budget {
    /// Creates an unused budget whose time starts now.
    pub(crate) fn new(started_at: Timestamp) -> Self {
        Self {
            failed_attempts: 0,
            started_at,
        }
    }

    /// Returns the budget of a request that this one waits for: its own attempts, and the same
    /// deadline.
    pub(crate) fn of_inner(&self) -> Self {
        Self::new(self.started_at)
    }

    /// Returns the budget of a request to the platform under the workload, which has the same
    /// deadline.
    pub(crate) fn of_platform(&self) -> PlatformBudget {
        PlatformBudget::new(self.started_at)
    }

    /// Counts a failed attempt. Returns false if another attempt at `now` would exceed the policy.
    pub(crate) fn another(&mut self, policy: &RetryPolicy, now: Timestamp) -> bool {
        self.failed_attempts = self.failed_attempts.saturating_add(1);
        self.failed_attempts < policy.max_attempts && now.since(self.started_at) < policy.deadline
    }

    /// Counts a failed attempt. Returns the wait before the next one, or `None` if no attempt is
    /// left or the wait would end after the deadline.
    ///
    /// The wait is at least what the service requested. A random delay on top keeps clients that
    /// were rejected together from returning together.
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

/// The attempts and the time that the requests to the platform under the workload have used.
///
/// The platform's schedule decides, within the limits of a policy that is stricter than the
/// default.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlatformBudget {
    failures: Failures,
    started_at: Timestamp,
}

impl PlatformBudget {
    pub(crate) fn new(started_at: Timestamp) -> Self {
        Self {
            failures: Failures::default(),
            started_at,
        }
    }

    /// Counts a failed attempt. Returns the wait before the next one, or `None` if no attempt is
    /// left or the wait would end after the deadline.
    pub(crate) fn wait(
        &mut self,
        (source, failure): (Source, Failure),
        policy: &RetryPolicy,
        requested: Option<Duration>,
        request_id: Guid,
        now: Timestamp,
    ) -> Option<Duration> {
        let wait = self.failures.add(source, failure)?;
        let (failed, default) = (self.failures.count(), RetryPolicy::default());
        if policy.max_attempts < default.max_attempts && failed >= policy.max_attempts {
            return None;
        }
        let spread = if wait.is_spread {
            policy.spread(failed, request_id)
        } else {
            Duration::ZERO
        };
        let wait = wait.duration.saturating_add(spread).max(requested.unwrap_or_default());
        let deadline = match self.failures.has_upgrade() && policy.deadline >= default.deadline {
            true => policy.deadline.max(UPGRADE_DEADLINE),
            false => policy.deadline,
        };
        (now.plus(wait).since(self.started_at) < deadline).then_some(wait)
    }
}
