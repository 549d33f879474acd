//! A flight: the acquisition of the token of a slot, for all its callers.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use entra_proto::cache::{CacheKey, Freshness, MAX_LIFETIME};
use entra_proto::{Timestamp, TokenRequest, TokenResponse};
use entra_transport::{TransportError, TransportErrorKind};
use tracing::Span;

use super::acquisition::{Acquisition, Goal};
use super::attempt::{Attempt, Remedies};
use super::members::{Choice, Members, Walk};
use super::{Effect, Save};
use crate::cache::{Completion, FlightOwner, Key};
use crate::clock::Moment;
use crate::core::Core;
use crate::error::Error;
use crate::observer::EventKind;
use crate::random::random_guid;
use crate::request::{FlightRequest, InitialRequest};
use crate::token_store::StoredToken;
use crate::user::User;

/// The goal of a flight: a token for its slot.
pub(crate) struct FlightGoal<'a> {
    pub(super) owner: &'a mut FlightOwner,
    /// The key in the shared store, if the store may hold this token.
    shared: Option<CacheKey>,
    /// The position in the chain, if the principal is a chain.
    pub(super) walk: Option<Walk>,
}

impl<'a> FlightGoal<'a> {
    /// Starts a flight.
    pub(crate) fn start<D>(
        core: &'a Core<D>,
        span: &'a Span,
        owner: &'a mut FlightOwner,
        request: FlightRequest,
    ) -> Effect<'a, D, Self> {
        let goal = Self {
            owner,
            shared: None,
            walk: None,
        };
        let acquisition = Acquisition::new(core, span, goal);
        match request {
            FlightRequest::Ready(request) => acquisition.load_or_begin(request),
            FlightRequest::OfChain(selection, rejected) => acquisition.choose_member(Members { selection, rejected }),
        }
    }
}

impl FlightGoal<'_> {
    /// Returns the request of the flight again, as the state of the client makes it now.
    fn request_again<D>(&self, core: &Core<D>) -> Option<InitialRequest> {
        let key = self.owner.slot().key();
        match &self.walk {
            Some(walk) => walk.request(key).ok(),
            None => match core.request(key).ok()? {
                FlightRequest::Ready(request) => Some(request),
                FlightRequest::OfChain(..) => None,
            },
        }
    }
}

impl<'a, 'l, D> Acquisition<'a, D, FlightGoal<'l>> {
    /// Loads the token from the shared store if it may hold one. Otherwise begins the acquisition.
    pub(super) fn load_or_begin(self, request: InitialRequest) -> Effect<'a, D, FlightGoal<'l>> {
        let slot = self.goal.owner.slot();
        let is_shareable = self.core.has_store && slot.key().is_shareable();
        match request {
            InitialRequest::Token(request) if is_shareable => {
                let key = request.cache_key();
                match slot.distrusts_store() {
                    false => self.load(key, request),
                    true => self.sharing(Some(key)).begin_after_pause(request.into()),
                }
            }
            // The tokens of other credentials belong to this machine.
            request => self.sharing(None).begin_after_pause(request),
        }
    }

    fn sharing(mut self, key: Option<CacheKey>) -> Self {
        self.goal.shared = key;
        self
    }

    /// Begins after the rest of a pause that an earlier flight did not complete.
    fn begin_after_pause(self, request: InitialRequest) -> Effect<'a, D, FlightGoal<'l>> {
        match self.goal.owner.slot().pause_left(self.core.clock.now()) {
            Some(left) => self.begin_after(left, request),
            None => self.begin(request),
        }
    }
}

impl Goal for FlightGoal<'_> {
    /// Waiting callers get the outcome from the slot.
    type Output = ();

    fn key(&self) -> &Key {
        self.owner.slot().key()
    }

    fn on_send(&mut self) {
        self.owner.start_request();
    }

    fn on_pause(&mut self, until: Duration) {
        self.owner.slot().pause_until(until);
    }

    fn on_loaded<D>(
        acquisition: Acquisition<'_, D, Self>,
        key: CacheKey,
        request: TokenRequest,
        stored: Option<StoredToken>,
    ) -> Effect<'_, D, Self> {
        if stored.is_some_and(|stored| {
            acquisition
                .core
                .complete_from_store(acquisition.span, acquisition.goal.owner, &stored)
        }) {
            // The token is that of this application, whatever else was chosen since.
            let _ = acquisition.goal.walk.map(Walk::choose);
            return Effect::Done(());
        }
        acquisition.sharing(Some(key)).begin_after_pause(request.into())
    }

    fn remedy<D>(
        &self,
        core: &Core<D>,
        attempt: &Attempt,
        error: &Error,
        remedies: &mut Remedies,
    ) -> Option<InitialRequest> {
        if remedies.sign_again(core, attempt, error) {
            return self.request_again(core);
        }
        if !remedies.retry_refresh(self.key(), attempt, error) {
            return None;
        }
        let sent = attempt.refresh_token.as_ref()?;
        let request = self.request_again(core)?;
        let InitialRequest::Token(again) = &request else {
            return None;
        };
        (again.refresh_token()?.expose() != sent.expose()).then_some(request)
    }

    fn complete<D>(
        mut acquisition: Acquisition<'_, D, Self>,
        attempt: Attempt,
        response: TokenResponse,
    ) -> Effect<'_, D, Self> {
        match acquisition.goal.walk.take().map(Walk::choose) {
            None | Some(Choice::Chosen) => {}
            Some(Choice::Other(members)) => return acquisition.choose_member(members),
            Some(Choice::Unfit(error)) => return Self::fail(acquisition, Some(&attempt), error),
        }
        let FlightGoal { owner, shared, .. } = acquisition.goal;
        let to_save = acquisition
            .core
            .complete_flight(acquisition.span, owner, attempt, response);
        match shared.zip(to_save) {
            Some((key, token)) => Effect::Save(Save { key, token, output: () }),
            None => Effect::Done(()),
        }
    }

    fn fail<'a, D>(
        mut acquisition: Acquisition<'a, D, Self>,
        attempt: Option<&Attempt>,
        error: Error,
    ) -> Effect<'a, D, Self> {
        let next = acquisition.goal.walk.take().and_then(|walk| walk.leave(&error));
        if let Some((members, search)) = next {
            return acquisition.search_member(members, search);
        }
        let Acquisition { core, span, goal, .. } = acquisition;
        core.fail_flight(span, goal.owner, attempt, error);
        Effect::Done(())
    }
}

