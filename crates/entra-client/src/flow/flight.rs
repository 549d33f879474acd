//! A flight: the acquisition of a slot's token, whose outcome is for all callers.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use entra_proto::cache::{CacheKey, Freshness, MAX_LIFETIME};
use entra_proto::{Timestamp, TokenRequest, TokenResponse};
use entra_transport::{TransportError, TransportErrorKind};
use tracing::Span;

use super::acquisition::{Goal, Run};
use super::attempt::{Attempt, Remedies, Wanted};
use super::{Effect, Save};
use crate::cache::{Key, Landing, Lead};
use crate::clock::Moment;
use crate::core::Core;
use crate::error::Error;
use crate::gate::Permit;
use crate::observer::EventKind;
use crate::random::random_guid;
use crate::token_store::StoredToken;
use crate::user::User;

/// A flight that has not begun.
pub(crate) struct Flight {
    pub(crate) lead: Lead,
    pub(crate) request: TokenRequest,
    /// Its share of how many run at once, given back when it ends.
    pub(crate) permit: Option<Permit>,
}

/// The goal of a flight: its slot has a token.
pub(crate) struct Flying<'a> {
    lead: &'a mut Lead,
    /// The key in the shared store, if there is one for this token.
    shared: Option<CacheKey>,
}

impl<'a> Flying<'a> {
    /// Starts the flight of `lead`.
    pub(crate) fn start<D>(
        core: &'a Core<D>,
        span: &'a Span,
        lead: &'a mut Lead,
        request: TokenRequest,
    ) -> Effect<'a, D, Self> {
        let is_shared = core.has_store && lead.slot().key().is_lasting();
        let shared = is_shared.then(|| request.cache_key());
        let is_trusted = !lead.slot().distrusts_store();
        let run = Run::new(core, span, Self { lead, shared: None });
        match shared {
            Some(key) if is_trusted => run.load(key, request),
            shared => run.sharing(shared).depart(request),
        }
    }
}

impl<'a, 'l, D> Run<'a, D, Flying<'l>> {
    fn sharing(mut self, key: Option<CacheKey>) -> Self {
        self.goal.shared = key;
        self
    }

    /// Begins, after what is left of a pause that an earlier flight did not see to its end.
    fn depart(self, request: TokenRequest) -> Effect<'a, D, Flying<'l>> {
        match self.goal.lead.slot().pause_left(self.core.clock.now()) {
            Some(left) => self.begin_after(left, request.into()),
            None => self.begin(request.into()),
        }
    }
}

impl Goal for Flying<'_> {
    /// The callers that wait get the outcome from the slot.
    type Output = ();

    fn key(&self) -> &Key {
        self.lead.slot().key()
    }

    fn departs(&mut self) {
        self.lead.depart();
    }

    fn pauses(&mut self, until: Duration) {
        self.lead.slot().pause_until(until);
    }

    fn loaded<D>(
        run: Run<'_, D, Self>,
        key: CacheKey,
        request: TokenRequest,
        stored: Option<StoredToken>,
    ) -> Effect<'_, D, Self> {
        if stored.is_some_and(|stored| run.core.complete_from_store(run.span, run.goal.lead, &stored)) {
            return Effect::Done(());
        }
        run.sharing(Some(key)).depart(request)
    }

    fn remedy<D>(&self, core: &Core<D>, attempt: &Attempt, error: &Error, remedies: &mut Remedies) -> Option<Wanted> {
        if remedies.sign_anew(core, attempt, error) {
            return core.request(self.key()).ok().map(Wanted::from);
        }
        if !remedies.renew(self.key(), attempt, error) {
            return None;
        }
        let sent = attempt.refresh_token.as_ref()?;
        let request = core.request(self.key()).ok()?;
        let newer = request.refresh_token()?;
        (newer.expose() != sent.expose()).then(|| request.into())
    }

    fn complete<D>(run: Run<'_, D, Self>, attempt: Attempt, response: TokenResponse) -> Effect<'_, D, Self> {
        let Flying { lead, shared } = run.goal;
        let to_save = run.core.complete_flight(run.span, lead, attempt, response);
        match shared.zip(to_save) {
            Some((key, token)) => Effect::Save(Save { key, token, output: () }),
            None => Effect::Done(()),
        }
    }

    fn fail<D>(run: Run<'_, D, Self>, attempt: Option<&Attempt>, error: Error) {
        run.core.fail_flight(run.span, run.goal.lead, attempt, error);
    }
}

