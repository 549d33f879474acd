//! The members of a chain: a flight looks for the first one that is not absent.

use std::sync::Arc;

use super::acquisition::{Acquisition, Goal as _};
use super::flight::FlightGoal;
use super::{Effect, Wait};
use crate::cache::Key;
use crate::chain::{Absence, Look, Search, Selection};
use crate::error::Error;
use crate::request::{InitialRequest, request_of_member};
use crate::subject::Subject;
use crate::token::Token;

/// The chain of a flight, and the token that an API has rejected with claims.
pub(crate) struct Members {
    pub(super) selection: Arc<Selection>,
    pub(super) rejected: Option<Token>,
}

/// The position of a flight in a chain.
pub(super) struct Walk {
    members: Members,
    at: At,
}

enum At {
    /// The flight tries the next member of its search, which may turn out to be absent.
    Searching(Search),
    /// The same, for a member that cannot acquire the token of this flight. The request is for a
    /// token of the member itself. If it is present, the flight ends with the error.
    Probing(Search, Error),
    /// The flight uses this member.
    Member(usize),
}

/// The result of [`Walk::choose`].
pub(super) enum Choice {
    /// The member's token is that of the flight.
    Chosen,
    /// Another member is chosen, which acquires the token.
    Other(Members),
    /// The member is chosen, but cannot acquire the token of the flight.
    Unfit(Error),
}

impl Members {
    /// Returns the request of a member for the token of a key.
    fn request(&self, index: usize, key: &Key) -> Result<InitialRequest, Error> {
        let member = self
            .selection
            .member(index)
            .expect("the selection names one of its members");
        request_of_member(member, key, self.rejected.as_ref())
    }
}

impl Walk {
    /// Returns the index of the member that the flight tries or uses.
    fn member(&self) -> usize {
        match &self.at {
            At::Searching(search) | At::Probing(search, _) => search.next(),
            At::Member(index) => *index,
        }
    }

    /// Chooses the member, which has acquired a token, unless another one is chosen.
    pub(super) fn choose(self) -> Choice {
        match (self.members.selection.choose(self.member()), self.at) {
            (false, _) => Choice::Other(self.members),
            (true, At::Probing(_, error)) => Choice::Unfit(error),
            (true, At::Searching(_) | At::Member(_)) => Choice::Chosen,
        }
    }

    /// Leaves the member, which failed with this error. Returns the search to continue if the
    /// member is absent.
    pub(super) fn leave(self, error: &Error) -> Option<(Members, Search)> {
        match self.at {
            At::Searching(mut search) | At::Probing(mut search, _) if error.is_absent() => {
                search.skip(absence_of(error));
                Some((self.members, search))
            }
            At::Searching(_) | At::Probing(..) => None,
            At::Member(index) => {
                self.members.selection.failed(index);
                None
            }
        }
    }

    /// Returns the member's request for the token of a key.
    pub(super) fn request(&self, key: &Key) -> Result<InitialRequest, Error> {
        self.members.request(self.member(), key)
    }
}

impl<'a, 'l, D> Acquisition<'a, D, FlightGoal<'l>> {
    /// Continues with the member of the chain: the chosen one, or the first one that is present.
    pub(super) fn choose_member(mut self, members: Members) -> Effect<'a, D, FlightGoal<'l>> {
        let core = self.core;
        match members.selection.look(core.clock.now(), core.policy.patience) {
            Look::Member(index) => {
                let request = members.request(index, self.goal.owner.slot().key());
                self.enter(members, At::Member(index));
                match request {
                    Ok(request) => self.load_or_begin(request),
                    Err(error) => FlightGoal::fail(self, None, error),
                }
            }
            Look::Search(search) => self.search_member(members, search),
            Look::Wait(waiter, patience) => Effect::Wait(Wait {
                acquisition: self,
                waiter,
                patience,
                members,
                then: Self::choose_member,
            }),
            Look::Absent(error) => FlightGoal::fail(self, None, error),
        }
    }

    /// Tries the members of the search in their order.
    pub(super) fn search_member(mut self, members: Members, mut search: Search) -> Effect<'a, D, FlightGoal<'l>> {
        let slot = Arc::clone(self.goal.owner.slot());
        loop {
            let index = search.next();
            let Some(member) = members.selection.member(index) else {
                let error = search.exhausted(self.core.clock.now(), &self.core.policy);
                return FlightGoal::fail(self, None, error);
            };
            let (request, at) = match members.request(index, slot.key()) {
                Ok(request) if member.is_certain() => {
                    search.found();
                    (Ok(request), At::Member(index))
                }
                Ok(request) => (Ok(request), At::Searching(search)),
                Err(error) if error.is_absent() => {
                    search.skip(absence_of(&error));
                    continue;
                }
                Err(error) if member.serves(slot.key()) => return FlightGoal::fail(self, None, error),
                Err(error) => (members.request(index, &own_key(slot.key())), At::Probing(search, error)),
            };
            self.enter(members, at);
            return match request {
                Ok(request) => self.load_or_begin(request.probing()),
                Err(error) => FlightGoal::fail(self, None, error),
            };
        }
    }

    fn enter(&mut self, members: Members, at: At) {
        let walk = Walk { members, at };
        if let Some(member) = walk.members.selection.member(walk.member()) {
            self.span.record("member", &*member.name);
        }
        self.goal.walk = Some(walk);
    }
}

/// Returns the key of a member's own token for the same target.
fn own_key(key: &Key) -> Key {
    Key {
        tenant: None,
        target: key.target.clone(),
        claims: None,
        subject: Subject::Principal,
    }
}

/// Returns the absence that an error is about.
fn absence_of(error: &Error) -> Absence {
    let absence = Absence::new(error.to_string());
    match error.hint() {
        Some(hint) => absence.with_hint(hint.to_owned()),
        None => absence,
    }
}
