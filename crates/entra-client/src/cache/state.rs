//! What the lock of a slot guards.

use std::sync::Arc;
use std::time::Duration;

use entra_transport::{TransportError, TransportErrorKind};

use super::flight::{Flight, Waiter};
use crate::clock::{Moment, nanoseconds};
use crate::error::Error;
use crate::policy::Policy;

#[derive(Default)]
pub(super) struct State {
    /// The flight whose outcome the slot waits for.
    pub(super) flight: Option<Arc<Flight>>,
    pub(super) setback: Option<Box<Setback>>,
    /// What there is to know of events: of most slots, nothing.
    events: Option<Box<Events>>,
    /// The number of the last request: they count up.
    pub(super) sent: u64,
    /// After a success there is no refresh before this moment of the monotonic clock (in nanoseconds), whatever the token says.
    paced_until: u64,
}

/// What has happened to a slot, beside tokens that came and requests that failed.
#[derive(Default)]
pub(super) struct Events {
    /// Earlier flights that have not ended: they have a successor, or what they bring was forgotten.
    late: Vec<Arc<Flight>>,
    /// Up to this number, tokens are older than the last event: they are used only where there is no other.
    pub(super) outdated: u64,
    /// Up to this number, tokens are not kept.
    pub(super) forgotten: u64,
    /// The greatest number of a token that an API rejected.
    pub(super) rejected: u64,
    /// How many tokens in a row were rejected soon after they came.
    rejections: u32,
    /// Whether the shared store may hold a token from before the last event.
    pub(super) distrusts_store: bool,
    /// The service asked for a pause until this moment of the monotonic clock, which the next flight keeps to.
    pub(super) paused_until: Option<Duration>,
}

/// A failure that is remembered.
pub(super) struct Setback {
    pub(super) error: Error,
    /// How many there were in a row.
    pub(super) failures: u32,
    pub(super) since: Moment,
    pub(super) wait: Duration,
    /// Whether the API rejects the tokens, and the service issues them.
    pub(super) is_rejection: bool,
}

impl State {
    /// Starts a flight, in the place of the one that there may be.
    pub(super) fn take_off(&mut self, now: Moment) -> (Arc<Flight>, u64) {
        let flight = Flight::start(now.monotonic);
        self.sent += 1;
        self.retire(Some(Arc::clone(&flight)));
        (flight, self.sent)
    }

    /// The flight sends a request now. Returns its number.
    pub(super) fn depart(&mut self, flight: &Flight) -> u64 {
        self.sent += 1;
        flight.depart(self.sent);
        self.sent
    }

    /// Ends this flight. Returns whether it was still the slot's own.
    pub(super) fn end(&mut self, flight: &Arc<Flight>) -> bool {
        if let Some(events) = &mut self.events {
            events.late.retain(|late| !Arc::ptr_eq(late, flight));
        }
        self.flight.take_if(|own| Arc::ptr_eq(own, flight)).is_some()
    }

    /// What there is to know of events.
    pub(super) fn events(&self) -> &Events {
        const NONE: &Events = &Events {
            late: Vec::new(),
            outdated: 0,
            forgotten: 0,
            rejected: 0,
            rejections: 0,
            distrusts_store: false,
            paused_until: None,
        };
        self.events.as_deref().unwrap_or(NONE)
    }

    pub(super) fn events_mut(&mut self) -> &mut Events {
        self.events.get_or_insert_default()
    }

    /// Something happened that tokens and requests of before do not know of.
    pub(super) fn happened(&mut self) {
        let sent = self.sent;
        let events = self.events_mut();
        events.outdated = sent;
        events.distrusts_store = true;
    }

    /// Another token was rejected, which came at this moment of the monotonic clock. Returns how long the slot cools down for that, if
    /// it does.
    ///
    /// A token that was in use for a while before does not count, and the slot cools down for no longer than that: else the rejections of
    /// one path, a few a minute, would keep the others from a newer token when theirs is revoked.
    pub(super) fn rejected_again(
        &mut self,
        landed: Option<Duration>,
        now: Moment,
        policy: &Policy,
    ) -> Option<Duration> {
        let a_while = policy.refresh_interval / 3;
        let is_soon = landed.is_some_and(|landed| now.monotonic < landed.saturating_add(a_while));
        let events = self.events_mut();
        events.rejections = if is_soon {
            events.rejections.saturating_add(1)
        } else {
            1
        };
        let failures = events
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
        self.retire(None);
        self.setback = None;
        self.paced_until = 0;
        let sent = self.sent;
        let events = self.events_mut();
        events.forgotten = sent;
        events.paused_until = None;
        events.rejections = 0;
    }

    /// Puts this flight, or none, in the place of the slot's own, which is late from now on.
    fn retire(&mut self, successor: Option<Arc<Flight>>) {
        if let Some(late) = std::mem::replace(&mut self.flight, successor) {
            self.events_mut().late.push(late);
        }
    }

    /// The flight that a caller waits for now, how much longer at most, and whether its outcome is for this caller: not where it was
    /// sent before `after` or the last event. Such a flight is waited for where two are in flight already.
    pub(super) fn awaited(
        &mut self,
        after: Option<u64>,
        now: Moment,
        patience: Duration,
    ) -> Option<(Waiter, Duration, bool)> {
        let left = |flight: &Arc<Flight>| {
            let passed = now.monotonic.saturating_sub(flight.since);
            patience.checked_sub(passed).filter(|left| !left.is_zero())
        };
        if let Some(events) = &mut self.events {
            events.late.retain(|late| left(late).is_some());
        }
        let Events { late, outdated, .. } = self.events();
        if let Some((own, left)) = self.flight.as_ref().and_then(|own| Some((own, left(own)?))) {
            let serves = own.serves((*outdated).max(after.unwrap_or_default()));
            let is_busy = late.len() + 1 >= MOST_IN_FLIGHT;
            return (serves || is_busy).then(|| (Arc::clone(own).join(), left, serves));
        }
        let late = late.last().filter(|_| late.len() >= MOST_IN_FLIGHT)?;
        Some((Arc::clone(late).join(), left(late)?, false))
    }

    /// There is no refresh before this moment of the monotonic clock.
    pub(super) fn pace_until(&mut self, moment: Duration) {
        self.paced_until = nanoseconds(moment);
    }

    pub(super) fn paced_until(&self) -> Duration {
        Duration::from_nanos(self.paced_until)
    }

    /// Whether the last success was so short a time ago that there is no refresh yet.
    pub(super) fn is_paced(&self, now: Moment) -> bool {
        now.monotonic < self.paced_until()
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
    pub(super) fn cooling(&self, now: Moment) -> Option<Duration> {
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
