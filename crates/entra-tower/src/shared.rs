//! The state that all services of one layer share, and its changes when the API rejects a token.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use entra_client::{Error, Token, TokenSource};
use entra_proto::claims::ClaimsRequest;
#[cfg(feature = "ureq")]
use http::Request;
use http::{HeaderMap, StatusCode};

use crate::challenge::{Demand, demand};
use crate::origins::Origins;
use crate::path_id::{PathId, PathIds};
use crate::rate_limit::RateLimit;
use crate::table::{Id, Kind, Mark, ORIGINAL, Table, Trial};

/// The state of a layer: the origins of the API, and the kind of token for each path.
///
/// A response with status 401 concerns its own request only. Other requests get another token once
/// there is a better one for them: a newer token, or a token with claims that the API has accepted.
pub(crate) struct Shared<T> {
    origins: Origins,
    path_ids: PathIds,
    /// A counter that moves with the table, under the lock of the state only.
    generation: AtomicU64,
    state: Mutex<State<T>>,
}

struct State<T> {
    table: Arc<Table<T>>,
    /// The limit of rejections that cause a token request.
    refreshes: RateLimit,
    /// The limit of new claims.
    challenges: RateLimit,
}

/// The table as a service saw it last.
#[derive(Clone)]
pub(crate) struct Snapshot<T> {
    generation: u64,
    /// True if all requests get tokens of `source`.
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
    /// The number of a token that is not acceptable, like those before it.
    after: Option<u64>,
}

impl<D> Shared<TokenSource<D>> {
    pub(crate) fn new(source: TokenSource<D>, origins: Origins) -> Self {
        let claims = source.claims().cloned();
        Self {
            path_ids: PathIds::new(origins.len()),
            origins,
            generation: AtomicU64::new(0),
            state: Mutex::new(State {
                table: Arc::new(Table::new(source, claims)),
                refreshes: RateLimit::new(REFRESHES_PER_PATH),
                challenges: RateLimit::new(CHALLENGES_PER_PATH),
            }),
        }
    }

    pub(crate) fn origins(&self) -> &Origins {
        &self.origins
    }

    pub(crate) fn path_ids(&self) -> &PathIds {
        &self.path_ids
    }

    /// Returns the current table.
    #[cold]
    pub(crate) fn snapshot(&self) -> Snapshot<TokenSource<D>> {
        let state = self.lock();
        let kind = state.table.current();
        Snapshot {
            generation: self.generation.load(Ordering::Acquire),
            is_uniform: state.table.is_uniform(),
            source: kind.source.clone(),
            kind: kind.id,
            table: Arc::clone(&state.table),
        }
    }

    /// Records that the API rejected a token with a response that has these headers.
    ///
    /// Returns the kind of token that the API may accept, if there is one and it may be requested
    /// now. Without a copy of the request, only later requests use it.
    #[cold]
    pub(crate) fn rejected(
        &self,
        path_id: PathId,
        mark: Mark,
        headers: &HeaderMap,
        has_copy: bool,
    ) -> Option<Candidate<TokenSource<D>>> {
        let mut state = self.lock();
        let application = state.table.original().source.application();
        let demand = demand(headers, application.map(|application| application.authority().cloud()));
        let has_claims = matches!(demand, Demand::Claims(_));
        let has_them = |claims| state.table.kind(mark.kind).is_some_and(|kind| kind.has(claims));
        let candidate = match demand {
            Demand::Unavailable => None,
            Demand::Claims(claims) if !has_them(&claims) => {
                self.rejected_with_claims(&mut state, path_id, mark, claims, has_copy)
            }
            // Claims that the rejected token was requested with are not new.
            Demand::Claims(_) => state.refresh(path_id, mark),
            Demand::Nothing => self.rejected_without_claims(&mut state, path_id, mark, has_copy),
        };
        tracing::debug!(has_claims, retries = candidate.is_some(), "the API rejected the token");
        if let Some(candidate) = candidate.as_ref().filter(|_| !has_copy) {
            candidate.source.prefetch();
        }
        candidate
    }

