//! What all services of one layer share, and what a rejected token changes in it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use entra_client::{Error, Token, TokenSource};
use entra_proto::{Application, ClaimsRequest};
#[cfg(feature = "ureq")]
use http::Uri;
use http::{HeaderMap, StatusCode};

use crate::challenge::{Wish, wish};
use crate::origins::Origins;
use crate::pace::Pace;
use crate::place::{Place, Places};
use crate::table::{Id, Kind, Mark, ORIGINAL, Route, Table, Trial};

/// The state of a layer: where tokens may go, and which token goes where.
///
/// A response with status 401 speaks for its own request only. What other requests get changes once there is something better for them:
/// a newer token, or a token with claims that the API has accepted.
pub(crate) struct Shared<T> {
    origins: Origins,
    places: Places,
    /// Moves with the table, and under the lock of the state only.
    generation: AtomicU64,
    state: Mutex<State<T>>,
}

struct State<T> {
    table: Arc<Table<T>>,
    /// Rejections that lead to the token service.
    renewals: Pace,
    /// New claims.
    challenges: Pace,
}

/// The table as it was when a service looked last.
#[derive(Clone)]
pub(crate) struct Supply<T> {
    generation: u64,
    /// Whether all requests get tokens of `source`.
    pub(crate) is_uniform: bool,
    pub(crate) source: T,
    kind: Id,
    pub(crate) table: Arc<Table<T>>,
}

/// A kind of token that a request may get.
pub(crate) struct Candidate<T> {
    pub(crate) source: T,
    pub(crate) kind: Id,
    is_trial: bool,
    /// The number of a token that will not do, nor do those before it.
    after: Option<u64>,
}

/// A source of tokens, async or blocking.
pub(crate) trait Source: Clone {
    fn current(&mut self) -> Option<&Token>;
    fn prefetch(&self);
    fn number(&self) -> u64;
    fn reject(&self, number: u64) -> bool;
    fn claims(&self) -> Option<&ClaimsRequest>;
    fn with_claims(&self, claims: &ClaimsRequest) -> Result<Self, Error>;
    fn application(&self) -> &Application;
    /// By the monotonic clock.
    fn now(&self) -> Duration;
}

impl<T: Source> Shared<T> {
    pub(crate) fn new(source: T, origins: Origins) -> Self {
        let claims = source.claims().cloned();
        Self {
            places: Places::new(origins.len()),
            origins,
            generation: AtomicU64::new(0),
            state: Mutex::new(State {
                table: Arc::new(Table::new(source, claims)),
                renewals: Pace::new(RENEWALS, RENEWALS_OF_ONE_PATH),
                challenges: Pace::new(CHALLENGES, CHALLENGES_OF_ONE_PATH),
            }),
        }
    }

    pub(crate) fn origins(&self) -> &Origins {
        &self.origins
    }

    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    /// The table of now.
    #[cold]
    pub(crate) fn supply(&self) -> Supply<T> {
        let state = self.lock();
        let kind = state.table.current();
        Supply {
            generation: self.generation.load(Ordering::Acquire),
            is_uniform: state.table.is_uniform(),
            source: kind.source.clone(),
            kind: kind.id,
            table: Arc::clone(&state.table),
        }
    }

    /// The API rejected a token with a response that has these headers. Returns the kind of token that may please it, if there is one and
    /// it is not too early to request it. Without a copy of the request it is of use to later requests only.
    #[cold]
    pub(crate) fn rejected(
        &self,
        place: Place,
        mark: Mark,
        headers: &HeaderMap,
        has_copy: bool,
    ) -> Option<Candidate<T>> {
        let mut state = self.lock();
        let wish = wish(headers, state.table.original().source.application().authority().cloud());
        let has_claims = matches!(wish, Wish::Claims(_));
        let candidate = match wish {
            Wish::Impossible => None,
            Wish::Claims(claims) if !state.table.has(mark.kind, &claims) => self.challenged(&mut state, place, claims),
            // Claims that the rejected token was requested with are no news.
            Wish::Claims(_) => state.renew(place, mark),
            Wish::Nothing => self.refused(&mut state, place, mark),
        };
        tracing::debug!(has_claims, renews = candidate.is_some(), "the API rejected the token");
        if let Some(candidate) = candidate.as_ref().filter(|_| !has_copy) {
            candidate.source.prefetch();
        }
        candidate
    }

