//! The choice of a chain's member, which all requests of a client share.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use entra_proto::Application;

use super::report::{Absence, ChainError, ChainReport, MemberReport, MemberState};
use super::{Chain, Credential, Member};
use crate::cache::{Flight, Waiter};
use crate::clock::Moment;
use crate::error::Error;
use crate::policy::Policy;

/// The choice of a chain's member.
///
/// Until a member has acquired a token, one flight at a time looks for the first member that is not
/// absent ([`Search`]), and the flights of other slots wait for it. They wait no longer than until
/// it reaches a member that cannot be absent.
pub(crate) struct Selection {
    members: Vec<Member>,
    chosen: OnceLock<usize>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The current search.
    search: Option<Arc<Flight>>,
    /// The member that the last search has found to be present, until a request of it fails.
    present: Option<usize>,
    /// The absences of the first members, as the last search found them.
    absences: Vec<Absence>,
    /// The failure of the last search, if all members were absent.
    failure: Option<Failure>,
}

struct Failure {
    error: Error,
    failed_at: Moment,
    cool_down: Duration,
}

/// The result of [`Selection::look`]. Each variant tells the flight what to do.
pub(crate) enum Look {
    /// Use this member.
    Member(usize),
    /// Look for the member.
    Search(Search),
    /// Wait for another flight that looks for the member, at most for this time.
    Wait(Waiter, Duration),
    /// Fail with this cached error: all members are absent.
    Absent(Error),
}

impl Selection {
    pub(crate) fn new(chain: Chain) -> Arc<Self> {
        let members = chain.members;
        let absent = members.iter().map_while(|member| member.credential.as_ref().err());
        let absences: Vec<Absence> = absent.cloned().collect();
        let first = members.get(absences.len());
        let chosen = match first.is_some_and(Member::is_certain) {
            true => OnceLock::from(absences.len()),
            false => OnceLock::new(),
        };
        let state = State {
            absences,
            ..State::default()
        };
        Arc::new(Self {
            members,
            chosen,
            state: Mutex::new(state),
        })
    }

    pub(crate) fn member(&self, index: usize) -> Option<&Member> {
        self.members.get(index)
    }

    /// Returns the chosen member.
    fn chosen(&self) -> Option<&Member> {
        self.member(*self.chosen.get()?)
    }

    /// Returns the application, if the chosen member is one.
    pub(crate) fn application(&self) -> Option<&Application> {
        match &self.chosen()?.credential {
            Ok(Credential::Application(application)) => Some(application),
            _ => None,
        }
    }

    /// Decides how a flight gets its member. `patience` is the time after which another search may
    /// start beside the current one.
    pub(crate) fn look(self: &Arc<Self>, now: Moment, patience: Duration) -> Look {
        if let Some(chosen) = self.chosen.get() {
            return Look::Member(*chosen);
        }
        let mut state = self.lock();
        // It may have been chosen since.
        if let Some(member) = self.chosen.get().copied().or(state.present) {
            return Look::Member(member);
        }
        if let Some(error) = state.failure.as_ref().and_then(|failure| failure.cached(now)) {
            return Look::Absent(error);
        }
        if let Some(search) = &state.search {
            let passed = now.monotonic.saturating_sub(search.started_at);
            if let Some(left) = patience.checked_sub(passed).filter(|left| !left.is_zero()) {
                return Look::Wait(Arc::clone(search).waiter(), left);
            }
        }
        let flight = Flight::start(now.monotonic);
        state.search = Some(Arc::clone(&flight));
        state.absences.clear();
        Look::Search(Search {
            selection: Arc::clone(self),
            flight,
            absences: Vec::new(),
        })
    }

    /// Chooses the member that acquired a token, unless another one is chosen. Returns true if this
    /// one is chosen now.
    pub(crate) fn choose(&self, member: usize) -> bool {
        let mut is_new = false;
        let chosen = *self.chosen.get_or_init(|| {
            is_new = true;
            member
        });
        if is_new {
            tracing::info!("the chain has its first token: {}", self.report());
        }
        chosen == member
    }

