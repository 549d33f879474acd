//! The settings of a client for caching, refreshes and retries.

use std::time::Duration;

use entra_proto::acquire::RetryPolicy;
use entra_proto::cache::FreshnessPolicy;

/// The settings of a client for caching, refreshes and retries. Change the fields that should
/// differ from the default.
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
    /// The time during which a token is used, and the time of its background refresh.
    pub freshness: FreshnessPolicy,
    /// The number and the delays of the attempts of one acquisition.
    pub retry: RetryPolicy,
    /// The time during which a failure is cached and returned to all callers: 5 s. It doubles with
    /// each failure in a row. A longer `Retry-After` takes precedence.
    ///
    /// An API that rejects one token after another, each within a third of
    /// [`refresh_interval`](Self::refresh_interval) of its arrival, counts as a failure from the
    /// fourth rejection on. The failure is cached for at most that third.
    pub cool_down: Duration,
    /// The limit of [`cool_down`](field@Self::cool_down) as it doubles: 60 s.
    pub max_cool_down: Duration,
    /// The shortest time from one success to the next refresh of the same token, whatever the
    /// service says: 60 s, but at most a quarter of the token's lifetime or 1 s, whichever is
    /// longer.
    pub refresh_interval: Duration,
    /// The number of requests at once that no caller needs to wait for: 64. Beyond that, a later
    /// caller refreshes an unexpired token. It is also the number of threads that the blocking
    /// client starts at most.
    pub max_background: usize,
    /// The time after which callers stop waiting for a request if they have an unexpired token that
    /// is within the margin or that an API rejected: 2 s. They get that token, and the request goes
    /// on in the background.
    pub grace: Duration,
    /// The time for which callers wait for one flight: 2 minutes. Then one of them starts another,
    /// since the first may run on a runtime that is no longer driven. It must exceed the longest
    /// time that a transport takes.
    pub patience: Duration,
    /// The number of cached tokens: 10,000, without those that a
    /// [`TokenSource`](crate::TokenSource) refers to. Beyond that, expired tokens are evicted
    /// first, then the least recently used ones.
    pub capacity: usize,
    /// The average number of bytes per cached token: 4 KiB, including its claims, scopes and user.
    /// This times [`capacity`](Self::capacity) bounds the memory: if tokens are larger, fewer are
    /// cached.
    pub bytes_per_token: usize,
    /// The remaining lifetime below which an assertion is not used for another request: 1 minute,
    /// of a lifetime of 10 minutes. An assertion is signed once for each certificate and tenant
    /// and used until then, so that a certificate is as fast as a secret. `None` signs an assertion
    /// for every request.
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
    /// Returns the number of bytes that the cache may take.
    pub(crate) fn max_bytes(&self) -> usize {
        self.capacity.saturating_mul(self.bytes_per_token)
    }

    /// Returns the cool-down after this many failures in a row, the last of which required
    /// `retry_after`.
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
    fn cool_down_doubles_to_its_limit_and_obeys_retry_after() {
        let policy = Policy::default();
        let after = |failures, asked: Option<u64>| policy.cool_down(failures, asked.map(Duration::from_secs)).as_secs();
        assert_eq!(
            [1, 2, 3, 4, 5, 9, u32::MAX].map(|failures| after(failures, None)),
            [5, 10, 20, 40, 60, 60, 60]
        );
        assert_eq!((after(1, Some(90)), after(1, Some(1)), after(9, Some(90))), (90, 5, 90));
    }
}
