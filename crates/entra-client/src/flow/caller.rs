//! A caller that found no token in the cache: it joins the slot's flight, or starts one.

use std::sync::Arc;
use std::time::Duration;

use entra_proto::TokenRequest;
use entra_proto::cache::Freshness;

use super::flight::Flight;
use crate::cache::{Lead, Slot, Turn, Waiter};
use crate::core::Core;
use crate::error::Error;
use crate::gate::Permit;
use crate::observer::EventKind;
use crate::token::Token;

/// Which token a caller wants.
#[derive(Clone, Copy)]
pub(crate) enum Want {
    /// One that lives.
    Living,
    /// One that is requested from now on.
    Requested,
    /// One that was requested after the one of this number.
    After(u64),
}

/// The next effect of a caller.
///
/// Exhaustive on purpose: a driver is one total `match`.
pub(crate) enum Call<'a, D> {
    /// Have a flight run where it goes on without the caller, and join it.
    Detach(Departure<'a, D>),
    /// Run a flight, and join it.
    Fly(Departure<'a, D>),
    /// Wait for the outcome of a flight.
    Join(Join<'a, D>),
    /// Nothing: here is the outcome.
    Done(Result<Token, Error>),
}

/// What a caller wants, and what it knows.
pub(crate) struct Caller<'a, D> {
    core: &'a Arc<Core<D>>,
    slot: &'a Arc<Slot>,
    /// The number of a request that was sent too early, as were those before it.
    after: Option<u64>,
    /// A request that was made for a new slot.
    request: Option<TokenRequest>,
    /// False once a flight that this caller detached was lost: a runtime may drop what it is given.
    runs_tasks: bool,
}

/// A flight that has not begun, and the caller that joins it.
pub(crate) struct Departure<'a, D> {
    pub(crate) flight: Flight,
    pub(crate) join: Join<'a, D>,
}

/// A wait for a flight.
pub(crate) struct Join<'a, D> {
    caller: Caller<'a, D>,
    pub(crate) waiter: Waiter,
    /// How long to wait before the caller looks again.
    pub(crate) patience: Duration,
    /// The outcome is for this caller: the request was sent, or will be sent, late enough.
    serves: bool,
    /// The caller started the flight.
    is_own: bool,
}

impl<'a, D> Call<'a, D> {
    /// Starts a caller. `request` is one that is at hand.
    pub(crate) fn start(
        core: &'a Arc<Core<D>>,
        slot: &'a Arc<Slot>,
        request: Option<TokenRequest>,
        want: Want,
    ) -> Self {
        let after = match want {
            Want::Living => None,
            Want::Requested => Some(slot.last_number()),
            Want::After(number) => Some(number),
        };
        let caller = Caller {
            core,
            slot,
            after,
            request,
            runs_tasks: true,
        };
        caller.look()
    }
}

impl<'a, D> Caller<'a, D> {
    /// Looks at the slot, which has no token for this caller as far as is known.
    fn look(self) -> Call<'a, D> {
        let Self { core, slot, after, .. } = self;
        let now = core.clock.now();
        let living = || slot.living(now).filter(|_| after.is_none());
        match slot.join(now, after, core.policy.patience) {
            Turn::Ready(token) => {
                let kind = match token.freshness(now) {
                    Freshness::Missing => EventKind::ServedAnyway,
                    _ => EventKind::CacheHit,
                };
                self.done(kind, Ok(token))
            }
            Turn::Cooling(error) => self.done(EventKind::CachedFailure, Err(error)),
            Turn::Wait { waiter, left, serves } => {
                let grace = living().map(|token| {
                    let passed = core.policy.patience.saturating_sub(left);
                    (token, core.policy.grace.saturating_sub(passed))
                });
                if let Some((token, Duration::ZERO)) = grace {
                    return self.done(EventKind::ServedAnyway, Ok(token));
                }
                core.observe(slot.key(), EventKind::Joined, None);
                Call::Join(Join {
                    caller: self,
                    waiter,
                    patience: grace.map_or(left, |(_, grace)| left.min(grace)),
                    serves,
                    is_own: false,
                })
            }
            Turn::Lead(lead) => match living() {
                None => {
                    let gate = core.detached.as_ref().filter(|_| self.runs_tasks);
                    let permit = gate.and_then(|gate| gate.enter());
                    let is_detached = permit.is_some();
                    self.depart(lead, permit, is_detached, core.policy.patience)
                }
                // It has nothing to lose: the flight runs in the background, and the caller waits for a short time only.
                Some(token) => match core.background.enter() {
                    Some(permit) => {
                        let is_detached = self.runs_tasks;
                        self.depart(lead, Some(permit), is_detached, core.policy.grace)
                    }
                    None => {
                        drop(lead);
                        self.done(EventKind::ServedAnyway, Ok(token))
                    }
                },
            },
        }
    }

    fn depart(mut self, lead: Lead, permit: Option<Permit>, is_detached: bool, patience: Duration) -> Call<'a, D> {
        let waiter = lead.waiter();
        let request = match self.request.take() {
            Some(request) => request,
            None => match self.core.request(self.slot.key()) {
                Ok(request) => request,
                Err(error) => return Call::Done(Err(error)),
            },
        };
        let departure = Departure {
            flight: Flight { lead, request, permit },
            join: Join {
                caller: self,
                waiter,
                patience,
                serves: true,
                is_own: true,
            },
        };
        match is_detached {
            true => Call::Detach(departure),
            false => Call::Fly(departure),
        }
    }

    fn done(self, kind: EventKind, outcome: Result<Token, Error>) -> Call<'a, D> {
        self.core.observe(self.slot.key(), kind, outcome.as_ref().err());
        Call::Done(outcome)
    }

    /// Returns the token that is still alive, for a caller that waited in vain.
    fn instead(&self, error: Option<&Error>) -> Option<Token> {
        let now = self.core.clock.now();
        let living = self.slot.living(now).filter(|_| self.after.is_none())?;
        self.core.observe(self.slot.key(), EventKind::ServedAnyway, error);
        Some(living)
    }
}

impl<'a, D> Join<'a, D> {
    /// Takes what the wait gave: the outcome of the flight, `Some(None)` if the flight was dropped, and none if it takes too long.
    pub(crate) fn done(mut self, outcome: Option<Option<Result<Token, Error>>>) -> Call<'a, D> {
        match outcome {
            Some(Some(outcome)) if self.serves => {
                // A caller gets the token that is still alive if there is no newer one.
                Call::Done(outcome.or_else(|error| self.caller.instead(Some(&error)).ok_or(error)))
            }
            Some(Some(_)) => self.caller.look(),
            Some(None) => {
                self.caller.runs_tasks &= !self.is_own;
                self.caller.look()
            }
            None => {
                // The runtime may not run it at all.
                self.caller.runs_tasks &= !self.is_own;
                match self.caller.instead(None) {
                    Some(token) => Call::Done(Ok(token)),
                    None => self.caller.look(),
                }
            }
        }
    }
}
