use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use entra_proto::{
    AccessToken, Application, ErrorClass, Freshness, Guid, Lifetime, MAX_LIFETIME, Tenant, Timestamp, TokenRequest,
    TokenResponse,
};
use entra_transport::{AcquireError, TransportError, TransportErrorKind};
use tracing::level_filters::LevelFilter;
use tracing::{Level, Span};

use crate::assertions::Assertions;
use crate::attempt::Attempt;
use crate::cache::{Key, KeyRef, Landing, Lead, Slot, Slots, Turn, Waiter};
use crate::clock::{Clock, Moment};
use crate::error::Error;
use crate::gate::{Gate, Permit};
use crate::observer::{Event, EventKind, Observer};
use crate::policy::Policy;
use crate::random::{SecureRandom, random_guid};
use crate::token::Token;
use crate::token_store::StoredToken;
use crate::user::User;

/// What the async and the blocking client have in common: all but waiting. `D` is what waits.
pub(crate) struct Core<D> {
    pub(crate) application: Application,
    pub(crate) policy: Policy,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) random: Box<dyn SecureRandom>,
    pub(crate) observer: Option<Box<dyn Observer>>,
    pub(crate) slots: Slots,
    pub(crate) assertions: Assertions,
    /// Flights for which no caller needs to wait.
    pub(crate) background: Arc<Gate>,
    pub(crate) driver: D,
}

/// What waits: tasks of a runtime, or threads.
pub(crate) trait Driver: Sized {
    /// Runs the flight of `lead` without a caller that waits for it.
    fn fly(core: &Arc<Core<Self>>, lead: Lead, request: TokenRequest, permit: Permit);

    /// Whether there is a second level.
    fn has_store(&self) -> bool;
}

/// Which token a caller wants.
#[derive(Clone, Copy)]
pub(crate) enum Want {
    /// One that lives.
    Living,
    /// One that is requested from now on.
    Requested,
    /// One that was requested after the one of this number.
    After(u64),
}

/// What a caller who found no token in the cache is to do.
pub(crate) enum Next {
    /// Nothing: here is the outcome.
    Done(Result<Token, Error>),
    /// Start a flight, and wait for it.
    Lead(Lead),
    /// Start a flight in the background, and wait for it for a short time only: the token that is here still lives.
    Behind(Lead, Permit),
    /// Wait for a flight, and look again after this time; its outcome may not be for this caller.
    Wait(Waiter, Duration, bool),
}

impl<D: Driver> Core<D> {
    /// The path of a cached token: a look-up, two clocks and a comparison.
    pub(crate) fn ready(self: &Arc<Self>, key: KeyRef<'_>) -> Option<Token> {
        let now = self.clock.now();
        let look = |slot: &Arc<Slot>| {
            let (token, due) = slot.peek(now)?;
            Some((token, due.then(|| Arc::clone(slot))))
        };
        let (token, due) = self.slots.look(key, look)??;
        if let Some(slot) = due {
            self.refresh(&slot, now);
        }
        self.hit(key);
        Some(token)
    }

    /// Has the slot's token refreshed in the background, unless that is under way.
    #[cold]
    pub(crate) fn refresh(self: &Arc<Self>, slot: &Arc<Slot>, now: Moment) {
        // Where as many are refreshed as may be, a later caller tries again: the token lives.
        let Some(permit) = self.background.enter() else { return };
        let Some(lead) = slot.refresh(now) else { return };
        if let Ok(request) = self.request(slot.key()) {
            D::fly(self, lead, request, permit);
        }
    }

    /// A token was given out of the cache.
    pub(crate) fn hit(&self, key: KeyRef<'_>) {
        // One load where nobody listens: this is the path that has to be short.
        if Level::TRACE <= LevelFilter::current() {
            trace_hit(key);
        }
        if let Some(observer) = &self.observer {
            observer.observe(&Event::new(EventKind::CacheHit, key.tenant, key.target, None));
        }
    }