    /// Handles a rejection that requires claims which the token does not have.
    fn rejected_with_claims(
        &self,
        state: &mut State<TokenSource<D>>,
        path_id: PathId,
        mark: Mark,
        claims: ClaimsRequest,
        has_copy: bool,
    ) -> Option<Candidate<TokenSource<D>>> {
        let known = state.table.kind_with(&claims).map(|kind| kind.id);
        let id = match known {
            Some(id) => id,
            None => {
                // The API chooses the claims, and each of them takes memory.
                let original = &state.table.original().source;
                if !state.challenges.admit(original.now().monotonic, path_id) {
                    return None;
                }
                let source = original.with_claims(&claims).ok()?;
                self.table(state).add(claims, source)
            }
        };
        // A token with these claims was rejected for this path, and the other kind is rejected too.
        let refreshed = match mark.trial {
            Some(Trial::Instead { kind, number }) if kind == id => state.refresh(path_id, Mark::new(kind, number)),
            _ => None,
        };
        if !has_copy {
            self.table(state).require(path_id, id);
        }
        let candidate = refreshed.or_else(|| Some(Candidate::new(state.table.kind(id)?, None)))?;
        let trial = Some(Trial::Required);
        Some(Candidate { trial, ..candidate })
    }

    /// Handles a rejection that names no requirement.
    fn rejected_without_claims(
        &self,
        state: &mut State<TokenSource<D>>,
        path_id: PathId,
        mark: Mark,
        has_copy: bool,
    ) -> Option<Candidate<TokenSource<D>>> {
        match mark.trial {
            // The API required these claims here, and rejects them. Use what it accepts instead.
            Some(Trial::Required) => {
                let refreshed = state.refresh(path_id, mark);
                let chosen = state.table.choose(path_id);
                if chosen.id == mark.kind {
                    return refreshed;
                }
                return Some(Candidate::new(chosen, None));
            }
            // The claims were not the cause, unless there are no more tokens with them.
            Some(Trial::Instead { kind, number }) => {
                let with_claims = Mark::new(kind, number);
                let is_stuck = state.table.kind(kind).is_some_and(|kind| kind.is_stuck_at(number));
                return state.refresh(path_id, if is_stuck { mark } else { with_claims });
            }
            Some(Trial::Offered) | None => {}
        }
        let chosen = state.table.choose(path_id);
        if chosen.id != mark.kind {
            return Some(Candidate::new(chosen, None));
        }
        let original = state.table.original();
        let is_of_others = mark.kind != ORIGINAL && state.table.route(path_id).is_none();
        let is_cached = || original.source.clone().current().is_some();
        if !is_of_others || !(is_cached() || chosen.is_stuck_at(mark.number)) {
            return state.refresh(path_id, mark);
        }
        // The claims that another path required may be the cause. A trial without them mostly costs
        // no token request.
        let Mark { kind, number, .. } = mark;
        let trial = Trial::Instead { kind, number };
        let candidate = Candidate::new(original, Some(trial));
        if !has_copy {
            self.table(state).try_original(path_id, trial);
        }
        Some(candidate)
    }

    /// Records that the token service has no token of this kind.
    #[cold]
    fn record_failure(&self, id: Id, error: &Error) {
        let mut state = self.lock();
        if id != ORIGINAL && !error.is_retryable() {
            self.table(&mut state).withdraw(id);
        }
    }

    /// Returns the kind of token for a request of this path, as a trial if one is queued for it.
    #[cold]
    pub(crate) fn candidate(&self, snapshot: &Snapshot<TokenSource<D>>, path_id: PathId) -> Candidate<TokenSource<D>> {
        let is_cached = |source: &TokenSource<D>| source.clone().current().is_some();
        if snapshot.table.next_trial(path_id, is_cached).is_some() {
            let mut state = self.lock();
            if let Some(number) = state.table.next_trial(path_id, is_cached) {
                if let Some((kind, trial)) = self.table(&mut state).take_trial(number) {
                    return Candidate::new(kind, Some(trial));
                }
            }
        }
        Candidate::new(snapshot.table.choose(path_id), None)
    }