impl<D> Core<D> {
    /// Ends a flight with a response: caches the token and reports it to all waiting callers.
    /// Returns the token to save in the shared store.
    fn complete_flight(
        &self,
        span: &Span,
        owner: &mut FlightOwner,
        attempt: Attempt,
        mut response: TokenResponse,
    ) -> Option<StoredToken> {
        let slot = Arc::clone(owner.slot());
        // The user's callback for the newer refresh token may panic. The access token is valid
        // anyway.
        let rotation = match (
            slot.key().subject.user(),
            &attempt.refresh_token,
            response.refresh_token.take(),
        ) {
            (Some(user), Some(sent), Some(newer)) => catch_unwind(AssertUnwindSafe(|| user.rotate(sent, newer))),
            _ => Ok(()),
        };
        let is_shared = self.has_store && slot.key().is_shareable() && !attempt.has_no_lifetime;
        let to_save = is_shared.then(|| StoredToken::from(&response));
        let token = self.accept_response(span, slot.key(), attempt, response, owner.origin());
        let completion = self.publish(owner, &token, true);
        // The user may have signed out after the request, before there was a slot to forget.
        if slot.key().subject.user().is_some_and(User::has_signed_out) {
            slot.forget().wake();
        }
        if let Err(panic) = rotation {
            resume_unwind(panic);
        }
        to_save.filter(|_| completion == Completion::Cached)
    }

    /// Ends a flight with a token from the shared store, if the token can be used. Returns true if
    /// the flight has ended.
    ///
    /// A token from the future cannot be used, and for a refresh only a fresh one.
    fn complete_from_store(&self, span: &Span, owner: &mut FlightOwner, stored: &StoredToken) -> bool {
        let now = self.clock.now();
        let lifetime = &stored.lifetime;
        let Ok(draw) = random_guid(&*self.random) else {
            return false;
        };
        let is_too_long = lifetime.expires_at.since(lifetime.received_at) > MAX_LIFETIME;
        if is_too_long || self.slots.distrusts_stored(lifetime.received_at) {
            return false;
        }
        let slot = Arc::clone(owner.slot());
        let token = self.token(stored.access_token.clone(), lifetime, now, draw, None, owner.origin());
        let usable = match token.freshness(now) {
            Freshness::Fresh => true,
            // Only the service has a better token than the cached one.
            Freshness::NeedsRefresh => slot.peek(now).is_none(),
            Freshness::Expired => false,
        };
        // An API may have rejected the cached token while the store was read.
        if !usable || self.publish(owner, &token, false) == Completion::Distrusted {
            return false;
        }
        span.record("source", "store");
        self.observe(slot.key(), EventKind::StoreHit, None);
        true
    }

    /// Ends a flight without a token: caches the failure and reports it to all waiting callers.
    fn fail_flight(&self, span: &Span, owner: &mut FlightOwner, attempt: Option<&Attempt>, error: Error) {
        let cool_down = owner.cool_down(&error, &self.policy);
        self.report_failure(span, owner.slot().key(), attempt, &error, Some(cool_down));
        owner.fail(error, cool_down, self.clock.now());
    }

    /// Ends a flight in which foreign code panicked, like a flight that failed.
    pub(crate) fn fail_after_panic(&self, owner: &mut FlightOwner) {
        let Some(started_at) = owner.started_at() else { return };
        let error = TransportError::new(
            TransportErrorKind::Other,
            "a panic ended the acquisition: in the signer, the transport, the token store, the observer or the clock",
        );
        let error = Error::from(error);
        let cool_down = owner.cool_down(&error, &self.policy);
        // If the clock panics, the start of the flight stands for now. Its time of day is infinite,
        // so that only the monotonic clock ends the cool-down.
        let start = Moment {
            wall: Timestamp::from_epoch(Duration::MAX),
            monotonic: started_at,
        };
        let now = catch_unwind(AssertUnwindSafe(|| self.clock.now())).unwrap_or(start);
        owner.fail(error.clone(), cool_down, now);
        let key = owner.slot().key();
        tracing::error!(%error, "no token for {}", key.target);
        // The observer may be what panics.
        let observe = || self.observe_failure(key, &error, Some(cool_down));
        drop(catch_unwind(AssertUnwindSafe(observe)));
    }
}
