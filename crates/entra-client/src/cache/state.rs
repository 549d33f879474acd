//! The part of a slot that its lock guards.

use std::sync::Arc;
use std::time::Duration;

use entra_transport::{TransportError, TransportErrorKind};

use super::flight::{Flight, Waiter};
use super::watchers::{Waiting, Watchers};
use crate::clock::{Moment, nanoseconds};
use crate::error::Error;
use crate::policy::Policy;

/// The part of a slot that its lock guards.
#[derive(Default)]
pub(super) struct State {
    /// The current flight.
    pub(super) flight: Option<Arc<Flight>>,
    pub(super) failure: Option<Box<CachedFailure>>,
    /// The record of events. Most slots have had no event, have no watchers, and so no record.
    events: Option<Box<Events>>,
    /// The last number that a flight or a request was given. Numbers count up.
    pub(super) last_request: u64,
    /// The moment of the monotonic clock, in nanoseconds, before which no refresh starts after a
    /// success, whatever the token says.
    refresh_allowed_at: u64,
}

/// The record of what happened to a slot, other than tokens that arrived and requests that failed.
#[derive(Default)]
pub(super) struct Events {
    /// Earlier flights that have not ended. Each has a successor, or will not be cached because the
    /// slot was forgotten.
    superseded: Vec<Arc<Flight>>,
    /// Tokens up to this number were requested before the last event. They are used only if there
    /// is no other token.
    pub(super) stale_up_to: u64,
    /// Tokens up to this number are not cached.
    pub(super) forgotten_up_to: u64,
    /// The greatest number of a token that an API rejected.
    pub(super) last_rejected: u64,
    /// The number of rejections in a row that came soon after the token had arrived. Any other
    /// rejection sets it to 1.
    rejections: u32,
    /// True if the shared store may hold a token from before the last event.
    pub(super) distrusts_store: bool,
    /// The moment of the monotonic clock until which the service asked for a pause. The next flight
    /// observes it.
    pub(super) paused_until: Option<Duration>,
    /// Those that wait for the next event, token or failure.
    pub(super) watchers: Option<Box<Watchers>>,
}

/// A failure that later callers get until the cool-down has passed.
pub(super) struct CachedFailure {
    pub(super) error: Error,
    /// The number of failures in a row.
    pub(super) in_a_row: u32,
    pub(super) failed_at: Moment,
    pub(super) cool_down: Duration,
    /// True if an API rejects the tokens that the service issues.
    pub(super) is_api_rejection: bool,
}

impl State {
    /// Starts a flight, which supersedes the current one.
    pub(super) fn start_flight(&mut self, now: Moment) -> (Arc<Flight>, u64) {
        let flight = Flight::start(now.monotonic);
        self.last_request += 1;
        self.replace_flight(Some(Arc::clone(&flight)));
        (flight, self.last_request)
    }

    /// Records that the flight sends a request now. Returns the number of the request.
    pub(super) fn start_request(&mut self, flight: &Flight) -> u64 {
        self.last_request += 1;
        flight.start_request(self.last_request);
        self.last_request
    }

    /// Ends a flight. Returns true if it was the current one.
    pub(super) fn end_flight(&mut self, flight: &Arc<Flight>) -> bool {
        if let Some(events) = &mut self.events {
            events.superseded.retain(|other| !Arc::ptr_eq(other, flight));
        }
        self.flight.take_if(|current| Arc::ptr_eq(current, flight)).is_some()
    }

    /// Returns the record of events.
    pub(super) fn events(&self) -> &Events {
        const NONE: &Events = &Events {
            superseded: Vec::new(),
            stale_up_to: 0,
            forgotten_up_to: 0,
            last_rejected: 0,
            rejections: 0,
            distrusts_store: false,
            paused_until: None,
            watchers: None,
        };
        self.events.as_deref().unwrap_or(NONE)
    }

    pub(super) fn events_mut(&mut self) -> &mut Events {
        self.events.get_or_insert_default()
    }

    /// Records an event that makes all tokens and requests so far stale.
    pub(super) fn record_event(&mut self) {
        let last_request = self.last_request;
        let events = self.events_mut();
        events.stale_up_to = last_request;
        events.distrusts_store = true;
    }

    /// Records that an API rejected a token that arrived at `obtained_at` by the monotonic clock.
    /// Returns the cool-down of the slot if one starts.
    ///
    /// The rejection of a token that was in use for a third of the refresh interval starts the
    /// count again at 1, and no cool-down is longer than that third. Otherwise one path of an API
    /// that rejects a few tokens a minute would keep the other paths from a newer token when theirs
    /// is revoked.
    pub(super) fn record_rejection(
        &mut self,
        obtained_at: Option<Duration>,
        now: Moment,
        policy: &Policy,
    ) -> Option<Duration> {
        let limit = policy.refresh_interval / 3;
        let is_soon = obtained_at.is_some_and(|obtained_at| now.monotonic < obtained_at.saturating_add(limit));
        let events = self.events_mut();
        events.rejections = if is_soon {
            events.rejections.saturating_add(1)
        } else {
            1
        };
        let failures = events
            .rejections
            .checked_sub(MAX_EARLY_REJECTIONS)
            .filter(|excess| *excess > 0)?;
        if self.cool_down_left(now).is_some() {
            return None;
        }
        let cool_down = policy.cool_down(failures, None).min(limit);
        let error = TransportError::new(
            TransportErrorKind::Other,
            "the API rejects each token soon after it is issued, so no other is requested for a while",
        );
        self.failure = Some(Box::new(CachedFailure {
            error: error.retryable(true).into(),
            in_a_row: failures,
            failed_at: now,
            cool_down,
            is_api_rejection: true,
        }));
        Some(cool_down)
    }

