use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use entra_proto::cache::Freshness;

use super::cell::TokenCell;
use super::flight::Waiter;
use super::key::Key;
use super::lead::Lead;
use super::ledger::{Entered, Ledger};
use super::state::{Setback, State};
use super::sync::{AtomicU64, Mutex, Ordering, lock};
use crate::clock::{Moment, nanoseconds};
use crate::error::Error;
use crate::policy::Policy;
use crate::token::Token;

/// The place of one token: the token, the flight that fetches the next one, and the last failure.
///
/// Reading the token takes no lock, and no lock is held while anything is awaited. A flight belongs to the slot: it goes on when the
/// caller that started it gives up, and its outcome serves the callers that come later.
///
/// Every request has a number, which is also the number of the token that it brings. An event (a token is rejected, everything is
/// forgotten, a consent is granted) concerns all numbers that were given out before it. So a caller after the event never gets a token
/// that was requested before it, and a late response never replaces the token of a later request.
///
/// ```text
///             join: no usable token, no flight that serves, no failure that still cools
///   resting ────────────────────────────────────────────────────────────────────► flying ──┐ others join and wait
///      ▲  ▲                                                                         │  │  ◄──┘
///      │  └── land(token): version moves, all waiting callers get it ───────────────┘  │
///      ├───── fail(error): cooling; all waiting callers get it ────────────────────────┤
///      └───── the flight is dropped, or takes too long: waiting callers look again ────┘
/// ```
pub(crate) struct Slot {
    key: Key,
    pub(super) token: TokenCell,
    /// Moves whenever another token, or none, is here.
    version: AtomicU64,
    /// Before this moment of the monotonic clock (in nanoseconds) no refresh is needed: one is in flight, or was a short time ago.
    quiet_until: AtomicU64,
    /// The last use, by the monotonic clock, in seconds.
    used: AtomicU32,
    /// Where it is in the map, which alone uses this.
    pub(super) place: AtomicU32,
    bytes: Entered,
    pub(super) state: Mutex<State>,
}

/// What a caller is to do.
pub(crate) enum Turn {
    /// Take this token.
    Ready(Token),
    /// Take this error: it is too early for another request.
    Cooling(Error),
    /// Start the flight.
    Lead(Lead),
    /// Wait for a flight, and look again after the time that is left to it.
    Wait {
        waiter: Waiter,
        left: Duration,
        /// Whether its outcome is for this caller: not where its request was sent too early.
        serves: bool,
    },
}

