//! A slot of the cache: the entry of one token.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use entra_proto::cache::Freshness;

use super::cell::TokenCell;
use super::flight::Waiter;
use super::flight_owner::FlightOwner;
use super::key::{Key, KeyRef};
use super::size::{SlotSize, TotalSize};
use super::state::{CachedFailure, State};
use super::sync::{AtomicU64, Mutex, Ordering, lock};
use super::watchers::Waiting;
use crate::clock::{Moment, nanoseconds};
use crate::error::Error;
use crate::policy::Policy;
use crate::token::{CacheEntry, Token};

/// The cache entry of one token: the token, the flight that fetches the next one, and the last
/// failure.
///
/// Reading the token takes no lock, and no lock is held across an await. A flight belongs to the
/// slot: its outcome serves later callers, too. A flight that runs as a task goes on when the
/// caller that started it gives up; one that runs within its caller is abandoned with it.
///
/// Every flight takes a number when it starts, and another for each request that it sends. The last
/// one is also the number of the token that it acquires. An event (a token is rejected, everything
/// is forgotten, a consent is granted) makes all numbers so far stale. A caller after the event
/// requests a new token first. It gets a stale token only if that fails or takes too long, and
/// never if the caller passed the rejected token, or the stale token was forgotten. A late response
/// never replaces the token of a later request.
///
/// A slot is idle or in flight. An idle slot may have a cached failure, which callers get until its
/// cool-down has passed:
///
/// ```text
///         join: no usable token, no flight that serves, no cool-down
///   idle ───────────────────────────────────────────► in flight ◄─┐
///    ▲ ▲                                               │  │  │ └──┘
///    │ └─ complete(token): new version; all waiting ───┘  │  │ other
///    │    callers get the token                           │  │ callers
///    │                                                    │  │ join
///    ├─── fail(error): the failure is cached; all waiting ┘  │
///    │    callers get the error                              │
///    └─── the owner is dropped, or takes too long: waiting ──┘
///         callers look at the slot again
/// ```
pub(crate) struct Slot {
    key: Key,
    pub(super) token: TokenCell,
    /// A counter that moves when the token is replaced or dropped.
    version: AtomicU64,
    /// The moment of the monotonic clock, in nanoseconds, before which no refresh is needed: one is
    /// in flight, or was a short time ago.
    quiet_until: AtomicU64,
    /// The last use, by the monotonic clock, in seconds.
    used: AtomicU32,
    /// The position in the order of the map. Only the map uses it.
    pub(super) map_index: AtomicU32,
    size: SlotSize,
    pub(super) state: Mutex<State>,
}

/// The result of [`Slot::join`]. Each variant tells the caller what to do.
pub(crate) enum JoinOutcome {
    /// Use this token.
    Ready(Token),
    /// Return this cached error: it is too early for another request.
    CoolingDown(Error),
    /// Run this flight.
    Start(FlightOwner),
    /// Wait for a flight, and look at the slot again when the time that is left to it has passed.
    Wait {
        waiter: Waiter,
        left: Duration,
        /// True if the outcome serves this caller. It does not if the request was sent too early.
        serves: bool,
    },
}

impl Slot {
    pub(super) fn new(key: Key, total: &TotalSize) -> Self {
        Self {
            map_index: AtomicU32::default(),
            size: total.add(&key),
            key,
            token: TokenCell::empty(),
            version: AtomicU64::new(0),
            quiet_until: AtomicU64::new(0),
            used: AtomicU32::new(0),
            state: Mutex::new(State::default()),
        }
    }

    #[inline]
    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    #[inline]
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Returns the token if it may be used, and whether to start a refresh.
    pub(crate) fn peek(&self, now: Moment) -> Option<(Token, bool)> {
        self.touch(now);
        let token = self.token.load()?;
        match token.freshness(now) {
            Freshness::Fresh => Some((token, false)),
            Freshness::NeedsRefresh => Some((token, self.may_refresh(now))),
            Freshness::Expired => None,
        }
    }

    /// Returns true if no refresh is in flight, and none was a short time ago.
    pub(crate) fn may_refresh(&self, now: Moment) -> bool {
        nanoseconds(now.monotonic) >= self.quiet_until.load(Ordering::Relaxed)
    }

