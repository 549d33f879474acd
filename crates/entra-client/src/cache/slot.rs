use std::sync::Arc;
use std::time::Duration;

use entra_proto::Freshness;

use super::cell::TokenCell;
use super::flight::{Flight, Waiter};
use super::key::Key;
use super::sync::{AtomicU64, Mutex, Ordering, lock};
use crate::clock::Now;
use crate::error::Error;
use crate::policy::Policy;
use crate::token::Token;

/// The place of one token: the token, the flight that fetches the next one, and what became of the last that failed.
///
/// Reading the token takes no lock. At most one flight is in the air, whoever asks: it is led by one caller, and all others wait for
/// what comes of it. No lock is held while anything is awaited.
///
/// ```text
///             join: nothing usable, no flight, no failure that is still cooling
///   resting ────────────────────────────────────────────────────────────────────► flying ──┐ others join and wait
///      ▲  ▲                                                                         │  │  ◄──┘
///      │  └── land(token): generation moves, everybody who waits gets it ───────────┘  │
///      ├───── land(error): cooling; everybody who waits gets it ───────────────────────┤
///      └───── the lead is dropped: everybody who waits looks again, one of them leads ─┘
/// ```
pub(crate) struct Slot {
    key: Key,
    token: TokenCell,
    /// Moves whenever another token, or none, is here.
    generation: AtomicU64,
    /// Before this moment of the monotonic clock (in nanoseconds) nobody needs to try a refresh: one is in the air, or cooling.
    quiet_until: AtomicU64,
    /// When it was last asked for, by the monotonic clock, in seconds.
    used: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    flight: Option<Arc<Flight>>,
    setback: Option<Box<Setback>>,
    /// Counts what was forgotten on purpose: a flight that began before brings nothing to keep.
    epoch: u32,
    /// Whether the shared store may still hold a token that was refused here.
    distrusts_store: bool,
}

/// A failure that is remembered.
struct Setback {
    error: Error,
    /// How many there were in a row.
    failures: u32,
    since: Now,
    wait: Duration,
}

/// What a caller is to do.
pub(crate) enum Turn {
    /// Take this token.
    Ready(Token),
    /// Take this error: it is too early to ask again.
    Cooling(Error),
    /// Fetch the token, for everybody.
    Lead(Lead),
    /// Somebody fetches it already.
    Wait(Waiter),
}

