//! The API's clock, since the clock of this machine may be wrong.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use entra_proto::Timestamp;
use tokio::time::Instant;

use crate::log::short;

/// The time that the API reported last, and the time since then.
#[derive(Default)]
pub(crate) struct Clock(Mutex<State>);

#[derive(Default)]
struct State {
    told: Option<(Timestamp, Instant)>,
    /// True if this machine's clock was wrong at the last comparison.
    is_wrong: bool,
}

impl Clock {
    /// Sets the time from a response. Returns a warning if this machine's clock differs from it and
    /// did not before.
    pub(super) fn set(&self, theirs: Timestamp) -> Option<String> {
        let ours = Timestamp::from(SystemTime::now());
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.told = Some((theirs, Instant::now()));
        let (ahead, behind) = (ours.since(theirs), theirs.since(ours));
        let is_wrong = ahead.max(behind) > MOST_SKEW;
        let was_wrong = std::mem::replace(&mut state.is_wrong, is_wrong);
        let side = if ahead > behind { "ahead of" } else { "behind" };
        (is_wrong && !was_wrong).then(|| {
            format!(
                "this machine's clock is {} {side} the API's, which says {} and is used: set the clock of this machine",
                short(ahead.max(behind)),
                theirs.to_rfc3339()
            )
        })
    }

    /// Returns the time by the API's clock, or by this machine's before the first response.
    pub(super) fn now(&self) -> Timestamp {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.told {
            Some((theirs, at)) => theirs.plus(at.elapsed()),
            None => SystemTime::now().into(),
        }
    }
}

/// With a larger difference, Entra rejects assertions of a certificate.
const MOST_SKEW: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn clock_follows_the_api_and_warns_once() {
        let clock = Clock::default();
        let ours = Timestamp::from(SystemTime::now());
        let hours = |hours: u64| Duration::from_secs(3600 * hours);
        assert_eq!(clock.set(ours), None);
        let behind = clock.set(ours.plus(hours(3))).unwrap();
        assert!(behind.contains("clock is 3 h behind the API's"), "{behind}");
        assert_eq!(clock.set(ours.plus(hours(4))), None);
        tokio::time::advance(hours(1)).await;
        assert_eq!(clock.now(), ours.plus(hours(5)));
        assert_eq!(clock.set(ours), None);
        let ahead = clock.set(ours.minus(hours(50))).unwrap();
        assert!(ahead.contains("clock is 50 h ahead of the API's"), "{ahead}");
    }
}
