use std::sync::{Arc, Weak};
use std::time::Duration;

use entra_proto::{
    AccessToken, Application, ClientAssertion, DeviceCodeRequest, ErrorClass, Freshness, Guid, Lifetime, MAX_LIFETIME,
    RefreshToken, Sign, Step, Tenant, TokenRequest, TokenResponse,
};
use entra_transport::AcquireError;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Span};

use crate::assertions::{Assertions, Name};
use crate::cache::{Key, KeyRef, Lead, Slot, Slots, Turn, Waiter};
use crate::clock::{Clock, Now};
use crate::error::Error;
use crate::observer::{Event, EventKind, Observer};
use crate::policy::Policy;
use crate::request_ids::RequestIds;
use crate::token::Token;
use crate::token_store::StoredToken;
use crate::user::User;

/// What the async and the blocking client have in common: all but waiting. `D` is what waits.
pub(crate) struct Core<D> {
    pub(crate) application: Application,
    pub(crate) policy: Policy,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) request_ids: Box<dyn RequestIds>,
    pub(crate) observer: Option<Box<dyn Observer>>,
    pub(crate) slots: Slots,
    pub(crate) assertions: Assertions,
    pub(crate) driver: D,
}

/// What waits: tasks of a runtime, or threads.
pub(crate) trait Driver: Sized {
    /// Fetches the token that `lead` is for without anybody waiting for it.
    fn refresh(core: &Arc<Core<Self>>, lead: Lead);

    /// Whether there is a second level.
    fn has_store(&self) -> bool;
}

/// What a caller who found no token in the cache is to do.
pub(crate) enum Next {
    /// Nothing: here is the outcome.
    Done(Result<Token, Error>),
    /// Acquire a token for everybody.
    Lead(Lead),
    /// Have a token acquired in the background, and ask again: the one that is here still lives.
    Behind(Lead),
    /// Wait for somebody who does, and ask again after this time.
    Wait(Waiter, Duration),
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