    /// The API asked for claims that the token does not have.
    fn challenged(&self, state: &mut State<T>, place: Place, claims: ClaimsRequest) -> Option<Candidate<T>> {
        let known = state.table.kind_with(&claims).map(|kind| kind.id);
        let id = match known {
            Some(id) => id,
            None => {
                // Claims are the API's to choose, and each of them takes memory.
                let original = &state.table.original().source;
                if !state.challenges.admit(original.now(), place) {
                    return None;
                }
                let source = original.with_claims(&claims).ok()?;
                self.table(state).add(claims, source)
            }
        };
        // A token with these claims was rejected here, and another kind was tried in vain.
        let before = state.instead_of(place).filter(|before| before.kind == id);
        let renewed = before.and_then(|before| state.renew(place, before));
        let has_it = |route: &&Route| route.kind == id && route.asks();
        if state.table.route(place).filter(has_it).is_none() {
            self.table(state).try_at(place, id, Trial::Asked);
        }
        // Without copies of requests, and with another path each time, no token with these claims is tried before this.
        if state.table.is_wanted_elsewhere(place, id) && state.table.kind(id)?.source.clone().current().is_some() {
            self.table(state).offer(id);
        }
        renewed.or_else(|| Some(Candidate::new(state.table.kind(id)?, true)))
    }

    /// The API rejected a token without a word of what it wants.
    fn refused(&self, state: &mut State<T>, place: Place, mark: Mark) -> Option<Candidate<T>> {
        let (chosen, is_trial) = state.table.choose(place);
        if chosen.id != mark.kind {
            // By now the requests of this path get another kind.
            return Some(Candidate::new(chosen, is_trial));
        }
        match state.table.route(place).map(|route| route.trial) {
            // It asked for these claims, and rejects them: back to what it accepts.
            Some(Some(Trial::Asked)) => {
                self.table(state).forget(place);
                let renewed = state.renew(place, mark);
                let (chosen, is_trial) = state.table.choose(place);
                if chosen.id == mark.kind {
                    return renewed;
                }
                Some(Candidate::new(chosen, is_trial))
            }
            // The claims were not the reason.
            Some(Some(Trial::Instead(before))) => {
                self.table(state).forget(place);
                state.renew(place, before)
            }
            Some(None) => state.renew(place, mark),
            None if state.table.is_on_offer(mark.kind) => {
                let table = self.table(state);
                table.dispute(mark.kind);
                table.withdraw(mark.kind);
                Some(Candidate::new(table.current(), false))
            }
            // The claims that another path asked for may be the reason. To try without them costs no token request.
            None if mark.kind != ORIGINAL && state.table.original().source.clone().current().is_some() => {
                let table = self.table(state);
                table.dispute(mark.kind);
                table.try_at(place, ORIGINAL, Trial::Instead(mark));
                Some(Candidate::new(table.original(), true))
            }
            None => state.renew(place, mark),
        }
    }

    /// No token came of this kind. What was on trial is over; for other paths, too, if there is none `at_all`.
    #[cold]
    fn failed(&self, place: Place, id: Id, at_all: bool, error: &Error) {
        let mut state = self.lock();
        let is_on_trial = |route: &&Route| route.kind == id && route.trial.is_some();
        if state.table.route(place).filter(is_on_trial).is_some() {
            self.table(&mut state).forget(place);
        }
        if at_all && (!error.is_retryable() || state.table.is_on_offer(id)) && state.table.is_withdrawable(id) {
            self.table(&mut state).withdraw(id);
        }
    }

    /// The API responded to a token that is on trial with something else than a rejection.
    #[cold]
    pub(crate) fn accepted(&self, place: Place, mark: Mark, status: StatusCode) {
        // These may come from something in between that has not looked at the token.
        let is_telling = !status.is_server_error()
            && ![StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
        let mut state = self.lock();
        if is_telling && Arc::make_mut(&mut state.table).accepted(place, mark.kind) {
            self.generation.fetch_add(1, Ordering::Release);
        }
    }

    /// The table, to change it.
    fn table<'a>(&self, state: &'a mut State<T>) -> &'a mut Table<T> {
        self.generation.fetch_add(1, Ordering::Release);
        Arc::make_mut(&mut state.table)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Source> State<T> {
    /// Sees to it that there will be another token of this kind: a newer one than the one that was rejected.
    fn renew(&mut self, place: Place, mark: Mark) -> Option<Candidate<T>> {
        let Some(kind) = self.table.kind(mark.kind) else {
            let (kind, is_trial) = self.table.choose(place);
            return Some(Candidate::new(kind, is_trial));
        };
        let mut source = kind.source.clone();
        let has_newer = source.current().is_some() && source.number() > mark.number;
        if !has_newer && kind.rejected < mark.number {
            if !self.renewals.admit(source.now(), place) {
                return None;
            }
            source.reject(mark.number);
            if let Some(kind) = Arc::make_mut(&mut self.table).kind_mut(mark.kind) {
                kind.rejected = mark.number;
            }
        }
        Some(Candidate {
            source,
            kind: mark.kind,
            is_trial: mark.is_trial,
            after: Some(mark.number),
        })
    }

    /// The token in whose place another one is tried.
    fn instead_of(&self, place: Place) -> Option<Mark> {
        match self.table.route(place)?.trial? {
            Trial::Instead(before) => Some(before),
            Trial::Asked => None,
        }
    }
}

impl<T: Source> Supply<T> {
    /// Whether the table has changed since.
    #[inline]
    pub(crate) fn is_outdated(&self, shared: &Shared<T>) -> bool {
        self.generation != shared.generation.load(Ordering::Acquire)
    }

