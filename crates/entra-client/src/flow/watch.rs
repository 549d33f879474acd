//! A watch of a slot: it returns each token that the slot gets, and has the next one requested in
//! time.

use std::sync::Arc;
use std::time::Duration;

use entra_proto::cache::Freshness;

use crate::cache::{Slot, Watcher};
use crate::clock::Moment;
use crate::core::Core;
use crate::error::Error;
use crate::token::Token;

/// The next effect of a watch. Each variant tells the driver what to do, after which it calls
/// [`Watch::look`] again.
///
/// Exhaustive on purpose: a driver is one total `match`.
pub(crate) enum WatchEffect {
    /// Return this token.
    Return(Token),
    /// Run a caller that accepts any valid token, and pass the outcome to [`Watch::acquired`].
    Acquire,
    /// Wait until the slot changes, but not longer than this.
    Wait(Duration),
}

/// A watch of a slot: a party that wants each new token, and calls no other method meanwhile.
///
/// The watch requests tokens as a caller does, by the same rules and in the same flights:
///
/// ```text
///   look at the slot
///     ├─ a newer token that may be used ─────► Return
///     ├─ the token that was returned last
///     │    ├─ is fresh ──────────────────────► Wait for its next stage
///     │    ├─ needs refresh ─► background refresh, Wait for its end
///     │    └─ rejected, or within the margin ► Acquire, at the earliest
///     │                                        after the cool-down
///     └─ no unexpired token ─────────────────► Acquire; after an error was
///                                              returned, after the cool-down
/// ```
pub(crate) struct Watch<D> {
    pub(crate) core: Arc<Core<D>>,
    pub(crate) watcher: Watcher,
    /// The number of the token that was returned last.
    returned: u64,
    /// True if an error was returned since then.
    has_failed: bool,
    /// The moment of the monotonic clock before which this watch requests nothing.
    request_after: Duration,
}

impl<D> Watch<D> {
    pub(crate) fn new(core: Arc<Core<D>>, slot: Arc<Slot>) -> Self {
        Self {
            core,
            watcher: Watcher::new(slot),
            returned: 0,
            has_failed: false,
            request_after: Duration::ZERO,
        }
    }

    pub(crate) fn slot(&self) -> &Arc<Slot> {
        self.watcher.slot()
    }

    /// Looks at the slot.
    pub(crate) fn look(&mut self) -> WatchEffect {
        let now = self.core.clock.now();
        let held = self.slot().held();
        if let Some(newer) = held.as_ref().filter(|held| held.number() > self.returned) {
            return match newer.freshness(now) {
                Freshness::Expired => self.acquire_after(Duration::ZERO, MAX_WAIT, now),
                Freshness::Fresh | Freshness::NeedsRefresh => WatchEffect::Return(self.returning(newer.clone(), now)),
            };
        }
        match held.filter(|token| token.is_alive(now)) {
            Some(token) => match token.freshness(now) {
                Freshness::Fresh => wait(token.time_to_next_stage(now)),
                Freshness::NeedsRefresh => {
                    let left = self.slot().quiet_left(now).max(self.pause_left(now));
                    if left.is_zero() {
                        self.pause(now);
                        self.core.refresh(self.slot(), now);
                    }
                    wait(left.max(PAUSE).min(token.time_to_next_stage(now)))
                }
                Freshness::Expired => {
                    let left = self.slot().time_to_next_outcome(now);
                    self.acquire_after(left, token.time_to_expiry(now), now)
                }
            },
            None => {
                let left = match self.has_failed {
                    true => self.slot().time_to_next_outcome(now),
                    false => Duration::ZERO,
                };
                self.acquire_after(left, MAX_WAIT, now)
            }
        }
    }

    /// Continues with the outcome of a caller. Returns the outcome of the watch, if it has one now.
    pub(crate) fn acquired(&mut self, outcome: Result<Token, Error>) -> Option<Result<Token, Error>> {
        let now = self.core.clock.now();
        let held = self.slot().held();
        match outcome {
            // The slot does not hold a token that was forgotten while it was requested.
            Ok(token) => {
                let is_held = held.is_some_and(|held| held.number() == token.number());
                (is_held && token.number() > self.returned).then(|| Ok(self.returning(token, now)))
            }
            // The caller has an unexpired token.
            Err(_) if held.is_some_and(|held| held.number() <= self.returned && held.is_alive(now)) => None,
            Err(error) => {
                self.has_failed = true;
                Some(Err(error))
            }
        }
    }

    /// Acquires a token after `left`, or after the pause if that is longer. Looks at the slot again
    /// after `limit`.
    fn acquire_after(&mut self, left: Duration, limit: Duration, now: Moment) -> WatchEffect {
        let left = left.max(self.pause_left(now));
        if !left.is_zero() {
            return wait(left.min(limit));
        }
        self.pause(now);
        WatchEffect::Acquire
    }

    /// Records that this token is returned.
    fn returning(&mut self, token: Token, now: Moment) -> Token {
        self.returned = token.number();
        self.has_failed = false;
        if token.freshness(now) != Freshness::Expired {
            self.request_after = Duration::ZERO;
        }
        token
    }

    /// Starts the pause after a request.
    fn pause(&mut self, now: Moment) {
        self.request_after = now.monotonic.saturating_add(PAUSE);
    }

    fn pause_left(&self, now: Moment) -> Duration {
        self.request_after.saturating_sub(now.monotonic)
    }
}

fn wait(time: Duration) -> WatchEffect {
    WatchEffect::Wait(time.clamp(MIN_WAIT, MAX_WAIT))
}

/// The time from one request of a watch to the next, unless the first brought a token that may be
/// used. The rules of the slot usually take longer: this one bounds the requests for tokens that
/// have expired when they arrive, and those of a runtime that drops its tasks.
const PAUSE: Duration = Duration::from_secs(1);

/// The shortest wait: clocks have a resolution, and timers another one.
const MIN_WAIT: Duration = Duration::from_millis(1);

/// The longest wait. Timers do not notice that the machine slept or that its clock was set, so a
/// watch looks at the clocks once a minute.
const MAX_WAIT: Duration = Duration::from_secs(60);
