//! The rules of a client as two machines: they decide everything and do no I/O.
//!
//! A driver holds an effect, does what it says, hands in the outcome, and gets the next effect. There are two drivers: one awaits
//! ([`tasks`](crate::tasks)), the other blocks its thread ([`threads`](crate::blocking::threads)). Each effect is a state that holds what
//! it needs, and handing in the outcome consumes it.
//!
//! A **caller** that finds no token in the cache ([`Call`]):
//!
//! ```text
//!            ┌────────────────────────────────────────────────────────────────────┐ the flight was lost,
//!            ▼                                                                    │ or served others
//!   look at the slot ──► Detach: another task or thread runs the flight ──┐       │
//!            │      └──► Fly: the caller runs the flight ─────────────────┼──► Join: wait for its outcome
//!            │      └──► a flight of another caller serves ───────────────┘       │
//!            ▼                                                                    ▼
//!          Done: the token in the cache, the failure that is remembered, or the outcome of the flight
//! ```
//!
//! A **flight** acquires the token of a slot for all callers. A **sign-in** acquires a user's first token for one caller, so it has
//! neither a store nor callers that join ([`Effect`]):
//!
//! ```text
//!   Load ──► Sleep ──────────► begin ──► Sign or Assert ──► Send ──► complete ──► Save ──► Done
//!    │       the pause that      ▲   └──────────┬───────────▲ │
//!    │       another flight was  │              │ resume    │ │ it may pass
//!    │       asked for           │              └── Sleep ◄─┼─┘
//!    │                           └── once more, another way ─┤
//!    └─► Done: the store's token serves                      └──► fail ──► Done
//! ```
//!
//! The steps between *begin* and *complete* are those of entra-proto's own machine, [`Step`](entra_proto::acquire::Step), and of the one that it
//! has for device codes. *Once more* is for a rejection that a newer refresh token, or an assertion that is signed anew, may remedy:
//! each remedy is tried once.
//!
//! **The invariant of a driver**: while a flight runs, its [`Lead`] lives in the frame around it, and nothing that a caller does drops
//! that frame before the flight has ended, unless the frame is the caller's own. A panic between two effects is caught there, and becomes
//! the flight's failure. A lead that is dropped without an outcome wakes the callers that wait, and one of them starts over.

mod acquisition;
mod attempt;
mod caller;
mod completion;
mod consent;
mod flight;
mod sign_in;

use entra_proto::cache::CacheKey;

use crate::token_store::StoredToken;

pub(crate) use self::acquisition::{Assert, Goal, Run, Sending, Sign, Sleep};
pub(crate) use self::attempt::Wanted;
pub(crate) use self::caller::{Call, Want};
pub(crate) use self::consent::Consenting;
pub(crate) use self::flight::{Flight, Flying};
pub(crate) use self::sign_in::SigningIn;

/// The next effect of a flight or a sign-in.
///
/// Exhaustive on purpose: a driver is one total `match`.
pub(crate) enum Effect<'a, D, G: Goal> {
    /// Load a token from the shared store.
    Load(Load<'a, D, G>),
    /// Wait.
    Sleep(Sleep<'a, D, G>),
    /// Sign an assertion.
    Sign(Sign<'a, D, G>),
    /// Fetch an assertion of another issuer.
    Assert(Assert<'a, D, G>),
    /// Send a request.
    Send(Sending<'a, D, G>),
    /// Save the token in the shared store. All callers have it already.
    Save(Save<G>),
    /// Nothing: here is the outcome.
    Done(G::Output),
}

/// A look into the shared store, before the service is called.
pub(crate) struct Load<'a, D, G> {
    run: Run<'a, D, G>,
    key: CacheKey,
    request: entra_proto::TokenRequest,
}

impl<'a, D, G: Goal> Load<'a, D, G> {
    pub(crate) fn key(&self) -> &CacheKey {
        &self.key
    }

    /// Takes what the store has under the key.
    pub(crate) fn done(self, stored: Option<StoredToken>) -> Effect<'a, D, G> {
        G::loaded(self.run, self.key, self.request, stored)
    }
}

/// A token that the shared store should have.
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
