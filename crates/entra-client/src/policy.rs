use std::time::Duration;

use entra_proto::acquire::RetryPolicy;
use entra_proto::cache::FreshnessPolicy;

/// How a client keeps, renews and gives up. Data: change what differs from the default.
///
/// ```
/// use std::time::Duration;
/// use entra_client::Policy;
///
/// let mut policy = Policy::default();
/// policy.capacity = 500;
/// policy.freshness.margin = Duration::from_secs(120);
/// policy.retry.max_attempts = 2;
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Policy {
    /// How long a token is used, and from when on it is renewed in the background.
    pub freshness: FreshnessPolicy,
    /// How often and how patiently one acquisition tries.
    pub retry: RetryPolicy,
    /// How long a failure is remembered, and given to everybody who asks meanwhile: 5 s. It doubles with each failure that follows.
    /// What `Retry-After` asks for is kept where it is longer. An API that rejects one token after another, each within
    /// a third of [`refresh_interval`](Self::refresh_interval) of its arrival, counts as a failure from the fourth on,
    /// for that third at most.
    pub cool_down: Duration,
    /// The longest that it becomes by doubling: 60 s.
    pub max_cool_down: Duration,
    /// The shortest time from one success to the next refresh of the same token, whatever the service says: 60 s, but no more than a
    /// quarter of the token's life or 1 s, whichever is longer.
    pub refresh_interval: Duration,
    /// How many requests for which no caller needs to wait run at once: 64. Beyond that, the refresh of a token that lives is left to a
    /// later caller. It is also the greatest number of threads that the blocking client starts.
    pub max_background: usize,
    /// How long a request may take before callers stop waiting for it, while a token that is within the margin, or that an API rejected,
    /// still lives: 2 s. Then they get that one, and the request goes on in the background.
    pub grace: Duration,
    /// How long callers wait for one flight: 2 minutes. Then one of them starts another: the first may run on a runtime that is not
    /// driven any more. Longer than a transport takes at the most.
    pub patience: Duration,
    /// How many tokens are kept: 10,000, not counting those of which there is a [`TokenSource`](crate::TokenSource). Beyond that, expired
    /// ones go first, then those that were not used for the longest time.
    pub capacity: usize,
    /// How many bytes one of them takes on average: 4 KiB, with the claims, scopes and users that it is kept by. This times
    /// [`capacity`](Self::capacity) bounds the memory: where tokens are larger, fewer are kept.
    pub bytes_per_token: usize,
    /// How much of an assertion's life must be left for it to prove another request: 1 minute of its 10. An assertion is signed once
    /// for each certificate and tenant and used while it lasts, which makes a certificate as cheap as a secret. `None` signs for
    /// every request.
    pub assertion_margin: Option<Duration>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            freshness: FreshnessPolicy::default(),
            retry: RetryPolicy::default(),
            cool_down: Duration::from_secs(5),
            max_cool_down: Duration::from_secs(60),
            refresh_interval: Duration::from_secs(60),
            max_background: 64,
            grace: Duration::from_secs(2),
            patience: Duration::from_secs(120),
            capacity: 10_000,
            bytes_per_token: 4096,
            assertion_margin: Some(Duration::from_secs(60)),
        }
    }
}

impl Policy {
    /// How many bytes the cache may take.
    pub(crate) fn max_bytes(&self) -> usize {
        self.capacity.saturating_mul(self.bytes_per_token)
    }

    /// How long to leave the service alone after this many failures in a row, the last of which asked for `retry_after`.
    pub(crate) fn cool_down(&self, failures: u32, retry_after: Option<Duration>) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        let own = self.cool_down.saturating_mul(1 << doublings);
        let own = own.min(self.max_cool_down.max(self.cool_down));
        own.max(retry_after.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cool_down_doubles_up_to_its_bound_and_yields_to_retry_after() {
        let policy = Policy::default();
        let after = |failures, asked: Option<u64>| policy.cool_down(failures, asked.map(Duration::from_secs)).as_secs();
        assert_eq!(
            [1, 2, 3, 4, 5, 9, u32::MAX].map(|failures| after(failures, None)),
            [5, 10, 20, 40, 60, 60, 60]
        );
        assert_eq!((after(1, Some(90)), after(1, Some(1)), after(9, Some(90))), (90, 5, 90));
    }
}