    /// Decides what a caller that needs a token does next.
    ///
    /// With `after`, only the token of a request with a greater number is acceptable, and the
    /// shared store is not asked. `patience` is the time after which another flight may start
    /// beside the current one.
    pub(crate) fn join(self: &Arc<Self>, now: Moment, after: Option<u64>, patience: Duration) -> JoinOutcome {
        self.touch(now);
        let mut state = lock(&self.state);
        let token = self
            .token
            .load()
            .filter(|token| after.is_none_or(|after| token.number() > after));
        // The token may have arrived since the caller looked.
        if let Some(token) = token
            .as_ref()
            .filter(|token| token.freshness(now) != Freshness::Expired)
        {
            return JoinOutcome::Ready(token.clone());
        }
        let alive = token.filter(|token| after.is_none() && token.is_alive(now));
        if after.is_some() {
            state.events_mut().distrusts_store = true;
        }
        if let Some((waiter, left, serves)) = state.flight_to_join(after, now, patience) {
            return JoinOutcome::Wait { waiter, left, serves };
        }
        if let Some(left) = state.cool_down_left(now) {
            if let Some(token) = alive {
                return JoinOutcome::Ready(token);
            }
            // A cool-down after rejections by an API applies only to callers that require a newer
            // token. For the others the token has expired, so they request a new one.
            let applies = |failure: &&CachedFailure| after.is_some() || !failure.is_api_rejection;
            if let Some(failure) = state.failure.as_deref().filter(applies) {
                return JoinOutcome::CoolingDown(failure.error.cached(left));
            }
        }
        match alive {
            Some(token) if !token.is_stale() && state.is_too_early_to_refresh(now) => JoinOutcome::Ready(token),
            _ => JoinOutcome::Start(self.start_flight(&mut state, now)),
        }
    }

    /// Starts a refresh, unless one is in flight or was a short time ago.
    pub(crate) fn start_refresh(self: &Arc<Self>, now: Moment) -> Option<FlightOwner> {
        let mut state = lock(&self.state);
        let is_fresh = |token: &Token| token.freshness(now) == Freshness::Fresh;
        if state.flight.is_some()
            || state.cool_down_left(now).is_some()
            || state.is_too_early_to_refresh(now)
            || self.token.load().as_ref().is_some_and(is_fresh)
        {
            return None;
        }
        Some(self.start_flight(&mut state, now))
    }

    /// Returns the token if it has not expired: an API may still accept it.
    pub(crate) fn unexpired(&self, now: Moment) -> Option<Token> {
        self.token.load().filter(|token| token.is_alive(now))
    }

    /// Returns the last number that a flight or a request was given. A token with a greater number
    /// is requested later.
    pub(crate) fn last_request(&self) -> u64 {
        lock(&self.state).last_request
    }

    /// Drops everything: the token, the failure, and the outcome of a flight in progress.
    ///
    /// The caller wakes those that wait for a change, after it has released its locks.
    pub(crate) fn forget(&self) -> Waiting {
        let mut state = lock(&self.state);
        state.forget();
        self.quiet_until(Duration::ZERO);
        self.replace(None);
        self.update_size(&state);
        state.record_change()
    }

    /// Marks the cached token and requests in flight as stale.
    ///
    /// The next caller sends a request, and gets the stale token if that fails. A pause that the
    /// service asked for goes on.
    pub(crate) fn mark_stale(&self) {
        let waiting = {
            let mut state = lock(&self.state);
            state.record_event();
            state.failure.take_if(|failure| !failure.error.is_retryable());
            if let Some(token) = self.token.load() {
                self.replace(Some(token.to_stale()));
            }
            state.record_change()
        };
        waiting.wake();
    }

    /// Returns the token, whatever its age.
    pub(crate) fn held(&self) -> Option<Token> {
        self.token.load()
    }

    /// Returns the time for which no background refresh starts: `Duration::MAX` while one is in
    /// flight.
    pub(crate) fn quiet_left(&self, now: Moment) -> Duration {
        match self.quiet_until.load(Ordering::Relaxed) {
            u64::MAX => Duration::MAX,
            until => Duration::from_nanos(until.saturating_sub(nanoseconds(now.monotonic))),
        }
    }