    /// The slot of `key`. A new one is made only for what can be asked for at all; its request comes along.
    pub(crate) fn slot(&self, key: KeyRef<'_>) -> Result<(Arc<Slot>, Option<TokenRequest>), Error> {
        if let Some(slot) = self.slots.look(key, Arc::clone) {
            return Ok((slot, None));
        }
        let key = key.to_key();
        let request = self.request(&key)?;
        Ok((self.new_slot(key), Some(request)))
    }

    /// A slot for `key`, for which others may have to go.
    pub(crate) fn new_slot(&self, key: Key) -> Arc<Slot> {
        let (slot, evicted) = self.slots.slot(key, self.clock.now());
        self.evicted(&slot, evicted);
        slot
    }

    /// This many slots had to go for this one.
    fn evicted(&self, slot: &Slot, evicted: usize) {
        for _ in 0..evicted {
            self.observe(slot.key(), EventKind::Evicted, None);
        }
    }

    /// After which number a token was requested that the caller wants, where not any will do.
    pub(crate) fn after(slot: &Slot, want: Want) -> Option<u64> {
        match want {
            Want::Living => None,
            Want::Requested => Some(slot.last_number()),
            Want::After(number) => Some(number),
        }
    }

    /// What to do about a slot without a token, or without one from `after` the number given.
    pub(crate) fn join(&self, slot: &Arc<Slot>, after: Option<u64>) -> Next {
        let now = self.clock.now();
        let living = || slot.living(now).filter(|_| after.is_none());
        match slot.join(now, after, self.policy.patience) {
            Turn::Ready(token) => {
                let kind = match token.freshness(now) {
                    Freshness::Missing => EventKind::ServedAnyway,
                    _ => EventKind::CacheHit,
                };
                self.observe(slot.key(), kind, None);
                Next::Done(Ok(token))
            }
            Turn::Cooling(error) => {
                self.observe(slot.key(), EventKind::CachedFailure, Some(&error));
                Next::Done(Err(error))
            }
            Turn::Wait { waiter, left, serves } => {
                let Some(token) = living() else {
                    self.observe(slot.key(), EventKind::Joined, None);
                    return Next::Wait(waiter, left, serves);
                };
                let passed = self.policy.patience.saturating_sub(left);
                let grace = self.policy.grace.saturating_sub(passed);
                if grace.is_zero() {
                    self.observe(slot.key(), EventKind::ServedAnyway, None);
                    return Next::Done(Ok(token));
                }
                self.observe(slot.key(), EventKind::Joined, None);
                Next::Wait(waiter, left.min(grace), serves)
            }
            Turn::Lead(lead) => match living() {
                None => Next::Lead(lead),
                Some(token) => match self.background.enter() {
                    Some(permit) => Next::Behind(lead, permit),
                    None => {
                        drop(lead);
                        self.observe(slot.key(), EventKind::ServedAnyway, None);
                        Next::Done(Ok(token))
                    }
                },
            },
        }
    }

    /// What a caller gets of a flight's outcome: the token that is still alive, where there is no newer one.
    pub(crate) fn settle(
        &self,
        slot: &Slot,
        after: Option<u64>,
        outcome: Result<Token, Error>,
    ) -> Result<Token, Error> {
        outcome.or_else(|error| self.instead(slot, after, Some(&error)).ok_or(error))
    }

    /// What a caller gets who has waited in vain: the token that is still alive, where there is one.
    pub(crate) fn instead(&self, slot: &Slot, after: Option<u64>, error: Option<&Error>) -> Option<Token> {
        let living = slot.living(self.clock.now()).filter(|_| after.is_none())?;
        self.observe(slot.key(), EventKind::ServedAnyway, error);
        Some(living)
    }

