//! A caller that found no token in the cache: it joins the flight of the slot, or starts one.

use std::sync::Arc;
use std::time::Duration;

use entra_proto::cache::Freshness;

use super::task::FlightTask;
use crate::cache::{FlightOwner, JoinOutcome, Slot, Waiter};
use crate::core::Core;
use crate::error::Error;
use crate::gate::Permit;
use crate::observer::EventKind;
use crate::request::FlightRequest;
use crate::token::Token;

/// The tokens that a caller accepts.
#[derive(Clone, Copy)]
pub(crate) enum Want {
    /// Any token that may be used.
    Valid,
    /// A token that is requested from now on.
    Requested,
    /// A token that was requested after the one with this number.
    After(u64),
}

/// The next effect of a caller. Each variant tells the driver what to do.
///
/// Exhaustive on purpose: a driver is one total `match`.
#[expect(
    clippy::large_enum_variant,
    reason = "each is moved once, before a request over the network"
)]
pub(crate) enum CallerEffect<'a, D> {
    /// Run a flight, and join it.
    Run(NewFlight<'a, D>),
    /// Wait for the outcome of a flight.
    Join(Join<'a, D>),
    /// Return the outcome.
    Done(Result<Token, Error>),
}

/// A caller, with the tokens that it accepts and what it has learned so far.
pub(crate) struct Caller<'a, D> {
    core: &'a Arc<Core<D>>,
    slot: &'a Arc<Slot>,
    /// The caller accepts only tokens of requests with a greater number.
    after: Option<u64>,
    /// The request that was made for a new slot.
    request: Option<FlightRequest>,
    /// False once a flight that this caller spawned was lost: a runtime may drop its tasks.
    may_spawn: bool,
}

/// A flight that has not begun, and the state of the caller that joins it.
pub(crate) struct NewFlight<'a, D> {
    pub(crate) flight: FlightTask,
    pub(crate) join: Join<'a, D>,
}

/// A wait for a flight.
pub(crate) struct Join<'a, D> {
    caller: Caller<'a, D>,
    pub(crate) waiter: Waiter,
    /// The time after which the caller looks at the slot again.
    pub(crate) patience: Duration,
    /// True if the outcome serves this caller: the request is sent late enough.
    serves: bool,
    /// True if this caller started the flight.
    is_own: bool,
}

impl<'a, D> CallerEffect<'a, D> {
    /// Starts a caller. `request` is the request of the slot, if it was made already.
    pub(crate) fn start(
        core: &'a Arc<Core<D>>,
        slot: &'a Arc<Slot>,
        request: Option<FlightRequest>,
        want: Want,
    ) -> Self {
        let after = match want {
            Want::Valid => None,
            Want::Requested => Some(slot.last_request()),
            Want::After(number) => Some(number),
        };
        let caller = Caller {
            core,
            slot,
            after,
            request,
            may_spawn: true,
        };
        caller.look()
    }

    /// Returns the name of the state.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Run(_) => "Run",
            Self::Join(_) => "Join",
            Self::Done(_) => "Done",
        }
    }
}

impl<'a, D> Caller<'a, D> {
    /// Looks at the slot, which had no usable token a moment ago.
    fn look(self) -> CallerEffect<'a, D> {
        let Self { core, slot, after, .. } = self;
        let now = core.clock.now();
        let unexpired = || slot.unexpired(now).filter(|_| after.is_none());
        match slot.join(now, after, core.policy.patience) {
            JoinOutcome::Ready(token) => {
                let kind = match token.freshness(now) {
                    Freshness::Expired => EventKind::ServedAnyway,
                    _ => EventKind::CacheHit,
                };
                self.done(kind, Ok(token))
            }
            JoinOutcome::CoolingDown(error) => self.done(EventKind::CachedFailure, Err(error)),
            JoinOutcome::Wait { waiter, left, serves } => {
                let grace = unexpired().map(|token| {
                    let passed = core.policy.patience.saturating_sub(left);
                    (token, core.policy.grace.saturating_sub(passed))
                });
                if let Some((token, Duration::ZERO)) = grace {
                    return self.done(EventKind::ServedAnyway, Ok(token));
                }
                core.observe(slot.key(), EventKind::Joined, None);
                CallerEffect::Join(Join {
                    caller: self,
                    waiter,
                    patience: grace.map_or(left, |(_, grace)| left.min(grace)),
                    serves,
                    is_own: false,
                })
            }
            JoinOutcome::Start(owner) => match unexpired() {
                None => {
                    let gate = core.detached.as_ref().filter(|_| self.may_spawn);
                    let permit = gate.and_then(|gate| gate.enter());
                    let spawn = permit.is_some();
                    self.start_flight(owner, permit, spawn, core.policy.patience)
                }
                // The caller has a token, so the flight runs in the background, and the caller
                // waits for a short time only.
                Some(token) => match core.background.enter() {
                    Some(permit) => {
                        let spawn = self.may_spawn;
                        self.start_flight(owner, Some(permit), spawn, core.policy.grace)
                    }
                    None => {
                        drop(owner);
                        self.done(EventKind::ServedAnyway, Ok(token))
                    }
                },
            },
        }
    }

    /// Starts a flight: spawns it where it goes on without the caller, or has the caller run it.
    fn start_flight(
        mut self,
        owner: FlightOwner,
        permit: Option<Permit>,
        spawn: bool,
        patience: Duration,
    ) -> CallerEffect<'a, D> {
        let waiter = owner.waiter();
        let request = match self.request.take() {
            Some(request) => request,
            None => match self.core.request(self.slot.key()) {
                Ok(request) => request,
                Err(error) => return CallerEffect::Done(Err(error)),
            },
        };
        let core = self.core;
        let flight = FlightTask { owner, request, permit };
        let join = Join {
            caller: self,
            waiter,
            patience,
            serves: true,
            is_own: true,
        };
        if spawn {
            (core.spawn_flight)(core, flight);
            CallerEffect::Join(join)
        } else {
            CallerEffect::Run(NewFlight { flight, join })
        }
    }

    fn done(self, kind: EventKind, outcome: Result<Token, Error>) -> CallerEffect<'a, D> {
        self.core.observe(self.slot.key(), kind, outcome.as_ref().err());
        CallerEffect::Done(outcome)
    }

    /// Returns the cached token if it has not expired, for a caller that waited without success.
    fn fallback(&self, error: Option<&Error>) -> Option<Token> {
        let now = self.core.clock.now();
        let token = self.slot.unexpired(now).filter(|_| self.after.is_none())?;
        self.core.observe(self.slot.key(), EventKind::ServedAnyway, error);
        Some(token)
    }
}

impl<'a, D> Join<'a, D> {
    /// Continues with the result of the wait: the outcome of the flight, `Some(None)` if the flight
    /// was dropped, or `None` if it takes too long.
    pub(crate) fn done(mut self, outcome: Option<Option<Result<Token, Error>>>) -> CallerEffect<'a, D> {
        match outcome {
            Some(Some(outcome)) if self.serves => {
                let outcome = outcome.or_else(|error| self.caller.fallback(Some(&error)).ok_or(error));
                CallerEffect::Done(outcome)
            }
            Some(Some(_)) => self.caller.look(),
            Some(None) => {
                self.caller.may_spawn &= !self.is_own;
                self.caller.look()
            }
            None => {
                // The runtime may not run the flight at all.
                self.caller.may_spawn &= !self.is_own;
                match self.caller.fallback(None) {
                    Some(token) => CallerEffect::Done(Ok(token)),
                    None => self.caller.look(),
                }
            }
        }
    }
}
