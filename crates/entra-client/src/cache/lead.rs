use std::sync::Arc;
use std::time::Duration;

use super::flight::{Flight, Waiter};
use super::slot::Slot;
use super::state::Setback;
use super::sync::lock;
use crate::clock::Moment;
use crate::error::Error;
use crate::policy::Policy;
use crate::token::Token;

/// The duty to fetch a slot's token, and to tell all waiting callers the outcome. Dropped without that, it passes to one of them.
pub(crate) struct Lead {
    slot: Arc<Slot>,
    /// Present until it ends.
    flight: Option<Arc<Flight>>,
    number: u64,
}

/// What became of a token that a flight brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Landing {
    /// The slot keeps it, and all waiting callers have it.
    Kept,
    /// The waiting callers have it. It was requested before the last event, or a newer one is here.
    Late,
    /// It is from a store that is not to be believed. The flight goes on.
    Distrusted,
}

impl Lead {
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

    /// The number of the token that this flight brings.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// When it started, by the monotonic clock; none where it has ended.
    pub(crate) fn since(&self) -> Option<Duration> {
        self.flight.as_ref().map(|flight| flight.since)
    }

    /// Waits for the outcome.
    pub(crate) fn waiter(&self) -> Waiter {
        let flight = self.flight.as_ref().expect("a flight that starts has not ended");
        Arc::clone(flight).join()
    }

    /// A request is sent now: what has happened before is known to it.
    pub(crate) fn depart(&mut self) {
        if let Some(flight) = &self.flight {
            self.number = lock(&self.slot.state).depart(flight);
        }
    }

    /// Tells all waiting callers that this is the token, and keeps it; there is no refresh for the time of `pace`.
    pub(crate) fn land(&mut self, token: &Token, from_service: bool, now: Moment, pace: Duration) -> Landing {
        let Some(flight) = self.flight.take() else {
            return Landing::Late;
        };
        let landing = {
            let mut state = lock(&self.slot.state);
            let events = state.events();
            let (is_outdated, is_forgotten) = (self.number <= events.outdated, self.number <= events.forgotten);
            if !from_service && (events.distrusts_store || is_outdated) {
                self.flight = Some(flight);
                return Landing::Distrusted;
            }
            let is_own = state.end(&flight);
            let current = self.slot.token.load();
            let is_newest = !is_forgotten && current.as_ref().is_none_or(|current| current.number() < self.number);
            let landing = if is_newest && !is_outdated {
                state.setback = None;
                if from_service && state.events().distrusts_store {
                    state.events_mut().distrusts_store = false;
                }
                state.pace_until(now.monotonic.saturating_add(pace));
                self.slot.replace(Some(token.clone()));
                Landing::Kept
            } else {
                // It is better than one that is as old or dead, and than none.
                let is_better = |current: &Token| !current.is_outdated() && current.is_alive(now);
                if is_newest && !current.as_ref().is_some_and(is_better) {
                    self.slot.replace(Some(token.outdated()));
                }
                Landing::Late
            };
            if is_own {
                self.slot.quiet_until(state.paced_until());
            }
            self.slot.weigh(&state);
            landing
        };
        flight.land(Ok(token.clone()));
        landing
    }

    /// For how long the service is left alone if this flight fails so.
    pub(crate) fn cool_down(&self, error: &Error, policy: &Policy) -> Duration {
        policy.cool_down(lock(&self.slot.state).failures() + 1, error.retry_after())
    }

    /// Tells all waiting callers that there is none, and remembers why for this long.
    pub(crate) fn fail(&mut self, error: Error, wait: Duration, now: Moment) {
        let Some(flight) = self.flight.take() else { return };
        {
            let mut state = lock(&self.slot.state);
            if state.end(&flight) {
                let mut quiet_until = Duration::ZERO;
                // A rejection of what was sent before the last event says nothing any more.
                if self.number > state.events().outdated || error.is_retryable() {
                    let failures = state.failures() + 1;
                    quiet_until = now.monotonic.saturating_add(wait);
                    state.setback = Some(Box::new(Setback {
                        error: error.clone(),
                        failures,
                        since: now,
                        wait,
                        is_rejection: false,
                    }));
                    self.slot.weigh(&state);
                }
                self.slot.quiet_until(quiet_until);
            }
        }
        flight.land(Err(error));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        let Some(flight) = self.flight.take() else { return };
        if lock(&self.slot.state).end(&flight) {
            self.slot.quiet_until(Duration::ZERO);
        }
        flight.abandon();
    }
}