    /// Records that a request of this member failed. Unless the member is chosen, the next flight
    /// looks for it again.
    pub(crate) fn failed(&self, member: usize) {
        self.lock().present.take_if(|present| *present == member);
    }

    /// Forgets that all members were absent.
    pub(crate) fn forget_failure(&self) {
        self.lock().failure = None;
    }

    /// Returns true if the blocking client cannot use one of the members.
    pub(crate) fn is_async(&self) -> bool {
        let mut credentials = self.members.iter().flat_map(|member| &member.credential);
        credentials.any(Credential::is_async)
    }

    pub(crate) fn report(&self) -> ChainReport {
        let absences = self.lock().absences.clone();
        let chosen = self.chosen.get().copied();
        let members = self.members.iter().enumerate().map(|(index, member)| {
            let state = match absences.get(index) {
                _ if chosen == Some(index) => MemberState::Chosen,
                Some(absence) => MemberState::Absent(absence.clone()),
                None => MemberState::Untried,
            };
            let name = member.name.clone();
            MemberReport { name, state }
        });
        ChainReport {
            members: members.collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The principal as a noun phrase.
impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.chosen() {
            Some(member) => write!(f, "a chain that chose {}", member.name),
            None => f.write_str("a chain that has not chosen a credential yet"),
        }
    }
}

impl Failure {
    /// Returns the error with the rest of its cool-down, which is over when either clock says so.
    fn cached(&self, now: Moment) -> Option<Error> {
        let by_monotonic = now.monotonic.saturating_sub(self.failed_at.monotonic);
        let passed = by_monotonic.max(now.wall.since(self.failed_at.wall));
        let left = self.cool_down.checked_sub(passed).filter(|left| !left.is_zero())?;
        Some(self.error.cached(left))
    }
}

/// The search of a flight for the first member that is not absent. Flights that wait for it look
/// again when it is dropped.
pub(crate) struct Search {
    selection: Arc<Selection>,
    flight: Arc<Flight>,
    /// The absences so far. Their number is the index of the next member.
    absences: Vec<Absence>,
}

impl Search {
    /// Returns the index of the next member.
    pub(crate) fn next(&self) -> usize {
        self.absences.len()
    }

    /// Records that the next member is absent.
    pub(crate) fn skip(&mut self, absence: Absence) {
        if let Some(member) = self.selection.member(self.next()) {
            tracing::debug!("{} is absent: {absence}", member.name);
        }
        self.absences.push(absence);
        let mut state = self.selection.lock();
        if state.is_current(&self.flight) {
            state.absences.clone_from(&self.absences);
        }
    }

    /// Ends the search at the next member, which is present.
    pub(crate) fn found(self) {
        let mut state = self.selection.lock();
        if state.is_current(&self.flight) {
            state.absences.clone_from(&self.absences);
            state.present = Some(self.next());
        }
    }

    /// Ends the search: all members are absent. Returns the error, which later flights get for a
    /// short time.
    pub(crate) fn exhausted(self, now: Moment, policy: &Policy) -> Error {
        let members = self.selection.members.iter().zip(&self.absences);
        let members = members.map(|(member, absence)| MemberReport {
            name: member.name.clone(),
            state: MemberState::Absent(absence.clone()),
        });
        let error = Error::from(ChainError::new(ChainReport {
            members: members.collect(),
        }));
        let mut state = self.selection.lock();
        if state.is_current(&self.flight) {
            state.failure = Some(Failure {
                error: error.clone(),
                failed_at: now,
                cool_down: policy.cool_down(1, None),
            });
        }
        drop(state);
        error
    }
}

impl State {
    fn is_current(&self, search: &Arc<Flight>) -> bool {
        self.search.as_ref().is_some_and(|current| Arc::ptr_eq(current, search))
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        let flight = &self.flight;
        let mut state = self.selection.lock();
        state.search.take_if(|current| Arc::ptr_eq(current, flight));
        drop(state);
        self.flight.abandon();
    }
}