impl Slot {
    pub(super) fn new(key: Key, ledger: &Ledger) -> Self {
        Self {
            place: Default::default(),
            bytes: ledger.enter(&key),
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

    /// The token, if it may be used, and whether a refresh should be tried.
    pub(crate) fn peek(&self, now: Moment) -> Option<(Token, bool)> {
        self.touch(now);
        let token = self.token.load()?;
        match token.freshness(now) {
            Freshness::Fresh => Some((token, false)),
            Freshness::Due => Some((token, self.wants_refresh(now))),
            Freshness::Missing => None,
        }
    }

    /// Whether no refresh is in flight, and none was a short time ago.
    pub(crate) fn wants_refresh(&self, now: Moment) -> bool {
        nanoseconds(now.monotonic) >= self.quiet_until.load(Ordering::Relaxed)
    }

    /// What a caller who needs a token is to do. With `after`, only a token of a request with a greater number will do, and the shared
    /// store does not help. `patience` is how long one flight may take before there is another.
    pub(crate) fn join(self: &Arc<Self>, now: Moment, after: Option<u64>, patience: Duration) -> Turn {
        self.touch(now);
        let mut state = lock(&self.state);
        let token = self
            .token
            .load()
            .filter(|token| after.is_none_or(|after| token.number() > after));
        // It may have come since the caller looked.
        if let Some(token) = token
            .as_ref()
            .filter(|token| token.freshness(now) != Freshness::Missing)
        {
            return Turn::Ready(token.clone());
        }
        let living = token.filter(|token| after.is_none() && token.is_alive(now));
        if after.is_some() {
            state.events_mut().distrusts_store = true;
        }
        if let Some((waiter, left, serves)) = state.awaited(after, now, patience) {
            return Turn::Wait { waiter, left, serves };
        }
        if let Some(left) = state.cooling(now) {
            if let Some(token) = living {
                return Turn::Ready(token);
            }
            // A token that has expired was not rejected for that: its successor is requested.
            let holds = |setback: &&Setback| after.is_some() || !setback.is_rejection;
            if let Some(setback) = state.setback.as_deref().filter(holds) {
                return Turn::Cooling(setback.error.remembered(left));
            }
        }
        match living {
            Some(token) if !token.is_outdated() && state.is_paced(now) => Turn::Ready(token),
            _ => Turn::Lead(self.take_off(&mut state, now)),
        }
    }

    /// The lead of a refresh, unless one is in flight, or was a short time ago.
    pub(crate) fn refresh(self: &Arc<Self>, now: Moment) -> Option<Lead> {
        let mut state = lock(&self.state);
        let fresh = |token: &Token| token.freshness(now) == Freshness::Fresh;
        if state.flight.is_some()
            || state.cooling(now).is_some()
            || state.is_paced(now)
            || self.token.load().as_ref().is_some_and(fresh)
        {
            return None;
        }
        Some(self.take_off(&mut state, now))
    }

    /// The token, as long as an API would still accept it.
    pub(crate) fn living(&self, now: Moment) -> Option<Token> {
        self.token.load().filter(|token| token.is_alive(now))
    }

    /// The number of the last request: a token with a greater one is requested from now on.
    pub(crate) fn last_number(&self) -> u64 {
        lock(&self.state).sent
    }

    /// An API rejected the token of this number. Where there is no newer one, the next caller has it refreshed; until a newer one is
    /// here, callers that were not rejected go on with it while it lives. Returns whether this is news.
    ///
    /// An API that rejects whatever it gets is no reason for a request each time: after some tokens that were rejected soon, the slot
    /// cools down as after a failure.
    pub(crate) fn reject(&self, number: u64, now: Moment, policy: &Policy) -> bool {
        let mut state = lock(&self.state);
        let current = self.token.load();
        let is_news = number > state.events().rejected
            && number <= state.sent
            && current.as_ref().is_none_or(|current| current.number() <= number);
        if is_news {
            state.happened();
            state.events_mut().rejected = number;
            if let Some(wait) = state.rejected_again(current.as_ref().map(Token::landed), now, policy) {
                self.quiet_until(now.monotonic.saturating_add(wait));
            }
            if let Some(current) = current {
                self.replace(Some(current.outdated()));
            }
        }
        is_news
    }

    /// Drops everything, the failure and what a flight will bring included.
    pub(crate) fn forget(&self) {
        let mut state = lock(&self.state);
        state.forget();
        self.quiet_until(Duration::ZERO);
        self.replace(None);
        self.weigh(&state);
    }

    /// A newer request may bring more than what is here, or is in flight: the next caller sends one, and gets what is here where that
    /// fails. A pause that the service asked for goes on.
    pub(crate) fn reconsider(&self) {
        let mut state = lock(&self.state);
        state.happened();
        state.setback.take_if(|setback| !setback.error.is_retryable());
        if let Some(token) = self.token.load() {
            self.replace(Some(token.outdated()));
        }
    }

    pub(crate) fn distrusts_store(&self) -> bool {
        lock(&self.state).events().distrusts_store
    }

    /// The flight waits until then.
    pub(crate) fn pause_until(&self, moment: Duration) {
        lock(&self.state).events_mut().paused_until = Some(moment);
    }

    /// What is left of a pause that an earlier flight did not see to the end.
    pub(crate) fn pause_left(&self, now: Moment) -> Option<Duration> {
        let until = lock(&self.state).events().paused_until?;
        until.checked_sub(now.monotonic).filter(|left| !left.is_zero())
    }

    /// How much would be lost with it: nothing, a failure that is remembered, or a token.
    pub(super) fn worth(&self, now: Moment) -> u8 {
        if self.living(now).is_some() {
            2
        } else {
            u8::from(lock(&self.state).cooling(now).is_some())
        }
    }

    /// How many bytes it holds, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.bytes()
    }

    pub(super) fn is_idle(&self) -> bool {
        lock(&self.state).flight.is_none()
    }

    /// The last use, in seconds of the monotonic clock.
    pub(super) fn last_used(&self) -> u32 {
        self.used.load(Ordering::Relaxed)
    }

    /// Puts this token, or none, in the place of the one that is here. Under the lock of the state only.
    pub(super) fn replace(&self, token: Option<Token>) {
        self.token.store(token);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Takes note of how much it holds now. Under the lock of the state only.
    pub(super) fn weigh(&self, state: &State) {
        self.bytes.change(&self.key, self.token.load().as_ref(), state);
    }

    /// No refresh is needed before this moment of the monotonic clock. Under the lock of the state only.
    pub(super) fn quiet_until(&self, moment: Duration) {
        self.quiet_until.store(nanoseconds(moment), Ordering::Relaxed);
    }

    fn touch(&self, now: Moment) {
        let seconds = u32::try_from(now.monotonic.as_secs()).unwrap_or(u32::MAX);
        self.used.store(seconds, Ordering::Relaxed);
    }

    fn take_off(self: &Arc<Self>, state: &mut State, now: Moment) -> Lead {
        let (flight, number) = state.take_off(now);
        self.quiet_until(Duration::MAX);
        Lead::new(Arc::clone(self), flight, number)
    }
}

#[cfg(all(test, not(entra_loom)))]
#[path = "slot_tests.rs"]
mod tests;