    /// Records that the API accepted a token that is on trial: its response is no rejection.
    #[cold]
    pub(crate) fn accepted(&self, path_id: PathId, mark: Mark, status: StatusCode) {
        // These statuses may come from an intermediary that has not seen the token.
        let is_telling = !status.is_server_error()
            && ![StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
        let Some(trial) = mark.trial.filter(|_| is_telling) else {
            return;
        };
        self.table(&mut self.lock()).accepted(path_id, mark.kind, trial);
    }

    /// Returns the table for a change.
    fn table<'a>(&self, state: &'a mut State<TokenSource<D>>) -> &'a mut Table<TokenSource<D>> {
        self.generation.fetch_add(1, Ordering::Release);
        Arc::make_mut(&mut state.table)
    }

    fn lock(&self) -> MutexGuard<'_, State<TokenSource<D>>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D> State<TokenSource<D>> {
    /// Requests a newer token of this kind than the rejected one, if none is cached.
    fn refresh(&mut self, path_id: PathId, mark: Mark) -> Option<Candidate<TokenSource<D>>> {
        let Some(kind) = self.table.kind(mark.kind) else {
            return Some(Candidate::new(self.table.choose(path_id), None));
        };
        let source = kind.source.clone();
        if !kind.has_newer_than(mark.number) && kind.rejected < mark.number {
            if !self.refreshes.admit(source.now().monotonic, path_id) {
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

    /// Returns true if the token with this number was reported as rejected, and there is no newer
    /// one.
    fn is_stuck_at(&self, number: u64) -> bool {
        self.rejected >= number && !self.has_newer_than(number)
    }
}

impl<D> Snapshot<TokenSource<D>> {
    /// Returns true if the table has changed since.
    #[inline]
    pub(crate) fn is_stale(&self, shared: &Shared<TokenSource<D>>) -> bool {
        self.generation != shared.generation.load(Ordering::Acquire)
    }

    /// Returns the mark of the token that the source returned last.
    #[inline]
    pub(crate) fn mark(&self) -> Mark {
        Mark::new(self.kind, self.source.generation())
    }

    /// Returns the kinds of token for a request whose first candidate has no token.
    fn fallbacks(&self, path_id: PathId, first: Id) -> Vec<Candidate<TokenSource<D>>> {
        let kinds = self.table.fallbacks(path_id, first);
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

    /// Returns the mark of the token that the source returned last.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            kind: self.kind,
            number: self.source.generation(),
            trial: self.trial,
        }
    }
}

impl Shared<TokenSource> {
    /// Returns the token for a request, from the token service if none is cached.
    pub(crate) async fn fetch(
        self: Arc<Self>,
        first: Candidate<TokenSource>,
        snapshot: Snapshot<TokenSource>,
        path_id: PathId,
    ) -> Result<(Token, Mark), Error> {
        let fallbacks = snapshot.fallbacks(path_id, first.kind);
        let mut outcome = self.obtain(first).await;
        for candidate in fallbacks {
            if outcome.is_err() {
                outcome = self.obtain(candidate).await;
            }
        }
        outcome
    }

    /// Returns the token of a candidate.
    pub(crate) async fn obtain(&self, mut candidate: Candidate<TokenSource>) -> Result<(Token, Mark), Error> {
        let token = match candidate.after {
            Some(number) => candidate.source.newer_than(number).await,
            // An error means that not even an older token is unexpired.
            None => (candidate.source.token().await).inspect_err(|error| self.record_failure(candidate.kind, error)),
        };
        token.map(|token| (token, candidate.mark()))
    }
}

#[cfg(feature = "ureq")]
impl Shared<entra_client::blocking::TokenSource> {
    /// Returns the token for a request, from the token service if none is cached.
    pub(crate) fn fetch<B>(&self, request: &Request<B>) -> Result<(Token, Mark, PathId), Error> {
        let (snapshot, path_id) = (self.snapshot(), self.path_ids.with_folder(request));
        let first = self.candidate(&snapshot, path_id);
        let fallbacks = snapshot.fallbacks(path_id, first.kind);
        let mut outcome = self.obtain(first);
        for candidate in fallbacks {
            if outcome.is_err() {
                outcome = self.obtain(candidate);
            }
        }
        outcome.map(|(token, mark)| (token, mark, path_id))
    }

    fn obtain(&self, mut candidate: Candidate<entra_client::blocking::TokenSource>) -> Result<(Token, Mark), Error> {
        let token = candidate.source.token();
        let token = token.inspect_err(|error| self.record_failure(candidate.kind, error))?;
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

/// The number of rejections of one path that cause a token request within a minute. Tokens may be
/// revoked again while the new one is requested, but an API that rejects every token must not cause
/// a request each time. The client allows three early rejections, which leaves one for another
/// path.
const REFRESHES_PER_PATH: usize = 2;

/// The number of new claims of one path that cause a token request within a minute.
const CHALLENGES_PER_PATH: usize = 5;
