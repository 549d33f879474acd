//! The owner of a flight: the only value that can complete it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::flight::{Flight, Waiter};
use super::slot::Slot;
use super::state::CachedFailure;
use super::sync::lock;
use crate::clock::Moment;
use crate::error::Error;
use crate::policy::Policy;
use crate::token::{CacheEntry, Origin, Token};

/// The owner of a flight. The code that holds it fetches the token of the slot, and reports the
/// outcome to all waiting callers with [`complete`](Self::complete) or [`fail`](Self::fail).
///
/// If the owner is dropped without an outcome, one of the waiting callers starts another flight.
pub(crate) struct FlightOwner {
    slot: Arc<Slot>,
    /// The flight until it ends.
    flight: Option<Arc<Flight>>,
    /// The number of the last request, which is also the number of its token.
    number: u64,
}

/// The result of [`FlightOwner::complete`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completion {
    /// The slot caches the token, and all waiting callers get it.
    Cached,
    /// Only the waiting callers get the token. It was requested before the last event, or the slot
    /// has a newer one.
    Late,
    /// The token comes from a shared store that is not trusted now. The flight goes on.
    Distrusted,
}

impl FlightOwner {
    pub(super) fn new(slot: Arc<Slot>, flight: Arc<Flight>, number: u64) -> Self {
        Self {
            slot,
            flight: Some(flight),
            number,
        }
    }

    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// Returns the origin of the token of the last request.
    pub(crate) fn origin(&self) -> Origin {
        Origin {
            entry: Some(Arc::downgrade(&self.slot) as Weak<dyn CacheEntry>),
            number: self.number,
        }
    }

    /// Returns the start of the flight by the monotonic clock, or `None` if the flight has ended.
    pub(crate) fn started_at(&self) -> Option<Duration> {
        self.flight.as_ref().map(|flight| flight.started_at)
    }

    /// Returns a future of the outcome.
    ///
    /// # Panics
    /// Panics if the flight has ended.
    pub(crate) fn waiter(&self) -> Waiter {
        let flight = self.flight.as_ref().expect("a flight that starts has not ended");
        Arc::clone(flight).waiter()
    }

    /// Records that a request is sent now. Its token is newer than all events so far.
    pub(crate) fn start_request(&mut self) {
        if let Some(flight) = &self.flight {
            self.number = lock(&self.slot.state).start_request(flight);
        }
    }

    /// Ends the flight with a token: caches it and reports it to all waiting callers. The slot
    /// starts no refresh before `refresh_interval` has passed.
    pub(crate) fn complete(
        &mut self,
        token: &Token,
        from_service: bool,
        now: Moment,
        refresh_interval: Duration,
    ) -> Completion {
        let Some(flight) = self.flight.take() else {
            return Completion::Late;
        };
        let (completion, waiting) = {
            let mut state = lock(&self.slot.state);
            let events = state.events();
            let is_stale = self.number <= events.stale_up_to;
            let is_forgotten = self.number <= events.forgotten_up_to;
            if !from_service && (events.distrusts_store || is_stale) {
                self.flight = Some(flight);
                return Completion::Distrusted;
            }
            let is_current_flight = state.end_flight(&flight);
            let current = self.slot.token.load();
            let is_newest = !is_forgotten && current.as_ref().is_none_or(|current| current.number() < self.number);
            let completion = if is_newest && !is_stale {
                state.failure = None;
                if from_service && state.events().distrusts_store {
                    state.events_mut().distrusts_store = false;
                }
                state.allow_refresh_at(now.monotonic.saturating_add(refresh_interval));
                self.slot.replace(Some(token.clone()));
                Completion::Cached
            } else {
                // A stale token is better than no token, an expired one, or an older stale one.
                let is_better = |current: &Token| !current.is_stale() && current.is_alive(now);
                if is_newest && !current.as_ref().is_some_and(is_better) {
                    self.slot.replace(Some(token.to_stale()));
                }
                Completion::Late
            };
            if is_current_flight {
                self.slot.quiet_until(state.refresh_allowed_at());
            }
            self.slot.update_size(&state);
            (completion, state.record_change())
        };
        flight.complete(Ok(token.clone()));
        waiting.wake();
        completion
    }

    /// Returns the time during which no request is sent if this flight fails with `error`.
    pub(crate) fn cool_down(&self, error: &Error, policy: &Policy) -> Duration {
        let failures = lock(&self.slot.state).consecutive_failures();
        policy.cool_down(failures + 1, error.retry_after())
    }

    /// Ends the flight without a token: reports the error to all waiting callers and caches it for
    /// `cool_down`.
    pub(crate) fn fail(&mut self, error: Error, cool_down: Duration, now: Moment) {
        let Some(flight) = self.flight.take() else { return };
        let waiting = {
            let mut state = lock(&self.slot.state);
            if state.end_flight(&flight) {
                let mut quiet_until = Duration::ZERO;
                // The rejection of a request that was sent before the last event may no longer
                // hold.
                if self.number > state.events().stale_up_to || error.is_retryable() {
                    let in_a_row = state.consecutive_failures() + 1;
                    quiet_until = now.monotonic.saturating_add(cool_down);
                    state.failure = Some(Box::new(CachedFailure {
                        error: error.clone(),
                        in_a_row,
                        failed_at: now,
                        cool_down,
                        is_api_rejection: false,
                    }));
                    self.slot.update_size(&state);
                }
                self.slot.quiet_until(quiet_until);
            }
            state.record_change()
        };
        flight.complete(Err(error));
        waiting.wake();
    }
}

impl Drop for FlightOwner {
    fn drop(&mut self) {
        let Some(flight) = self.flight.take() else { return };
        let waiting = {
            let mut state = lock(&self.slot.state);
            if state.end_flight(&flight) {
                self.slot.quiet_until(Duration::ZERO);
            }
            state.record_change()
        };
        flight.abandon();
        waiting.wake();
    }
}