    /// The request for a slot's token.
    pub(crate) fn request(&self, key: &Key) -> Result<TokenRequest, Error> {
        let application = self.application_in(&key.tenant)?;
        let request = match &key.user {
            Some(user) => user.request(&application, key.target.clone())?,
            None => application.client_credentials(key.target.clone())?,
        };
        Ok(match &key.claims {
            Some(claims) => request.with_claims(claims.as_str())?,
            None => request,
        })
    }

    /// The application in this tenant.
    pub(crate) fn application_in(&self, tenant: &Tenant) -> Result<Application, Error> {
        let application = self.application.clone();
        if application.authority().tenant() == tenant {
            return Ok(application);
        }
        let authority = application.authority().with_tenant(tenant.clone())?;
        Ok(application.at(authority))
    }

    /// Ends a flight well: keeps the token, and gives it to all waiting callers. Returns what the shared store is to keep.
    pub(crate) fn complete_flight(
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
        let is_shared = self.driver.has_store() && slot.key().is_lasting() && !attempt.is_lifeless;
        let to_keep = is_shared.then(|| StoredToken::from(&response));
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
        to_keep.filter(|_| landing == Landing::Kept)
    }

    pub(crate) fn land(&self, lead: &mut Lead, token: &Token, from_service: bool) -> Landing {
        let now = self.clock.now();
        let pace = self.policy.refresh_interval.min(LEAST_PACE.max(token.life() / 4));
        let landing = lead.land(token, from_service, now, pace);
        self.evicted(lead.slot(), self.slots.make_room(now));
        landing
    }

    /// Takes what the service gave: the token, and note of the assertion that proved good.
    pub(crate) fn accept_response(
        &self,
        span: &Span,
        key: &Key,
        attempt: Attempt,
        response: TokenResponse,
        home: (Weak<Slot>, u64),
    ) -> Token {
        let now = self.clock.now();
        if let (Some(name), Some((assertion, signed))) = (attempt.kept_by, attempt.signed) {
            // What was accepted right after a cached one was rejected may be accepted only once.
            let assertion = (!attempt.is_signed_anew).then_some(assertion);
            self.assertions.keep(name, assertion, signed, now);
        }
        let id = attempt.request_id;
        let token = self.token(response.access_token, &response.lifetime, now, id, Some(id), home);
        span.record("source", "network");
        if let Some(observer) = &self.observer {
            let lifetime = Some(response.lifetime);
            let event = Event::new(EventKind::Acquired, &key.tenant, &key.target, None);
            observer.observe(&Event { lifetime, ..event });
        }
        token
    }

    /// Ends a flight badly: remembers why, and tells all waiting callers.
    pub(crate) fn fail_flight(&self, span: &Span, lead: &mut Lead, attempt: Option<&Attempt>, cause: AcquireError) {
        let error = Error::from(cause);
        let cool_down = lead.cool_down(&error, &self.policy);
        self.report_failure(span, lead.slot().key(), attempt, &error, Some(cool_down));
        lead.fail(error, cool_down, self.clock.now());
    }

