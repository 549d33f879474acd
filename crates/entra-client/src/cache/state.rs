//! What the lock of a slot guards.

use std::sync::Arc;
use std::time::Duration;

use entra_transport::{TransportError, TransportErrorKind};

use super::flight::{Flight, Waiter};
use crate::clock::Now;
use crate::error::Error;
use crate::policy::Policy;

#[derive(Default)]
pub(super) struct State {
    /// The flight whose outcome the slot waits for.
    pub(super) flight: Option<InFlight>,
    /// Earlier flights that have not ended: they have a successor, or what they bring was forgotten.
    late: Vec<InFlight>,
    pub(super) setback: Option<Box<Setback>>,
    /// The number of the last request: they count up.
    pub(super) sent: u64,
    /// Up to this number, tokens are older than the last event: they are used only where there is no other.
    pub(super) outdated: u64,
    /// Up to this number, tokens are not kept.
    pub(super) forgotten: u64,
    /// The greatest number of a token that an API rejected.
    pub(super) rejected: u64,
    /// How many tokens in a row were rejected soon after they came.
    rejections: u32,
    /// When the last token came, by the monotonic clock.
    pub(super) landed: Duration,
    /// After a success there is no refresh before this moment of the monotonic clock, whatever the token says.
    pub(super) paced_until: Duration,
    /// The service asked for a pause until this moment of the monotonic clock, which the next flight keeps to.
    pub(super) paused_until: Option<Duration>,
    /// Whether the shared store may hold a token from before the last event.
    pub(super) distrusts_store: bool,
}

pub(super) struct InFlight {
    flight: Arc<Flight>,
    since: Now,
    /// The number of its last request, or of the one that it will send.
    number: u64,
    is_sent: bool,
}

/// A failure that is remembered.
pub(super) struct Setback {
    pub(super) error: Error,
    /// How many there were in a row.
    pub(super) failures: u32,
    pub(super) since: Now,
    pub(super) wait: Duration,
    /// Whether the API rejects the tokens, and the service issues them.
    pub(super) is_rejection: bool,
}

impl State {
    /// Starts a flight, in the place of the one that there may be.
    pub(super) fn take_off(&mut self, now: Now) -> (Arc<Flight>, u64) {
        let flight = Flight::start();
        self.sent += 1;
        self.late.extend(self.flight.take());
        self.flight = Some(InFlight {
            flight: Arc::clone(&flight),
            since: now,
            number: self.sent,
            is_sent: false,
        });
        (flight, self.sent)
    }

    /// The flight sends a request now. Returns its number.
    pub(super) fn depart(&mut self, flight: &Arc<Flight>) -> u64 {
        self.sent += 1;
        let mut all = self.flight.iter_mut().chain(&mut self.late);
        if let Some(departing) = all.find(|other| Arc::ptr_eq(&other.flight, flight)) {
            departing.number = self.sent;
            departing.is_sent = true;
        }
        self.sent
    }

    /// Ends this flight. Returns whether it was still the slot's own.
    pub(super) fn end(&mut self, flight: &Arc<Flight>) -> bool {
        self.late.retain(|late| !Arc::ptr_eq(&late.flight, flight));
        self.flight.take_if(|own| Arc::ptr_eq(&own.flight, flight)).is_some()
    }

    /// Something happened that tokens and requests of before do not know of.
    pub(super) fn happened(&mut self) {
        self.outdated = self.sent;
        self.distrusts_store = true;
    }

    /// Another token was rejected. Returns how long the slot cools down for that, if it does.
    ///
    /// A token that was in use for a while before does not count, and the slot cools down for no longer than that: else the rejections of
    /// one path, a few a minute, would keep the others from a newer token when theirs is revoked.
    pub(super) fn rejected_again(&mut self, now: Now, policy: &Policy) -> Option<Duration> {
        let a_while = policy.refresh_interval / 3;
        let is_soon = now.monotonic < self.landed.saturating_add(a_while);
        self.rejections = if is_soon { self.rejections.saturating_add(1) } else { 1 };
        let failures = self
            .rejections
            .checked_sub(REJECTIONS_AT_ONCE)
            .filter(|over| *over > 0)?;
        if self.cooling(now).is_some() {
            return None;
        }
        let wait = policy.cool_down(failures, None).min(a_while);
        let error = TransportError::new(
            TransportErrorKind::Other,
            "the API rejects each token soon after it is issued, so no other is requested for a while",
        );
        self.setback = Some(Box::new(Setback {
            error: error.retryable(true).into(),
            failures,
            since: now,
            wait,
            is_rejection: true,
        }));
        Some(wait)
    }

    /// Everything of before is to be gone.
    pub(super) fn forget(&mut self) {
        self.happened();
        self.forgotten = self.sent;
        self.late.extend(self.flight.take());
        self.setback = None;
        self.paused_until = None;
        self.paced_until = Duration::ZERO;
        self.rejections = 0;
    }

    /// The flight that a caller waits for now, how much longer at most, and whether its outcome is for this caller: not where it was
    /// sent before `after` or the last event. Such a flight is waited for where two are in flight already.
    pub(super) fn awaited(
        &mut self,
        after: Option<u64>,
        now: Now,
        patience: Duration,
    ) -> Option<(Waiter, Duration, bool)> {
        let left = |in_flight: &InFlight| {
            let passed = now.monotonic.saturating_sub(in_flight.since.monotonic);
            patience.checked_sub(passed).filter(|left| !left.is_zero())
        };
        self.late.retain(|late| left(late).is_some());
        let least = self.outdated.max(after.unwrap_or_default());
        if let Some((own, left)) = self.flight.as_ref().and_then(|own| Some((own, left(own)?))) {
            // What is not sent yet will be sent after all that has happened.
            let serves = !own.is_sent || own.number > least;
            let is_busy = self.late.len() + 1 >= MOST_IN_FLIGHT;
            return (serves || is_busy).then(|| (Arc::clone(&own.flight).join(), left, serves));
        }
        let late = self.late.last().filter(|_| self.late.len() >= MOST_IN_FLIGHT)?;
        Some((Arc::clone(&late.flight).join(), left(late)?, false))
    }

    /// Whether the last success was so short a time ago that there is no refresh yet.
    pub(super) fn is_paced(&self, now: Now) -> bool {
        now.monotonic < self.paced_until
    }

    /// How many failures there were in a row.
    pub(super) fn failures(&self) -> u32 {
        // One less than there are numbers, for the next one.
        self.setback
            .as_ref()
            .map_or(0, |setback| setback.failures)
            .min(u32::MAX - 1)
    }

    /// How much longer the last failure counts. The time is over when either clock says so, but setting the time of day back does not
    /// begin it anew.
    pub(super) fn cooling(&self, now: Now) -> Option<Duration> {
        let setback = self.setback.as_deref()?;
        let by_monotonic = now.monotonic.saturating_sub(setback.since.monotonic);
        let passed = by_monotonic.max(now.wall.since(setback.since.wall));
        setback.wait.checked_sub(passed).filter(|left| !left.is_zero())
    }
}

/// How many tokens may be rejected soon after they came, one after another, before the slot cools down.
const REJECTIONS_AT_ONCE: u32 = 3;

/// How many flights one slot has at once. A second one starts where the first was sent before an event.
const MOST_IN_FLIGHT: usize = 2;
