//! The members of a chain: a flight looks for the first one that is not absent.

use std::sync::Arc;

use super::acquisition::{Acquisition, Goal as _};
use super::flight::FlightGoal;
use super::{Effect, Wait};
use crate::cache::Key;
use crate::chain::{Absence, Look, Search, Selection};
use crate::error::Error;
use crate::request::{InitialRequest, member_request};

/// The position of a flight in a chain.
pub(super) struct Walk {
    selection: Arc<Selection>,
    at: At,
}

enum At {
    /// The flight tries the next member of its search, which may turn out to be absent.
    Searching(Search),
    /// The flight uses this member.
    Member(usize),
}

impl Walk {
    /// Returns the index of the member that the flight tries or uses.
    fn member(&self) -> usize {
        match &self.at {
            At::Searching(search) => search.next(),
            At::Member(index) => *index,
        }
    }

    /// Chooses the member, which has acquired the token. Returns false if another one is chosen.
    fn choose(&self) -> bool {
        self.selection.choose(self.member())
    }

    /// Leaves the member, which failed with this error. Returns the search to continue if the
    /// member is absent.
    pub(super) fn leave(self, error: &Error) -> Option<(Arc<Selection>, Search)> {
        match self.at {
            At::Searching(mut search) if error.is_absent() => {
                search.skip(absence_of(error));
                Some((self.selection, search))
            }
            At::Searching(_) => None,
            At::Member(index) => {
                self.selection.failed(index);
                None
            }
        }
    }

    /// Returns the member's request for the token of a key.
    pub(super) fn request(&self, key: &Key) -> Result<InitialRequest, Error> {
        request_of(&self.selection, self.member(), key)
    }
}

impl<'a, 'l, D> Acquisition<'a, D, FlightGoal<'l>> {
    /// Continues with the member of the chain: the chosen one, or the first one that is present.
    pub(super) fn choose_member(mut self, selection: Arc<Selection>) -> Effect<'a, D, FlightGoal<'l>> {
        let Self { core, .. } = self;
        match selection.look(core.clock.now(), core.policy.patience) {
            Look::Member(index) => {
                let request = request_of(&selection, index, self.goal.owner.slot().key());
                self.enter(selection, At::Member(index));
                match request {
                    Ok(request) => self.load_or_begin(request),
                    Err(error) => FlightGoal::fail(self, None, error),
                }
            }
            Look::Search(search) => self.search_member(selection, search),
            Look::Wait(waiter, patience) => Effect::Wait(Wait {
                acquisition: self,
                waiter,
                patience,
                selection,
                then: Self::choose_member,
            }),
            Look::Absent(error) => FlightGoal::fail(self, None, error),
        }
    }

    /// Tries the members of the search in their order.
    pub(super) fn search_member(
        mut self,
        selection: Arc<Selection>,
        mut search: Search,
    ) -> Effect<'a, D, FlightGoal<'l>> {
        loop {
            let index = search.next();
            let Some(member) = selection.member(index) else {
                let error = search.exhausted(self.core.clock.now(), &self.core.policy);
                return FlightGoal::fail(self, None, error);
            };
            match request_of(&selection, index, self.goal.owner.slot().key()) {
                Ok(request) => {
                    let at = if member.is_certain() {
                        search.found();
                        At::Member(index)
                    } else {
                        At::Searching(search)
                    };
                    self.enter(selection, at);
                    return self.load_or_begin(request);
                }
                Err(error) if error.is_absent() => search.skip(absence_of(&error)),
                Err(error) => return FlightGoal::fail(self, None, error),
            }
        }
    }

    fn enter(&mut self, selection: Arc<Selection>, at: At) {
        let walk = Walk { selection, at };
        if let Some(member) = walk.selection.member(walk.member()) {
            self.span.record("member", &*member.name);
        }
        self.goal.walk = Some(walk);
    }

    /// Records that the member has acquired the token. Returns the chain if another member is
    /// chosen, whose token must be acquired instead.
    pub(super) fn other_choice(&self) -> Option<Arc<Selection>> {
        let walk = self.goal.walk.as_ref()?;
        (!walk.choose()).then(|| Arc::clone(&walk.selection))
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

/// Returns a member's request for the token of a key.
fn request_of(selection: &Selection, index: usize, key: &Key) -> Result<InitialRequest, Error> {
    let member = selection.member(index).expect("the selection names one of its members");
    match &member.credential {
        Ok(credential) => Ok(member_request(&member.name, credential, key)?),
        Err(absence) => Err(absence.clone().into()),
    }
}
