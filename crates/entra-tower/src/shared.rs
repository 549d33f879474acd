//! What all services of one layer share, and what a rejected token changes in it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use entra_client::{Error, Token, TokenSource};
use entra_proto::claims::ClaimsRequest;
#[cfg(feature = "ureq")]
use http::Request;
use http::{HeaderMap, StatusCode};

use crate::challenge::{Wish, wish};
use crate::origins::Origins;
use crate::pace::Pace;
use crate::place::{Place, Places};
use crate::table::{Id, Kind, Mark, ORIGINAL, Table, Trial};

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
    table: Arc<Table<T>>,
}

/// A kind of token that a request may get.
pub(crate) struct Candidate<T> {
    pub(crate) source: T,
    pub(crate) kind: Id,
    trial: Option<Trial>,
    /// The number of a token that will not do, nor do those before it.
    after: Option<u64>,
}

impl<D> Shared<TokenSource<D>> {
    pub(crate) fn new(source: TokenSource<D>, origins: Origins) -> Self {
        let claims = source.claims().cloned();
        Self {
            places: Places::new(origins.len()),
            origins,
            generation: AtomicU64::new(0),
            state: Mutex::new(State {
                table: Arc::new(Table::new(source, claims)),
                renewals: Pace::new(RENEWALS),
                challenges: Pace::new(CHALLENGES),
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
    pub(crate) fn supply(&self) -> Supply<TokenSource<D>> {
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
    ) -> Option<Candidate<TokenSource<D>>> {
        let mut state = self.lock();
        let wish = wish(headers, state.table.original().source.application().authority().cloud());
        let has_claims = matches!(wish, Wish::Claims(_));
        let has_them = |claims| state.table.kind(mark.kind).is_some_and(|kind| kind.has(claims));
        let candidate = match wish {
            Wish::Impossible => None,
            Wish::Claims(claims) if !has_them(&claims) => self.challenged(&mut state, place, mark, claims, has_copy),
            // Claims that the rejected token was requested with are no news.
            Wish::Claims(_) => state.renew(place, mark),
            Wish::Nothing => self.refused(&mut state, place, mark, has_copy),
        };
        tracing::debug!(has_claims, renews = candidate.is_some(), "the API rejected the token");
        if let Some(candidate) = candidate.as_ref().filter(|_| !has_copy) {
            candidate.source.prefetch();
        }
        candidate
    }

    /// The API asked for claims that the token does not have.
    fn challenged(
        &self,
        state: &mut State<TokenSource<D>>,
        place: Place,
        mark: Mark,
        claims: ClaimsRequest,
        has_copy: bool,
    ) -> Option<Candidate<TokenSource<D>>> {
        let known = state.table.kind_with(&claims).map(|kind| kind.id);
        let id = match known {
            Some(id) => id,
            None => {
                // Claims are the API's to choose, and each of them takes memory.
                let original = &state.table.original().source;
                if !state.challenges.admit(original.now().monotonic, place) {
                    return None;
                }
                let source = original.with_claims(&claims).ok()?;
                self.table(state).add(claims, source)
            }
        };
        // A token with these claims was rejected here, and the other kind is rejected as well.
        let renewed = match mark.trial {
            Some(Trial::Instead { kind, number }) if kind == id => state.renew(place, Mark::new(kind, number)),
            _ => None,
        };
        if !has_copy {
            self.table(state).ask(place, id);
        }
        let candidate = renewed.or_else(|| Some(Candidate::new(state.table.kind(id)?, None)))?;
        let trial = Some(Trial::Asked);
        Some(Candidate { trial, ..candidate })
    }

    /// The API rejected a token without a word of what it wants.
    fn refused(
        &self,
        state: &mut State<TokenSource<D>>,
        place: Place,
        mark: Mark,
        has_copy: bool,
    ) -> Option<Candidate<TokenSource<D>>> {
        match mark.trial {
            // It asked for these claims, and rejects them: back to what it accepts.
            Some(Trial::Asked) => {
                let renewed = state.renew(place, mark);
                let chosen = state.table.choose(place);
                if chosen.id == mark.kind {
                    return renewed;
                }
                return Some(Candidate::new(chosen, None));
            }
            // The claims were not the reason, unless there are no more tokens with them.
            Some(Trial::Instead { kind, number }) => {
                let with_claims = Mark::new(kind, number);
                let is_stuck = state.table.kind(kind).is_some_and(|kind| kind.is_stuck_at(number));
                return state.renew(place, if is_stuck { mark } else { with_claims });
            }
            Some(Trial::Offered) | None => {}
        }
        let chosen = state.table.choose(place);
        if chosen.id != mark.kind {
            return Some(Candidate::new(chosen, None));
        }
        let original = state.table.original();
        let is_of_others = mark.kind != ORIGINAL && state.table.route(place).is_none();
        let is_at_hand = || original.source.clone().current().is_some();
        if !is_of_others || !(is_at_hand() || chosen.is_stuck_at(mark.number)) {
            return state.renew(place, mark);
        }
        // The claims that another path asked for may be the reason. To try without them mostly costs no token request.
        let Mark { kind, number, .. } = mark;
        let trial = Trial::Instead { kind, number };
        let candidate = Candidate::new(original, Some(trial));
        if !has_copy {
            self.table(state).try_original(place, trial);
        }
        Some(candidate)
    }

    /// The token service has no token of this kind.
    #[cold]
    fn failed(&self, id: Id, error: &Error) {
        let mut state = self.lock();
        if id != ORIGINAL && !error.is_retryable() {
            self.table(&mut state).withdraw(id);
        }
    }

    /// The kind of token for a request for this place, on trial if one waits for it.
    #[cold]
    pub(crate) fn candidate(&self, supply: &Supply<TokenSource<D>>, place: Place) -> Candidate<TokenSource<D>> {
        let is_at_hand = |source: &TokenSource<D>| source.clone().current().is_some();
        if supply.table.next_trial(place, is_at_hand).is_some() {
            let mut state = self.lock();
            if let Some(number) = state.table.next_trial(place, is_at_hand) {
                if let Some((kind, trial)) = self.table(&mut state).take_trial(number) {
                    return Candidate::new(kind, Some(trial));
                }
            }
        }
        Candidate::new(supply.table.choose(place), None)
    }

    /// The API responded to a token that is on trial with something else than a rejection.
    #[cold]
    pub(crate) fn accepted(&self, place: Place, mark: Mark, status: StatusCode) {
        // These may come from something in between that has not looked at the token.
        let is_telling = !status.is_server_error()
            && ![StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
        let Some(trial) = mark.trial.filter(|_| is_telling) else {
            return;
        };
        self.table(&mut self.lock()).accepted(place, mark.kind, trial);
    }

    /// The table, to change it.
    fn table<'a>(&self, state: &'a mut State<TokenSource<D>>) -> &'a mut Table<TokenSource<D>> {
        self.generation.fetch_add(1, Ordering::Release);
        Arc::make_mut(&mut state.table)
    }

    fn lock(&self) -> MutexGuard<'_, State<TokenSource<D>>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D> State<TokenSource<D>> {
    /// Sees to it that there will be another token of this kind: a newer one than the one that was rejected.
    fn renew(&mut self, place: Place, mark: Mark) -> Option<Candidate<TokenSource<D>>> {
        let Some(kind) = self.table.kind(mark.kind) else {
            return Some(Candidate::new(self.table.choose(place), None));
        };
        let source = kind.source.clone();
        if !kind.has_newer_than(mark.number) && kind.rejected < mark.number {
            if !self.renewals.admit(source.now().monotonic, place) {
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
            trial: mark.trial,
            after: Some(mark.number),
        })
    }
}

impl<D> Kind<TokenSource<D>> {
    fn has_newer_than(&self, number: u64) -> bool {
        let mut source = self.source.clone();
        source.current().is_some() && source.generation() > number
    }

    /// Whether the token of this number was reported as rejected, and no newer one has come.
    fn is_stuck_at(&self, number: u64) -> bool {
        self.rejected >= number && !self.has_newer_than(number)
    }
}

impl<D> Supply<TokenSource<D>> {
    /// Whether the table has changed since.
    #[inline]
    pub(crate) fn is_outdated(&self, shared: &Shared<TokenSource<D>>) -> bool {
        self.generation != shared.generation.load(Ordering::Acquire)
    }

    /// A mark for the token that the source returned last.
    #[inline]
    pub(crate) fn mark(&self) -> Mark {
        Mark::new(self.kind, self.source.generation())
    }

    /// The kinds of token for a request whose first candidate has none.
    fn others(&self, place: Place, first: Id) -> Vec<Candidate<TokenSource<D>>> {
        let kinds = self.table.others(place, first);
        kinds.map(|kind| Candidate::new(kind, None)).collect()
    }
}

impl<D> Candidate<TokenSource<D>> {
    fn new(kind: &Kind<TokenSource<D>>, trial: Option<Trial>) -> Self {
        Self {
            source: kind.source.clone(),
            kind: kind.id,
            trial,
            after: None,
        }
    }

    /// A mark for the token that the source returned last.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            kind: self.kind,
            number: self.source.generation(),
            trial: self.trial,
        }
    }
}

impl Shared<TokenSource> {
    /// The token for a request, from the token service if none is at hand.
    pub(crate) async fn fetch(
        self: Arc<Self>,
        first: Candidate<TokenSource>,
        supply: Supply<TokenSource>,
        place: Place,
    ) -> Result<(Token, Mark), Error> {
        let others = supply.others(place, first.kind);
        let mut outcome = self.obtain(first).await;
        for candidate in others {
            if outcome.is_err() {
                outcome = self.obtain(candidate).await;
            }
        }
        outcome
    }

