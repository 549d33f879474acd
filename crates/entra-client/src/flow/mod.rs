//! The rules of a client as state machines without I/O.
//!
//! Each state of a machine is an effect: one action, such as sending a request, and the data for
//! it. A driver performs the action and passes the outcome to the effect's method `done`, which
//! consumes the effect and returns the next one. There are two drivers: [`tasks`](crate::tasks)
//! awaits, and [`threads`](crate::blocking::threads) blocks its thread.
//!
//! A **caller** that finds no token in the cache ([`CallerEffect`]) looks at the slot and is in one
//! of three states:
//!
//! - **Run**: the caller has started a flight and runs it itself.
//! - **Join**: the caller waits for a flight, which runs in a task, in a thread, or in another
//!   caller.
//! - **Done**: the caller has the cached token, the cached failure, or the outcome of the flight.
//!
//! ```text
//!             ┌──────────────────────────────────────────────┐
//!             ▼                        the flight was lost,  │
//!   look at the slot                   or does not serve     │
//!     │   │   ├──► Run: run the flight ──────────────┐       │
//!     │   │   │                                      ▼       │
//!     │   │   └──► spawn a flight ────────────────► Join ────┘
//!     │   └──────► another caller's flight serves ──►┘ │
//!     ▼                                                ▼
//!   Done: cached token or failure            Done: the outcome
//! ```
//!
//! A **flight** acquires the token of a slot for all callers. A **sign-in** acquires a user's first
//! token for one caller, so it uses no shared store and shares its outcome with no other caller.
//! The states of both ([`Effect`]) are:
//!
//! - **Wait**: wait for another flight that looks for a member of the chain.
//! - **Load**: read the shared store.
//! - **Sleep**: wait for a pause that an earlier flight was asked for, or between two requests.
//! - **Sign**, **Assert**: sign an assertion, or fetch one of another issuer.
//! - **Run**: run a command of the developer's machine.
//! - **Send**: send a request.
//! - **Save**: write the token to the shared store. All callers have it already.
//! - **Done**: the acquisition has ended.
//!
//! ```text
//!   Load ──► Sleep ──► begin ──► Sign, Assert ──► Send ──► complete ──► Save
//!    │                  ▲             ▲           │  │         │          │
//!    │                  │             └─ Sleep ◄──┘  ▼         │          │
//!    │                  └───── remedy ◄──────────── fail       │          │
//!    ▼                                               ▼         ▼          ▼
//!   Done: the stored token serves                   Done: the outcome
//! ```
//!
//! The steps between *begin* and *complete* are those of entra-proto's own machine,
//! [`Step`](entra_proto::acquire::Step), and of the one for device codes. A *remedy* sends the
//! request again after the service has rejected it: once with a newer refresh token, if there is
//! one, and once with a newly signed assertion. In a chain, a flight that finds a member absent
//! begins again with the next one.
//!
//! A driver guarantees the following:
//!
//! - It keeps the [`FlightOwner`] of a flight in the task, thread or caller that runs the flight. A
//!   flight in a task or a thread ends by itself, even if all callers give up. A flight that a
//!   caller runs is dropped together with that caller.
//! - It catches a panic between two effects there, which becomes the failure of the flight.
//!
//! An owner that is dropped without an outcome wakes the waiting callers, and one of them starts
//! another flight.
//!
//! Consent flows have a machine of their own: see [`ConsentEffect`]. So have watches, which return
//! each token that a slot gets: see [`Watch`].

mod acquisition;
mod attempt;
mod caller;
mod completion;
mod consent;
mod flight;
mod members;
mod sign_in;
mod task;
mod turns;
mod watch;

use std::time::Duration;

use entra_proto::cache::CacheKey;

use crate::cache::Waiter;
use crate::token_store::StoredToken;

pub(crate) use self::acquisition::{Acquisition, Assert, Goal, RunCommand, SendRequest, Sign, Sleep};
pub(crate) use self::caller::{CallerEffect, Want};
pub(crate) use self::consent::ConsentEffect;
pub(crate) use self::flight::FlightGoal;
use self::members::Members;
pub(crate) use self::sign_in::SignInGoal;
pub(crate) use self::task::FlightTask;
pub(crate) use self::turns::TurnLimit;
pub(crate) use self::watch::{Watch, WatchEffect};

/// The next effect of a flight or a sign-in. Each variant tells the driver what to do.
///
/// Exhaustive on purpose: a driver is one total `match`.
pub(crate) enum Effect<'a, D, G: Goal> {
    /// Wait for another flight.
    Wait(Wait<'a, D, G>),
    /// Load a token from the shared store.
    Load(Load<'a, D, G>),
    /// Wait.
    Sleep(Sleep<'a, D, G>),
    /// Sign an assertion.
    Sign(Sign<'a, D, G>),
    /// Fetch an assertion of another issuer.
    Assert(Assert<'a, D, G>),
    /// Run a command.
    Run(RunCommand<'a, D, G>),
    /// Send a request.
    Send(SendRequest<'a, D, G>),
    /// Save the token in the shared store. All callers have it already.
    Save(Save<G>),
    /// Return the outcome.
    Done(G::Output),
}

impl<D, G: Goal> Effect<'_, D, G> {
    /// Returns the name of the state.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Wait(_) => "Wait",
            Self::Load(_) => "Load",
            Self::Sleep(_) => "Sleep",
            Self::Sign(_) => "Sign",
            Self::Assert(_) => "Assert",
            Self::Run(_) => "Run",
            Self::Send(_) => "Send",
            Self::Save(_) => "Save",
            Self::Done(_) => "Done",
        }
    }
}

/// A wait for the flight that looks for a member of the chain.
pub(crate) struct Wait<'a, D, G: Goal> {
    acquisition: Acquisition<'a, D, G>,
    pub(crate) waiter: Waiter,
    /// The time after which this flight looks for the member itself.
    pub(crate) patience: Duration,
    members: Members,
    then: ChooseMember<'a, D, G>,
}

type ChooseMember<'a, D, G> = fn(Acquisition<'a, D, G>, Members) -> Effect<'a, D, G>;

impl<'a, D, G: Goal> Wait<'a, D, G> {
    /// Continues after the other flight has found the member or has failed, or takes too long.
    pub(crate) fn done(self) -> Effect<'a, D, G> {
        (self.then)(self.acquisition, self.members)
    }
}

/// A read of the shared store, before the service is called.
pub(crate) struct Load<'a, D, G> {
    acquisition: Acquisition<'a, D, G>,
    key: CacheKey,
    request: entra_proto::TokenRequest,
}

impl<'a, D, G: Goal> Load<'a, D, G> {
    pub(crate) fn key(&self) -> &CacheKey {
        &self.key
    }

    /// Continues with the entry that the store has under the key.
    pub(crate) fn done(self, stored: Option<StoredToken>) -> Effect<'a, D, G> {
        G::on_loaded(self.acquisition, self.key, self.request, stored)
    }
}

/// A write of a token to the shared store.
pub(crate) struct Save<G: Goal> {
    key: CacheKey,
    token: StoredToken,
    output: G::Output,
}

impl<G: Goal> Save<G> {
    pub(crate) fn key(&self) -> &CacheKey {
        &self.key
    }

    pub(crate) fn token(&self) -> &StoredToken {
        &self.token
    }

    pub(crate) fn done(self) -> G::Output {
        self.output
    }
}