    /// A mark for the token that the source returned last.
    #[inline]
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            kind: self.kind,
            number: self.source.number(),
            is_trial: false,
        }
    }

    /// The kind of token for a request.
    pub(crate) fn candidate(&self, place: Place) -> Candidate<T> {
        let (kind, is_trial) = self.table.choose(place);
        Candidate::new(kind, is_trial)
    }

    /// The kinds of token for a request, the best one first.
    fn candidates(&self, place: Place) -> Vec<Candidate<T>> {
        let kinds = self.table.candidates(place);
        kinds.map(|(kind, is_trial)| Candidate::new(kind, is_trial)).collect()
    }
}

impl<T: Source> Candidate<T> {
    fn new(kind: &Kind<T>, is_trial: bool) -> Self {
        Self {
            source: kind.source.clone(),
            kind: kind.id,
            is_trial,
            after: None,
        }
    }

    /// A mark for the token that the source returned last.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            kind: self.kind,
            number: self.source.number(),
            is_trial: self.is_trial,
        }
    }
}

impl Shared<TokenSource> {
    /// The token for a request, from the token service if none is at hand.
    pub(crate) async fn fetch(
        self: Arc<Self>,
        supply: Supply<TokenSource>,
        place: Place,
    ) -> Result<(Token, Mark), Error> {
        let mut outcome = None;
        for candidate in supply.candidates(place) {
            match Arc::clone(&self).obtain(candidate, place).await {
                Ok(obtained) => return Ok(obtained),
                Err(error) => outcome = Some(error),
            }
        }
        Err(outcome.expect("there is always a candidate"))
    }

    /// The token of a candidate.
    pub(crate) async fn obtain(
        self: Arc<Self>,
        mut candidate: Candidate<TokenSource>,
        place: Place,
    ) -> Result<(Token, Mark), Error> {
        let token = match candidate.after {
            Some(number) => candidate.source.newer_than(number).await,
            None => candidate.source.token().await,
        };
        let is_any = candidate.after.is_none();
        token
            .map(|token| (token, candidate.mark()))
            .inspect_err(|error| self.failed(place, candidate.kind, is_any, error))
    }
}

#[cfg(feature = "ureq")]
impl Shared<entra_client::blocking::TokenSource> {
    /// The token for a request, from the token service if none is at hand.
    pub(crate) fn fetch(&self, uri: &Uri) -> Result<(Token, Mark, Place), Error> {
        let (supply, place) = (self.supply(), self.places.in_full(uri));
        let mut outcome = None;
        for mut candidate in supply.candidates(place) {
            match candidate.source.token() {
                Ok(token) => return Ok((token, candidate.mark(), place)),
                Err(error) => {
                    self.failed(place, candidate.kind, true, &error);
                    outcome = Some(error);
                }
            }
        }
        Err(outcome.expect("there is always a candidate"))
    }
}

/// Forwards to the methods of the same names.
macro_rules! source {
    ($source:ty) => {
        impl Source for $source {
            #[inline]
            fn current(&mut self) -> Option<&Token> {
                <$source>::current(self)
            }

            fn prefetch(&self) {
                <$source>::prefetch(self);
            }

            #[inline]
            fn number(&self) -> u64 {
                <$source>::generation(self)
            }

            fn reject(&self, number: u64) -> bool {
                <$source>::reject(self, number)
            }

            fn claims(&self) -> Option<&ClaimsRequest> {
                <$source>::claims(self)
            }

            fn with_claims(&self, claims: &ClaimsRequest) -> Result<Self, Error> {
                <$source>::with_claims(self, claims)
            }

            fn application(&self) -> &Application {
                <$source>::application(self)
            }

            fn now(&self) -> Duration {
                <$source>::now(self).monotonic
            }
        }
    };
}

source!(TokenSource);
#[cfg(feature = "ureq")]
source!(entra_client::blocking::TokenSource);

impl<T: Source + fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = Arc::clone(&self.lock().table);
        f.debug_struct("Shared")
            .field("source", &table.original().source)
            .field("claims", &table.current().source.claims())
            .field("origins", &self.origins)
            .finish()
    }
}

/// How many rejected tokens lead to the token service within a minute.
const RENEWALS: usize = 10;
const RENEWALS_OF_ONE_PATH: usize = 1;

/// How many new claims lead there within a minute: an administrator may revoke tokens twice in a row.
const CHALLENGES: usize = 10;
const CHALLENGES_OF_ONE_PATH: usize = 5;