impl<D> Core<D> {
    /// Ends a flight with a response: caches the token, and gives it to all callers that wait. Returns what the shared store should have.
    fn complete_flight(
        &self,
        span: &Span,
        lead: &mut Lead,
        attempt: Attempt,
        mut response: TokenResponse,
    ) -> Option<StoredToken> {
        let slot = Arc::clone(lead.slot());
        // What keeps the newer refresh token may panic: the access token is good all the same.
        let rotation = match (&slot.key().user, &attempt.refresh_token, response.refresh_token.take()) {
            (Some(user), Some(sent), Some(newer)) => catch_unwind(AssertUnwindSafe(|| user.rotate(sent, newer))),
            _ => Ok(()),
        };
        let is_shared = self.has_store && slot.key().is_lasting() && !attempt.is_lifeless;
        let to_save = is_shared.then(|| StoredToken::from(&response));
        let home = (Arc::downgrade(&slot), lead.number());
        let token = self.accept_response(span, slot.key(), attempt, response, home);
        let landing = self.land(lead, &token, true);
        // The user may have signed out after this was requested, and before there was a slot to forget.
        if slot.key().user.as_ref().is_some_and(User::has_signed_out) {
            slot.forget();
        }
        if let Err(panic) = rotation {
            resume_unwind(panic);
        }
        to_save.filter(|_| landing == Landing::Kept)
    }

    /// Ends a flight with a token out of the shared store, if it can be used: not one from the future, and for a refresh no older one.
    /// Returns whether the flight has ended.
    fn complete_from_store(&self, span: &Span, lead: &mut Lead, stored: &StoredToken) -> bool {
        let now = self.clock.now();
        let lifetime = &stored.lifetime;
        let Ok(draw) = random_guid(&*self.random) else {
            return false;
        };
        let is_too_long = lifetime.expires_at.since(lifetime.received_at) > MAX_LIFETIME;
        if is_too_long || self.slots.doubts(lifetime.received_at) {
            return false;
        }
        let slot = Arc::clone(lead.slot());
        let home = (Arc::downgrade(&slot), lead.number());
        let token = self.token(stored.access_token.clone(), lifetime, now, draw, None, home);
        let usable = match token.freshness(now) {
            Freshness::Fresh => true,
            // Where the one at hand is no worse, only the service has a better one.
            Freshness::Due => slot.peek(now).is_none(),
            Freshness::Missing => false,
        };
        // An API may have rejected what is there while the store was being read.
        if !usable || self.land(lead, &token, false) == Landing::Distrusted {
            return false;
        }
        span.record("source", "store");
        self.observe(slot.key(), EventKind::StoreHit, None);
        true
    }

    /// Ends a flight without a token: remembers why, and tells all callers that wait.
    fn fail_flight(&self, span: &Span, lead: &mut Lead, attempt: Option<&Attempt>, error: Error) {
        let cool_down = lead.cool_down(&error, &self.policy);
        self.report_failure(span, lead.slot().key(), attempt, &error, Some(cool_down));
        lead.fail(error, cool_down, self.clock.now());
    }

    /// Ends a flight in which the code of others panicked, like any that failed.
    pub(crate) fn fail_after_panic(&self, lead: &mut Lead) {
        let Some(since) = lead.since() else { return };
        let error = TransportError::new(
            TransportErrorKind::Other,
            "a panic ended the acquisition: in the signer, the transport, the token store, the observer or the clock",
        );
        let error = Error::from(error);
        let cool_down = lead.cool_down(&error, &self.policy);
        // If it is the clock that panics, the start of the flight stands for now, which the time of day does not bring to an end.
        let start = Moment {
            wall: Timestamp::from_epoch(Duration::MAX),
            monotonic: since,
        };
        let now = catch_unwind(AssertUnwindSafe(|| self.clock.now())).unwrap_or(start);
        lead.fail(error.clone(), cool_down, now);
        let key = lead.slot().key();
        tracing::error!(%error, "no token for {}", key.target);
        // It may be the observer that panics.
        let observe = || self.observe_failure(key, &error, Some(cool_down));
        drop(catch_unwind(AssertUnwindSafe(observe)));
    }
}