    /// Returns the time after which a caller that has the cached token, or has got the cached
    /// failure, may get another outcome: see [`join`](Self::join).
    pub(crate) fn time_to_next_outcome(&self, now: Moment) -> Duration {
        let state = lock(&self.state);
        let alive = self.unexpired(now);
        let cool_down = state.failure.as_deref().zip(state.cool_down_left(now));
        match (cool_down, alive) {
            (Some((failure, left)), alive) if alive.is_some() || !failure.is_api_rejection => left,
            (_, Some(token)) if !token.is_stale() => {
                let now = now.monotonic;
                state.refresh_allowed_at().saturating_sub(now)
            }
            _ => Duration::ZERO,
        }
    }

    pub(crate) fn distrusts_store(&self) -> bool {
        lock(&self.state).events().distrusts_store
    }

    /// Records that the flight waits until this moment of the monotonic clock.
    pub(crate) fn pause_until(&self, moment: Duration) {
        lock(&self.state).events_mut().paused_until = Some(moment);
    }

    /// Returns the rest of a pause that an earlier flight did not complete.
    pub(crate) fn pause_left(&self, now: Moment) -> Option<Duration> {
        let until = lock(&self.state).events().paused_until?;
        until.checked_sub(now.monotonic).filter(|left| !left.is_zero())
    }

    /// Returns the loss if this slot is evicted: 0 for nothing, 1 for a cached failure, 2 for a
    /// token.
    pub(super) fn worth(&self, now: Moment) -> u8 {
        if self.unexpired(now).is_some() {
            2
        } else {
            u8::from(lock(&self.state).cool_down_left(now).is_some())
        }
    }

    /// Returns the approximate number of bytes that the slot holds.
    pub(super) fn bytes(&self) -> usize {
        self.size.bytes()
    }

    pub(super) fn is_idle(&self) -> bool {
        lock(&self.state).flight.is_none()
    }

    /// Returns the last use, in seconds of the monotonic clock.
    pub(super) fn last_used(&self) -> u32 {
        self.used.load(Ordering::Relaxed)
    }

    /// Replaces or drops the token. Call it only under the lock of the state.
    pub(super) fn replace(&self, token: Option<Token>) {
        self.token.store(token);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Computes the size of the slot again. Call it only under the lock of the state.
    pub(super) fn update_size(&self, state: &State) {
        self.size.update(&self.key, self.token.load().as_ref(), state);
    }

    /// Records that no refresh is needed before this moment of the monotonic clock. Call it only
    /// under the lock of the state.
    pub(super) fn quiet_until(&self, moment: Duration) {
        self.quiet_until.store(nanoseconds(moment), Ordering::Relaxed);
    }

    fn touch(&self, now: Moment) {
        let seconds = u32::try_from(now.monotonic.as_secs()).unwrap_or(u32::MAX);
        self.used.store(seconds, Ordering::Relaxed);
    }

    fn start_flight(self: &Arc<Self>, state: &mut State, now: Moment) -> FlightOwner {
        let (flight, number) = state.start_flight(now);
        self.quiet_until(Duration::MAX);
        FlightOwner::new(Arc::clone(self), flight, number)
    }
}

impl CacheEntry for Slot {
    fn key(&self) -> KeyRef<'_> {
        self.key.view()
    }

    fn reject(&self, number: u64, now: Moment, policy: &Policy) -> bool {
        let mut waiting = Waiting::default();
        let mut state = lock(&self.state);
        let current = self.token.load();
        let is_new = number > state.events().last_rejected
            && number <= state.last_request
            && current.as_ref().is_none_or(|current| current.number() <= number);
        if is_new {
            state.record_event();
            state.events_mut().last_rejected = number;
            if let Some(cool_down) = state.record_rejection(current.as_ref().map(Token::obtained_at), now, policy) {
                self.quiet_until(now.monotonic.saturating_add(cool_down));
            }
            if let Some(current) = current {
                self.replace(Some(current.to_stale()));
            }
            waiting = state.record_change();
        }
        drop(state);
        waiting.wake();
        is_new
    }
}

#[cfg(all(test, not(entra_loom)))]
#[path = "slot_tests.rs"]
mod tests;