impl Slot {
    pub(crate) fn new(key: Key) -> Self {
        Self {
            key,
            token: TokenCell::empty(),
            generation: AtomicU64::new(0),
            quiet_until: AtomicU64::new(0),
            used: AtomicU64::new(0),
            state: Mutex::new(State::default()),
        }
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The token, where it may be used, and whether a refresh should be tried.
    pub(crate) fn peek(&self, now: Now) -> Option<(Token, bool)> {
        self.used.store(now.monotonic.as_secs(), Ordering::Relaxed);
        let token = self.token.load()?;
        match token.freshness(now) {
            Freshness::Fresh => Some((token, false)),
            Freshness::Due => Some((token, self.wants_refresh(now))),
            Freshness::Missing => None,
        }
    }

    /// Whether nobody has tried a refresh lately.
    pub(crate) fn wants_refresh(&self, now: Now) -> bool {
        nanoseconds(now.monotonic) >= self.quiet_until.load(Ordering::Relaxed)
    }

    /// What a caller who needs a token is to do; `force` wants another one than is here.
    pub(crate) fn join(self: &Arc<Self>, now: Now, force: bool) -> Turn {
        self.used.store(now.monotonic.as_secs(), Ordering::Relaxed);
        let mut state = lock(&self.state);
        // It may have come since the caller looked.
        if let Some(token) = self
            .token
            .load()
            .filter(|token| !force && token.freshness(now) != Freshness::Missing)
        {
            return Turn::Ready(token);
        }
        if let Some(flight) = &state.flight {
            return Turn::Wait(Arc::clone(flight).join());
        }
        if let Some(left) = state.cooling(now) {
            if let Some(token) = self.living(now).filter(|_| !force) {
                return Turn::Ready(token);
            }
            if let Some(setback) = &state.setback {
                return Turn::Cooling(setback.error.remembered(left));
            }
        }
        Turn::Lead(self.take_off(&mut state))
    }

    /// The lead of a refresh, unless one is in the air or cooling.
    pub(crate) fn refresh(self: &Arc<Self>, now: Now) -> Option<Lead> {
        let mut state = lock(&self.state);
        let fresh = |token: &Token| token.freshness(now) == Freshness::Fresh;
        if state.flight.is_some() || state.cooling(now).is_some() || self.token.load().as_ref().is_some_and(fresh) {
            return None;
        }
        Some(self.take_off(&mut state))
    }

    /// The token, as long as an API would still take it.
    pub(crate) fn living(&self, now: Now) -> Option<Token> {
        self.token.load().filter(|token| token.is_alive(now))
    }

    /// Drops this token, if it is still the one that is here: an API refused it.
    pub(crate) fn invalidate(&self, token: &Token) -> bool {
        let mut state = lock(&self.state);
        let dropped = self.token.take(token);
        if dropped {
            state.distrusts_store = true;
            self.generation.fetch_add(1, Ordering::Release);
        }
        dropped
    }

    /// Drops everything, the failure and what a flight in the air will bring included.
    pub(crate) fn forget(&self) {
        let mut state = lock(&self.state);
        self.token.store(None);
        state.setback = None;
        state.distrusts_store = true;
        state.epoch = state.epoch.wrapping_add(1);
        if state.flight.is_none() {
            self.quiet_until.store(0, Ordering::Relaxed);
        }
        self.generation.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn distrusts_store(&self) -> bool {
        lock(&self.state).distrusts_store
    }

    pub(super) fn is_idle(&self) -> bool {
        lock(&self.state).flight.is_none()
    }

    /// When it was last asked for, in seconds of the monotonic clock.
    pub(super) fn last_used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    fn take_off(self: &Arc<Self>, state: &mut State) -> Lead {
        let flight = Flight::start();
        state.flight = Some(Arc::clone(&flight));
        self.quiet_until.store(u64::MAX, Ordering::Relaxed);
        Lead {
            slot: Arc::clone(self),
            flight: Some(flight),
            epoch: state.epoch,
        }
    }
}

impl State {
    /// How many there were in a row.
    fn failures(&self) -> u32 {
        // One less than there are numbers, for the next one.
        self.setback
            .as_ref()
            .map_or(0, |setback| setback.failures)
            .min(u32::MAX - 1)
    }

    /// How much longer the last failure counts. The time is over when either clock says so, but setting the time of day back does not
    /// begin it anew.
    fn cooling(&self, now: Now) -> Option<Duration> {
        let setback = self.setback.as_deref()?;
        let by_monotonic = now.monotonic.saturating_sub(setback.since.monotonic);
        let passed = by_monotonic.max(now.wall.since(setback.since.wall));
        setback.wait.checked_sub(passed).filter(|left| !left.is_zero())
    }
}

/// The duty to fetch a slot's token, and to tell everybody what came of it. Dropped without that, it passes to somebody who waits.
pub(crate) struct Lead {
    slot: Arc<Slot>,
    /// There until it ends.
    flight: Option<Arc<Flight>>,
    epoch: u32,
}

impl Lead {
    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// Tells everybody that this is the token, and keeps it.
    pub(crate) fn land(mut self, token: Token, from_service: bool) {
        let Some(flight) = self.flight.take() else { return };
        {
            let mut state = lock(&self.slot.state);
            state.flight = None;
            self.slot.quiet_until.store(0, Ordering::Relaxed);
            if state.epoch == self.epoch {
                state.setback = None;
                state.distrusts_store &= !from_service;
                self.slot.token.store(Some(token.clone()));
                self.slot.generation.fetch_add(1, Ordering::Release);
            }
        }
        flight.land(Ok(token));
    }

    /// For how long the service is to be left alone if this flight fails so.
    pub(crate) fn cool_down(&self, error: &Error, policy: &Policy) -> Duration {
        policy.cool_down(lock(&self.slot.state).failures() + 1, error.retry_after())
    }

    /// Tells everybody that there is none, and remembers why for as long as the policy says.
    pub(crate) fn fail(mut self, error: Error, policy: &Policy, now: Now) {
        let Some(flight) = self.flight.take() else { return };
        {
            let mut state = lock(&self.slot.state);
            state.flight = None;
            let mut quiet_until = 0;
            if state.epoch == self.epoch {
                let failures = state.failures() + 1;
                let wait = policy.cool_down(failures, error.retry_after());
                quiet_until = nanoseconds(now.monotonic.saturating_add(wait));
                state.setback = Some(Box::new(Setback {
                    error: error.clone(),
                    failures,
                    since: now,
                    wait,
                }));
            }
            self.slot.quiet_until.store(quiet_until, Ordering::Relaxed);
        }
        flight.land(Err(error));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        let Some(flight) = self.flight.take() else { return };
        {
            let mut state = lock(&self.slot.state);
            state.flight = None;
            self.slot.quiet_until.store(0, Ordering::Relaxed);
        }
        flight.abandon();
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