    /// The token of a candidate.
    pub(crate) async fn obtain(&self, mut candidate: Candidate<TokenSource>) -> Result<(Token, Mark), Error> {
        let token = match candidate.after {
            Some(number) => candidate.source.newer_than(number).await,
            // An error says that not even an older one lives.
            None => (candidate.source.token().await).inspect_err(|error| self.failed(candidate.kind, error)),
        };
        token.map(|token| (token, candidate.mark()))
    }
}

#[cfg(feature = "ureq")]
impl Shared<entra_client::blocking::TokenSource> {
    /// The token for a request, from the token service if none is at hand.
    pub(crate) fn fetch<B>(&self, request: &Request<B>) -> Result<(Token, Mark, Place), Error> {
        let (supply, place) = (self.supply(), self.places.in_full(request));
        let first = self.candidate(&supply, place);
        let others = supply.others(place, first.kind);
        let mut outcome = self.obtain(first);
        for candidate in others {
            if outcome.is_err() {
                outcome = self.obtain(candidate);
            }
        }
        outcome.map(|(token, mark)| (token, mark, place))
    }

    fn obtain(&self, mut candidate: Candidate<entra_client::blocking::TokenSource>) -> Result<(Token, Mark), Error> {
        let token = candidate.source.token();
        let token = token.inspect_err(|error| self.failed(candidate.kind, error))?;
        Ok((token, candidate.mark()))
    }
}

impl<D> fmt::Debug for Shared<TokenSource<D>> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = Arc::clone(&self.lock().table);
        f.debug_struct("Shared")
            .field("source", &table.original().source)
            .field("claims", &table.current().source.claims())
            .field("origins", &self.origins)
            .finish()
    }
}

/// How many rejections of one path lead to the token service within a minute: tokens may be revoked again while the new one is on its way.
/// An API that rejects every token is no reason for a request each time. The client lets three tokens be rejected at once, so that one is
/// left for another path.
const RENEWALS: usize = 2;

/// How many new claims of one path lead there.
const CHALLENGES: usize = 5;
