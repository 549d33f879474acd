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
///      ├───── fail(error): cooling; everybody who waits gets it ───────────────────────┤
///      └───── the lead is dropped, or takes too long: who waits looks again, one leads ┘
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
    /// The one in the air, since when, and the epoch in which it began.
    flight: Option<(Arc<Flight>, Now, u32)>,
    setback: Option<Box<Setback>>,
    /// Counts what was forgotten or reconsidered: what a flight brings that began before is not kept, or to be reconsidered as well.
    epoch: u32,
    /// The service asked to be left alone until this moment of the monotonic clock: whoever leads next keeps to that.
    paused_until: Option<Duration>,
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
    /// Somebody fetches it already. Whoever has waited this long is to ask again.
    Wait(Waiter, Duration),
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
        self.touch(now);
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

    /// What a caller who needs a token is to do; `force` wants another one than is here, and `patience` is how long one flight may take
    /// before there is another.
    pub(crate) fn join(self: &Arc<Self>, now: Now, force: bool, patience: Duration) -> Turn {
        self.touch(now);
        let mut state = lock(&self.state);
        // It may have come since the caller looked.
        if let Some(token) = self
            .token
            .load()
            .filter(|token| !force && token.freshness(now) != Freshness::Missing)
        {
            return Turn::Ready(token);
        }
        // One from before a consent is for those who asked before.
        if let Some((flight, since, _)) = state.flight.as_ref().filter(|(_, _, epoch)| *epoch == state.epoch) {
            let left = patience.saturating_sub(now.monotonic.saturating_sub(since.monotonic));
            if !left.is_zero() {
                return Turn::Wait(Arc::clone(flight).join(), left);
            }
        }
        if let Some(left) = state.cooling(now) {
            if let Some(token) = self.living(now).filter(|_| !force) {
                return Turn::Ready(token);
            }
            if let Some(setback) = &state.setback {
                return Turn::Cooling(setback.error.remembered(left));
            }
        }
        Turn::Lead(self.take_off(&mut state, now))
    }

    /// The lead of a refresh, unless one is in the air or cooling.
    pub(crate) fn refresh(self: &Arc<Self>, now: Now) -> Option<Lead> {
        let mut state = lock(&self.state);
        let fresh = |token: &Token| token.freshness(now) == Freshness::Fresh;
        if state.flight.is_some() || state.cooling(now).is_some() || self.token.load().as_ref().is_some_and(fresh) {
            return None;
        }
        Some(self.take_off(&mut state, now))
    }

    /// The token, as long as an API would still take it.
    pub(crate) fn living(&self, now: Now) -> Option<Token> {
        self.token.load().filter(|token| token.is_alive(now))
    }

    /// Drops this token, if it is still the one that is here: an API refused it.
    pub(crate) fn invalidate(&self, token: &Token) -> bool {
        let mut state = lock(&self.state);
        let dropped = self.token.load().is_some_and(|current| current.is_same(token));
        if dropped {
            self.token.store(None);
            state.distrusts_store = true;
            self.generation.fetch_add(1, Ordering::Release);
        }
        dropped
    }

    /// The generation of this token, if it is the one that is here.
    pub(crate) fn generation_of(&self, token: &Token) -> Option<u64> {
        let _state = lock(&self.state);
        let current = self.token.load()?;
        current.is_same(token).then(|| self.generation())
    }

    /// Drops the token of this generation, if it is still here: also one within the margin, which is given out where there is no other.
    pub(crate) fn discard(&self, generation: u64) -> bool {
        let mut state = lock(&self.state);
        let found = self.generation() == generation && self.token.load().is_some();
        if found {
            self.token.store(None);
            state.distrusts_store = true;
            self.generation.fetch_add(1, Ordering::Release);
        }
        found
    }

    /// Drops everything, the failure and what a flight in the air will bring included.
    pub(crate) fn forget(&self) {
        let mut state = lock(&self.state);
        self.token.store(None);
        // Who asks from now on does not wait for what was asked before.
        state.flight = None;
        state.setback = None;
        state.paused_until = None;
        state.distrusts_store = true;
        state.epoch = state.epoch.wrapping_add(1);
        self.quiet_until.store(0, Ordering::Relaxed);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// There may be more to be had than what is here, or is on its way: the next caller asks, and gets what is here where that fails.
    /// What the service asked for, to be left alone, stands.
    pub(crate) fn reconsider(&self) {
        let mut state = lock(&self.state);
        if let Some(token) = self.token.load() {
            self.token.store(Some(token.outdated()));
            self.generation.fetch_add(1, Ordering::Release);
        }
        state.setback.take_if(|setback| !setback.error.is_retryable());
        state.distrusts_store = true;
        state.epoch = state.epoch.wrapping_add(1);
    }

    pub(crate) fn distrusts_store(&self) -> bool {
        lock(&self.state).distrusts_store
    }

    /// The flight waits until then.
    pub(crate) fn pause_until(&self, moment: Duration) {
        lock(&self.state).paused_until = Some(moment);
    }

    /// What is left of a wait whose leader went away.
    pub(crate) fn pause_left(&self, now: Now) -> Option<Duration> {
        let until = lock(&self.state).paused_until?;
        until.checked_sub(now.monotonic).filter(|left| !left.is_zero())
    }

    /// How much would be lost with it: nothing, a failure that is remembered, or a token.
    pub(super) fn worth(&self, now: Now) -> u8 {
        if self.living(now).is_some() {
            2
        } else {
            u8::from(lock(&self.state).cooling(now).is_some())
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        lock(&self.state).flight.is_none()
    }

    /// When it was last asked for, in seconds of the monotonic clock.
    pub(super) fn last_used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// It was asked for now.
    fn touch(&self, now: Now) {
        self.used.store(now.monotonic.as_secs(), Ordering::Relaxed);
    }

    fn take_off(self: &Arc<Self>, state: &mut State, now: Now) -> Lead {
        let flight = Flight::start();
        state.flight = Some((Arc::clone(&flight), now, state.epoch));
        self.quiet_until.store(u64::MAX, Ordering::Relaxed);
        Lead {
            slot: Arc::clone(self),
            flight: Some(flight),
            epoch: state.epoch,
        }
    }
}

impl State {
    /// Ends this flight, and tells whether it was still the slot's own: one that took too long has a successor.
    fn end(&mut self, flight: &Arc<Flight>) -> bool {
        let is_own = self.flight.as_ref().is_some_and(|(own, ..)| Arc::ptr_eq(own, flight));
        if is_own {
            self.flight = None;
        }
        is_own
    }

    /// How many failures there were in a row.
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
            let is_own = state.end(&flight);
            if is_own {
                self.slot.quiet_until.store(0, Ordering::Relaxed);
            }
            let kept = if state.epoch == self.epoch {
                state.setback = None;
                state.distrusts_store &= !from_service;
                Some(token.clone())
            } else {
                // It was asked for before there was more to be had, and is better than none.
                is_own.then(|| token.outdated())
            };
            if kept.is_some() {
                self.slot.token.store(kept);
                self.slot.generation.fetch_add(1, Ordering::Release);
            }
        }
        flight.land(Ok(token));
    }

    /// For how long the service is to be left alone if this flight fails so.
    pub(crate) fn cool_down(&self, error: &Error, policy: &Policy) -> Duration {
        policy.cool_down(lock(&self.slot.state).failures() + 1, error.retry_after())
    }

    /// Tells everybody that there is none, and remembers why for this long.
    pub(crate) fn fail(mut self, error: Error, wait: Duration, now: Now) {
        let Some(flight) = self.flight.take() else { return };
        {
            let mut state = lock(&self.slot.state);
            if state.end(&flight) {
                let mut quiet_until = 0;
                // Of what was asked for before there was more to be had, a refusal says nothing any more.
                if state.epoch == self.epoch || error.is_retryable() {
                    let failures = state.failures() + 1;
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
        }
        flight.land(Err(error));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        let Some(flight) = self.flight.take() else { return };
        if lock(&self.slot.state).end(&flight) {
            self.slot.quiet_until.store(0, Ordering::Relaxed);
        }
        flight.abandon();
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(all(test, not(entra_loom)))]
mod tests {
    use entra_proto::{AccessToken, FreshnessPolicy, Lifetime, SignerError, Target, Timestamp};

    use super::*;

    fn now(seconds: u64) -> Now {
        Now {
            wall: Timestamp::from_secs(1_767_225_600 + seconds),
            monotonic: Duration::from_secs(seconds),
        }
    }

    /// A slot with a token from second 0 that is due from second 1800 on.
    fn due() -> Arc<Slot> {
        let slot = Arc::new(Slot::new(Key {
            tenant: "contoso.com".parse().unwrap(),
            target: Target::resource("https://graph.microsoft.com").unwrap(),
            claims: None,
            user: None,
        }));
        let lifetime = Lifetime::new(now(0).wall, Duration::from_secs(3600), Some(Duration::from_secs(1800)));
        let stages = FreshnessPolicy::default().stages(&lifetime, 0);
        let token = AccessToken::new("t").unwrap();
        let token = Token::new(token, &lifetime, stages, now(0), None, Arc::downgrade(&slot));
        slot.refresh(now(0)).unwrap().land(token, true);
        slot
    }

    const PATIENCE: Duration = Duration::from_secs(120);

    fn fail(lead: Lead, at: u64) {
        let error = entra_proto::Error::from(SignerError::new("sealed"));
        let error = Error::from(error);
        let wait = lead.cool_down(&error, &Policy::default());
        lead.fail(error, wait, now(at));
    }

    #[test]
    fn one_refresh_at_a_time_and_none_too_soon() {
        let slot = due();
        assert!(
            !slot.peek(now(1799)).unwrap().1 && slot.refresh(now(1799)).is_none(),
            "it is fresh"
        );
        assert!(slot.peek(now(1800)).unwrap().1);
        let lead = slot.refresh(now(1800)).unwrap();
        assert!(!slot.peek(now(1800)).unwrap().1, "nobody needs to try");
        assert!(slot.refresh(now(1800)).is_none(), "one is in the air");
        fail(lead, 1801);
        assert!(
            !slot.peek(now(1805)).unwrap().1 && slot.refresh(now(1805)).is_none(),
            "it cools down"
        );
        assert!(slot.peek(now(1806)).unwrap().1);
        drop(slot.refresh(now(1806)).unwrap());
        assert!(slot.peek(now(1806)).unwrap().1, "whoever was to do it went away");
    }

    #[test]
    fn a_failure_is_over_when_either_clock_says_so() {
        for (what, wall, monotonic, over) in [
            ("neither", 3, 3, false),
            ("the time of day", 6, 3, true),
            ("the other clock", 3, 6, true),
            ("the time of day was set back", 0, 3, false),
            ("set back, and time has passed", 0, 6, true),
        ] {
            let slot = due();
            slot.forget();
            let Turn::Lead(lead) = slot.join(now(1), false, PATIENCE) else {
                panic!("nobody leads")
            };
            fail(lead, 1);
            let later = Now {
                wall: now(wall).wall,
                monotonic: Duration::from_secs(monotonic),
            };
            assert_eq!(
                matches!(slot.join(later, false, PATIENCE), Turn::Lead(_)),
                over,
                "{what}"
            );
        }
    }

    #[test]
    fn what_is_forgotten_is_the_failure_too() {
        let slot = due();
        fail(slot.refresh(now(1800)).unwrap(), 1800);
        slot.forget();
        assert!(matches!(slot.join(now(1801), false, PATIENCE), Turn::Lead(_)));
    }

    #[test]
    fn a_flight_that_takes_too_long_gets_a_successor_and_leaves_it_alone() {
        let slot = due();
        slot.forget();
        let lead = |at| match slot.join(now(at), false, PATIENCE) {
            Turn::Lead(lead) => Some(lead),
            _ => None,
        };
        let first = lead(0).unwrap();
        let Turn::Wait(_, left) = slot.join(now(50), false, PATIENCE) else {
            panic!("nobody waits")
        };
        assert_eq!(left, Duration::from_secs(70));
        assert!(lead(119).is_none());
        let second = lead(120).unwrap();
        fail(first, 121);
        assert!(
            lead(122).is_none(),
            "the second is in the air, and no failure is remembered"
        );
        drop(second);
        assert!(lead(123).is_some());
    }
}
