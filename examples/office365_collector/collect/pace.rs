//! The pace of one tenant's requests: back-off with jitter, shared by all of its requests.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The time of the tenant's next request.
pub(super) struct Pace {
    first: Duration,
    state: Mutex<State>,
}

struct State {
    until: Instant,
    /// The number of consecutive pauses.
    pauses: u32,
}

impl Pace {
    /// Creates a pace without a pause. Without `Retry-After`, the first pause is this long; each
    /// following pause is twice as long, up to 32 times.
    pub(super) fn new(first: Duration) -> Self {
        Self {
            first,
            state: Mutex::new(State {
                until: Instant::now(),
                pauses: 0,
            }),
        }
    }

    /// Returns the delay before the next request.
    pub(super) fn wait(&self) -> Duration {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.until.saturating_duration_since(Instant::now())
    }

    /// Records that a request succeeded.
    pub(super) fn succeeded(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // A request that was sent before the pause says nothing about the time after it.
        if state.until <= Instant::now() {
            state.pauses = 0;
        }
    }

    /// Records that a request was throttled. Returns the pause of all requests, which is at least
    /// as long as the service asks for. `draw`, from 0 to 1, spreads the pauses of many tenants.
    pub(super) fn throttled(&self, retry_after: Option<Duration>, draw: f64) -> Duration {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // A shorter delay is no pause: a service that sends 0 and throttles again would get
        // requests without end.
        let retry_after = retry_after.filter(|asked| *asked >= Duration::from_secs(1));
        let asked = retry_after.unwrap_or_default();
        let is_new = state.until <= now;
        // Requests that were in flight together are throttled together: that is one pause.
        let own = if is_new && retry_after.is_none() {
            self.first.saturating_mul(1 << state.pauses.min(5))
        } else {
            Duration::ZERO
        };
        if is_new {
            state.pauses = state.pauses.saturating_add(1);
        }
        let wait = asked.max(own);
        let until = now + wait + wait.mul_f64(SPREAD * draw.clamp(0.0, 1.0));
        state.until = state.until.max(until);
        state.until.saturating_duration_since(now)
    }
}

/// The largest random extension of a pause, as a fraction of it.
const SPREAD: f64 = 0.25;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_double_until_a_success() {
        let pace = Pace::new(Duration::from_secs(1));
        for seconds in [1, 2, 4, 8, 16, 32, 32] {
            assert_eq!(pace.throttled(None, 0.0), Duration::from_secs(seconds));
            // A request that was sent before is throttled or succeeds: the pause remains.
            assert_eq!(pace.throttled(None, 0.0), Duration::from_secs(seconds));
            pace.succeeded();
            assert_eq!(pace.wait(), Duration::from_secs(seconds));
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            assert_eq!(pace.wait(), Duration::ZERO);
        }
        pace.succeeded();
        assert_eq!(pace.throttled(None, 1.0), Duration::from_millis(1250));
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_is_obeyed() {
        let pace = Pace::new(Duration::from_secs(10));
        let asked = Some(Duration::from_secs(4));
        assert_eq!(pace.throttled(asked, 0.0), Duration::from_secs(4));
        assert_eq!(
            pace.throttled(Some(Duration::from_secs(90)), 0.0),
            Duration::from_secs(90)
        );
        assert_eq!(pace.throttled(asked, 0.0), Duration::from_secs(90));
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_of_zero_still_pauses() {
        let pace = Pace::new(Duration::from_secs(10));
        assert_eq!(pace.throttled(Some(Duration::ZERO), 0.0), Duration::from_secs(10));
    }
}