    /// Forgets everything so far, the outcome of the current flight included.
    pub(super) fn forget(&mut self) {
        self.record_event();
        self.replace_flight(None);
        self.failure = None;
        self.refresh_allowed_at = 0;
        let last_request = self.last_request;
        let events = self.events_mut();
        events.forgotten_up_to = last_request;
        events.paused_until = None;
        events.rejections = 0;
    }

    /// Records a change for the watchers of the slot. Returns the wakers of those that wait for it.
    pub(super) fn record_change(&mut self) -> Waiting {
        let watchers = self.events.as_mut().and_then(|events| events.watchers.as_mut());
        watchers.map(|watchers| watchers.record_change()).unwrap_or_default()
    }

    /// Replaces the current flight, which goes on as a superseded one.
    fn replace_flight(&mut self, successor: Option<Arc<Flight>>) {
        if let Some(superseded) = std::mem::replace(&mut self.flight, successor) {
            self.events_mut().superseded.push(superseded);
        }
    }

    /// Returns the flight that a caller waits for now, the time left to it, and whether its outcome
    /// serves the caller.
    ///
    /// A flight serves if the number of its last request is greater than `after` and than the
    /// numbers that the last event made stale. A caller waits for another flight only if
    /// [`MAX_IN_FLIGHT`] flights of the slot have not ended, and then looks at the slot again.
    pub(super) fn flight_to_join(
        &mut self,
        after: Option<u64>,
        now: Moment,
        patience: Duration,
    ) -> Option<(Waiter, Duration, bool)> {
        let time_left = |flight: &Arc<Flight>| {
            let passed = now.monotonic.saturating_sub(flight.started_at);
            patience.checked_sub(passed).filter(|left| !left.is_zero())
        };
        if let Some(events) = &mut self.events {
            events.superseded.retain(|flight| time_left(flight).is_some());
        }
        let Events {
            superseded,
            stale_up_to,
            ..
        } = self.events();
        let current = self.flight.as_ref();
        if let Some((current, left)) = current.and_then(|current| Some((current, time_left(current)?))) {
            let serves = current.serves((*stale_up_to).max(after.unwrap_or_default()));
            let is_busy = superseded.len() + 1 >= MAX_IN_FLIGHT;
            return (serves || is_busy).then(|| (Arc::clone(current).waiter(), left, serves));
        }
        let superseded = superseded.last().filter(|_| superseded.len() >= MAX_IN_FLIGHT)?;
        Some((Arc::clone(superseded).waiter(), time_left(superseded)?, false))
    }

    /// Allows no refresh before this moment of the monotonic clock.
    pub(super) fn allow_refresh_at(&mut self, moment: Duration) {
        self.refresh_allowed_at = nanoseconds(moment);
    }

    pub(super) fn refresh_allowed_at(&self) -> Duration {
        Duration::from_nanos(self.refresh_allowed_at)
    }

    /// Returns true if a refresh now would follow the last success too soon.
    pub(super) fn is_too_early_to_refresh(&self, now: Moment) -> bool {
        now.monotonic < self.refresh_allowed_at()
    }

    /// Returns the number of failures in a row.
    pub(super) fn consecutive_failures(&self) -> u32 {
        // One less than the maximum, so that callers can add one.
        self.failure
            .as_ref()
            .map_or(0, |failure| failure.in_a_row)
            .min(u32::MAX - 1)
    }

    /// Returns the rest of the cool-down after the last failure.
    ///
    /// The cool-down is over when either clock says so. Setting the time of day back does not
    /// restart it.
    pub(super) fn cool_down_left(&self, now: Moment) -> Option<Duration> {
        let failure = self.failure.as_deref()?;
        let by_monotonic = now.monotonic.saturating_sub(failure.failed_at.monotonic);
        let passed = by_monotonic.max(now.wall.since(failure.failed_at.wall));
        failure.cool_down.checked_sub(passed).filter(|left| !left.is_zero())
    }
}

/// The number of tokens in a row that an API may reject soon after they arrived before the slot
/// cools down.
const MAX_EARLY_REJECTIONS: u32 = 3;

/// The number of flights of one slot at a time. The second one starts if the first sent its request
/// before an event.
const MAX_IN_FLIGHT: usize = 2;