    /// Has the slot's token renewed in the background, unless somebody does already.
    #[cold]
    pub(crate) fn refresh(self: &Arc<Self>, slot: &Arc<Slot>, now: Now) {
        if let Some(lead) = slot.refresh(now) {
            D::refresh(self, lead);
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
        for _ in 0..evicted {
            self.observe(slot.key(), EventKind::Evicted, None);
        }
        slot
    }

    /// What to do about a slot without a token, or with one that `force` does not want.
    pub(crate) fn join(&self, slot: &Arc<Slot>, force: bool) -> Next {
        let now = self.clock.now();
        match slot.join(now, force, self.policy.patience) {
            Turn::Ready(token) => {
                let kind = match token.freshness(now) {
                    Freshness::Missing => EventKind::ServedAnyway,
                    _ => EventKind::CacheHit,
                };
                self.observe(slot.key(), kind, None);
                Next::Done(Ok(token))
            }
            Turn::Cooling(error) => {
                self.observe(slot.key(), EventKind::Refused, Some(&error));
                Next::Done(Err(error))
            }
            Turn::Wait(waiter, mut patience) => {
                self.observe(slot.key(), EventKind::Joined, None);
                if !force && slot.living(now).is_some() {
                    patience = patience.min(self.policy.grace);
                }
                Next::Wait(waiter, patience)
            }
            Turn::Lead(lead) if !force && slot.living(now).is_some() => Next::Behind(lead),
            Turn::Lead(lead) => Next::Lead(lead),
        }
    }

    /// What a caller gets of a flight's outcome: the token that is still alive, where there is no newer one.
    pub(crate) fn settle(&self, slot: &Slot, force: bool, outcome: Result<Token, Error>) -> Result<Token, Error> {
        outcome.or_else(|error| self.instead(slot, force, Some(&error)).ok_or(error))
    }

    /// What a caller gets who has waited in vain: the token that is still alive, where there is one.
    pub(crate) fn instead(&self, slot: &Slot, force: bool, error: Option<&Error>) -> Option<Token> {
        let living = slot.living(self.clock.now()).filter(|_| !force)?;
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

    /// The request with a user's newer refresh token, where the service refused the one that was sent: whoever renewed another of his
    /// tokens meanwhile may have spent it.
    pub(crate) fn with_newer(
        &self,
        span: &Span,
        lead: &Lead,
        attempt: &Attempt,
        cause: &AcquireError,
    ) -> Option<TokenRequest> {
        let (sent, error) = (attempt.refresh_token.as_ref()?, Error::from(cause.clone()));
        if error.class() != ErrorClass::Grant {
            return None;
        }
        let key = lead.slot().key();
        let newer = self.request(key).ok()?;
        newer.refresh_token().filter(|newer| newer.expose() != sent.expose())?;
        self.refused(span, key, Some(attempt), &error, None);
        Some(newer)
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

    /// Begins an acquisition.
    pub(crate) fn begin(
        &self,
        span: &Span,
        key: &Key,
        wanted: impl Into<Wanted>,
    ) -> Result<(Attempt, Step), AcquireError> {
        self.observe(key, EventKind::Requested, None);
        let request_id = self.request_ids.next()?;
        span.record("correlation_id", tracing::field::display(request_id));
        let now = self.clock.now();
        let mut attempt = Attempt {
            request_id,
            sent: now,
            kept_by: None,
            signed: None,
            refresh_token: None,
        };
        let step = match wanted.into() {
            Wanted::Token(request) => {
                attempt.refresh_token = request.refresh_token().cloned();
                let (request, kept_by) = self.assertions.prove(request, now);
                attempt.kept_by = kept_by;
                request.start(self.policy.retry, request_id, now.wall)
            }
            Wanted::DeviceCode(request) => request.start(self.policy.retry, request_id, now.wall),
        };
        Ok((attempt, step))
    }

    /// Ends an acquisition well: keeps the token, and gives it to everybody who waits.
    pub(crate) fn landed(&self, span: &Span, lead: Lead, attempt: Attempt, mut response: TokenResponse) -> Token {
        let slot = Arc::clone(lead.slot());
        if let (Some(user), Some(sent), Some(newer)) =
            (&slot.key().user, &attempt.refresh_token, response.refresh_token.take())
        {
            user.rotate(sent, newer);
        }
        let token = self.accepted(span, slot.key(), attempt, response, Arc::downgrade(&slot));
        lead.land(token.clone(), true);
        // He may have signed out after this was asked for, and before there was a slot to forget.
        if slot.key().user.as_ref().is_some_and(User::has_signed_out) {
            slot.forget();
        }
        token
    }

    /// Takes what the service gave: the token, and note of the assertion that proved good.
    pub(crate) fn accepted(
        &self,
        span: &Span,
        key: &Key,
        attempt: Attempt,
        response: TokenResponse,
        home: Weak<Slot>,
    ) -> Token {
        let now = self.clock.now();
        if let (Some(name), Some((assertion, signed))) = (attempt.kept_by, attempt.signed) {
            self.assertions.keep(name, assertion, signed, now);
        }
        let id = attempt.request_id;
        let token = self.token(response.access_token, &response.lifetime, now, id, Some(id), home);
        span.record("source", "network");
        self.observe(key, EventKind::Acquired, None);
        token
    }

    /// Ends an acquisition badly: remembers why, and tells everybody who waits.
    pub(crate) fn failed(&self, span: &Span, lead: Lead, attempt: Option<&Attempt>, cause: AcquireError) -> Error {
        let error = Error::from(cause);
        let cool_down = lead.cool_down(&error, &self.policy);
        self.refused(span, lead.slot().key(), attempt, &error, Some(cool_down));
        lead.fail(error.clone(), cool_down, self.clock.now());
        error
    }

    /// Takes note that there is no token: of an assertion that is no good, in the log, and for whoever observes.
    pub(crate) fn refused(
        &self,
        span: &Span,
        key: &Key,
        attempt: Option<&Attempt>,
        error: &Error,
        cool_down: Option<Duration>,
    ) {
        if let Some(name) = attempt.and_then(|attempt| attempt.kept_by.as_ref()) {
            if error.class() == ErrorClass::Credential {
                self.assertions.refused(name);
            }
        }
        span.record("source", "network");
        if let Some(code) = error.service().and_then(|error| error.codes.last()) {
            span.record("code", code);
        }
        span.in_scope(|| tracing::warn!(%error, "no token for {}", key.target));
        if let Some(observer) = &self.observer {
            let event = Event::new(EventKind::Failed, &key.tenant, &key.target, Some(error));
            observer.observe(&Event { cool_down, ..event });
        }
    }

    /// Lands a token out of the shared store, where it can be used: not one from the future, and for a refresh no older one.
    pub(crate) fn landed_from_store(&self, span: &Span, lead: Lead, stored: &StoredToken) -> Result<Token, Lead> {
        // An API may have refused what is there while the store was being read.
        if lead.slot().distrusts_store() {
            return Err(lead);
        }
        let now = self.clock.now();
        let lifetime = &stored.lifetime;
        let Ok(draw) = self.request_ids.next() else {
            return Err(lead);
        };
        if lifetime.expires_at.since(lifetime.received_at) > MAX_LIFETIME {
            return Err(lead);
        }
        let home = Arc::downgrade(lead.slot());
        let token = self.token(stored.access_token.clone(), lifetime, now, draw, None, home);
        let usable = match token.freshness(now) {
            Freshness::Fresh => true,
            // Where the one at hand is no worse, only the service has a better one.
            Freshness::Due => lead.slot().peek(now).is_none(),
            Freshness::Missing => false,
        };
        if !usable {
            return Err(lead);
        }
        span.record("source", "store");
        self.observe(lead.slot().key(), EventKind::StoreHit, None);
        lead.land(token.clone(), false);
        Ok(token)
    }

    /// Drops a token that an API refused, if it is still the one that is kept.
    pub(crate) fn invalidate(&self, token: &Token) -> bool {
        let Some(slot) = token.home() else { return false };
        let dropped = slot.invalidate(token);
        if dropped {
            self.observe(slot.key(), EventKind::Invalidated, None);
        }
        dropped
    }

    /// Drops the token of this generation, if it is still the one that is kept.
    pub(crate) fn discard(&self, slot: &Slot, generation: u64) -> bool {
        let dropped = slot.discard(generation);
        if dropped {
            self.observe(slot.key(), EventKind::Invalidated, None);
        }
        dropped
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
    pub(crate) fn consented(&self, tenant: Guid) {
        let tenant = Tenant::Id(tenant);
        self.slots.reconsider(|key| key.user.is_none() && key.tenant == tenant);
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
        now: Now,
        draw: Guid,
        request_id: Option<Guid>,
        home: Weak<Slot>,
    ) -> Token {
        let [.., a, b, c, d] = *draw.as_bytes();
        let stages = self.policy.freshness.stages(lifetime, u32::from_be_bytes([a, b, c, d]));
        Token::new(token, lifetime, stages, now, request_id, home)
    }

    fn observe(&self, key: &Key, kind: EventKind, error: Option<&Error>) {
        if let Some(observer) = &self.observer {
            observer.observe(&Event::new(kind, &key.tenant, &key.target, error));
        }
    }
}

/// What an acquisition begins with.
pub(crate) enum Wanted {
    Token(TokenRequest),
    DeviceCode(DeviceCodeRequest),
}

impl From<TokenRequest> for Wanted {
    fn from(request: TokenRequest) -> Self {
        Self::Token(request)
    }
}

impl From<DeviceCodeRequest> for Wanted {
    fn from(request: DeviceCodeRequest) -> Self {
        Self::DeviceCode(request)
    }
}

#[cold]
fn trace_hit(key: KeyRef<'_>) {
    drop(tracing::trace_span!("entra.token", tenant = %key.tenant, target = %key.target, source = "cache").entered());
}

/// What a driver carries along while an acquisition is under way.
pub(crate) struct Attempt {
    request_id: Guid,
    /// When the last request was sent.
    pub(crate) sent: Now,
    /// What its assertion is kept by, where it is one that is kept.
    kept_by: Option<Name>,
    /// An assertion that was signed for it, and when.
    signed: Option<(ClientAssertion, Now)>,
    /// What it sends of a user who signed in, and what may be replaced while it is under way.
    refresh_token: Option<RefreshToken>,
}

impl Attempt {
    /// Counts a life from when the last request was sent: the service counted from when it answered, and that was no earlier. By the
    /// clock that says more: a machine may sleep while the answer is under way.
    pub(crate) fn shorten(&self, lifetime: &mut Lifetime, now: Now) {
        let by_monotonic = now.monotonic.saturating_sub(self.sent.monotonic);
        let transit = by_monotonic.max(now.wall.since(self.sent.wall));
        lifetime.expires_at = lifetime.expires_at.minus(transit);
    }

    /// Signs what has to be signed, and takes note of it.
    pub(crate) fn sign(&mut self, sign: Sign, now: Now) -> Result<Step, AcquireError> {
        // The certificate may have been rotated since the name was made.
        let name = self.kept_by.take();
        self.kept_by = name.map(|name| name.with(sign.assertion().certificate()));
        let step = sign.sign()?;
        if let Step::Exchange(exchange) = &step {
            self.signed = exchange.assertion().map(|assertion| (assertion.clone(), now));
        }
        Ok(step)
    }
}