    /// Ends a flight in which the code of others panicked, as any that failed.
    pub(crate) fn fail_after_panic(&self, lead: &mut Lead) {
        let Some(since) = lead.since() else { return };
        let error = TransportError::new(
            TransportErrorKind::Other,
            "a panic ended the acquisition: in the signer, the transport, the token store, the observer or the clock",
        );
        let error = Error::from(error);
        let cool_down = lead.cool_down(&error, &self.policy);
        // It may be the clock that panics: the start of the flight stands for now, which the time of day does not bring to an end.
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

    /// Takes note that there is no token: of an assertion that is no good, in the log, and for whoever observes.
    pub(crate) fn report_failure(
        &self,
        span: &Span,
        key: &Key,
        attempt: Option<&Attempt>,
        error: &Error,
        cool_down: Option<Duration>,
    ) {
        if let Some(name) = attempt.and_then(|attempt| attempt.kept_by.as_ref()) {
            if error.class() == ErrorClass::Credential {
                self.assertions.discard(name);
            }
        }
        span.record("source", "network");
        if let Some(code) = error.service().and_then(|error| error.codes.last()) {
            span.record("code", code);
        }
        span.in_scope(|| tracing::warn!(%error, "no token for {}", key.target));
        self.observe_failure(key, error, cool_down);
    }

    /// Lands a token out of the shared store, if it can be used: not one from the future, and for a refresh no older one. Returns
    /// whether it has landed.
    pub(crate) fn complete_from_store(&self, span: &Span, lead: &mut Lead, stored: &StoredToken) -> bool {
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

    /// Takes note that an API rejected this token.
    pub(crate) fn invalidate(&self, token: &Token) -> bool {
        let Some(slot) = token.home() else {
            // The shared store may have it still, and no slot is left to know better.
            self.slots.doubt(self.clock.now());
            return false;
        };
        self.reject(&slot, token.number())
    }

    /// Takes note that an API rejected the token of this number.
    pub(crate) fn reject(&self, slot: &Slot, number: u64) -> bool {
        let is_news = slot.reject(number, self.clock.now(), &self.policy);
        if is_news {
            self.observe(slot.key(), EventKind::Invalidated, None);
        }
        is_news
    }

    /// Forgets every token of this tenant, API and user, whatever claims it has.
    pub(crate) fn forget(&self, wanted: KeyRef<'_>) {
        self.slots.forget(self.driver.has_store(), |key| {
            wanted
                == KeyRef {
                    claims: None,
                    ..key.view()
                }
        });
    }

    /// Takes note of a consent: the application's own tokens in this tenant lack the new permissions, and its refusals may be over. The
    /// tenant may be what a stranger's browser said, so that nothing that works is lost by it.
    pub(crate) fn consented(&self, tenant: &Tenant) {
        self.slots.reconsider(|key| key.user.is_none() && key.tenant == *tenant);
    }

    /// Forgets this user, and every token of his.
    pub(crate) fn forget_user(&self, user: &User) {
        user.sign_out();
        self.slots
            .forget(self.driver.has_store(), |key| key.user.as_ref() == Some(user));
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.assertions.clear();
        self.slots.forget(self.driver.has_store(), |_| true);
    }

    /// The span of an acquisition.
    pub(crate) fn span(key: &Key) -> Span {
        use tracing::field::Empty;
        tracing::debug_span!(
            "entra.token",
            tenant = %key.tenant,
            target = %key.target,
            source = Empty,
            correlation_id = Empty,
            code = Empty
        )
    }

    fn token(
        &self,
        token: AccessToken,
        lifetime: &Lifetime,
        now: Moment,
        draw: Guid,
        request_id: Option<Guid>,
        home: (Weak<Slot>, u64),
    ) -> Token {
        let [.., a, b, c, d] = *draw.as_bytes();
        let stages = self.policy.freshness.stages(lifetime, u32::from_be_bytes([a, b, c, d]));
        Token::new(token, lifetime, stages, now, request_id, home)
    }

    fn observe_failure(&self, key: &Key, error: &Error, cool_down: Option<Duration>) {
        if let Some(observer) = &self.observer {
            let event = Event::new(EventKind::Failed, &key.tenant, &key.target, Some(error));
            observer.observe(&Event { cool_down, ..event });
        }
    }

    pub(crate) fn observe(&self, key: &Key, kind: EventKind, error: Option<&Error>) {
        if let Some(observer) = &self.observer {
            observer.observe(&Event::new(kind, &key.tenant, &key.target, error));
        }
    }
}

/// The least time between two refreshes of one slot.
const LEAST_PACE: Duration = Duration::from_secs(1);

#[cold]
fn trace_hit(key: KeyRef<'_>) {
    drop(tracing::trace_span!("entra.token", tenant = %key.tenant, target = %key.target, source = "cache").entered());
}
