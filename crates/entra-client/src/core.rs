//! The core of a client, async or blocking: the path of a cached token, and the events that change
//! the cache.

use std::sync::Arc;

use entra_proto::cache::Lifetime;
use entra_proto::{AccessToken, Application, Guid, Tenant};
use tracing::level_filters::LevelFilter;
use tracing::{Level, Span};

use crate::assertions::Assertions;
use crate::cache::{Key, KeyRef, Slot, Slots};
use crate::clock::{Clock, Moment};
use crate::error::Error;
use crate::flow::FlightTask;
use crate::gate::Gate;
use crate::observer::{Event, EventKind, Observer};
use crate::policy::Policy;
use crate::principal::{Kind, Principal};
use crate::random::SecureRandom;
use crate::request::{FlightRequest, in_tenant, only_applications, request_of, request_of_identity};
use crate::token::{CacheEntry, Origin, Token};
use crate::user::User;

/// The state that all handles of a client share: the cache, and the parameters of requests.
///
/// [`flow`](crate::flow) decides what happens next, and the driver of its effects finds its own
/// state in `driver`.
pub(crate) struct Core<D> {
    pub(crate) principal: Principal,
    pub(crate) policy: Policy,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) random: Box<dyn SecureRandom>,
    pub(crate) observer: Option<Box<dyn Observer>>,
    pub(crate) slots: Slots,
    pub(crate) assertions: Assertions,
    /// The bound on flights that no caller needs to wait for.
    pub(crate) background: Arc<Gate>,
    /// The bound on flights that run as tasks although a caller waits for them. `None` if callers
    /// run their flights themselves, because they cannot give up.
    pub(crate) detached: Option<Arc<Gate>>,
    /// True if there is a shared store behind the cache.
    pub(crate) has_store: bool,
    /// Runs a flight that goes on without its caller.
    pub(crate) spawn_flight: fn(&Arc<Self>, FlightTask),
    pub(crate) driver: D,
}

impl<D> Core<D> {
    /// Returns the cached token if it may be used: a look-up, two clocks and a comparison.
    ///
    /// This runs in the crate of the user, because it is generic. What takes time is in functions
    /// that are not generic, so that the compiler inlines it here.
    pub(crate) fn cached(self: &Arc<Self>, key: KeyRef<'_>) -> Option<Token> {
        let now = self.clock.now();
        let (token, to_refresh) = self.slots.peek(key, now)?;
        if let Some(slot) = to_refresh {
            self.refresh(&slot, now);
        }
        record_hit(self.observer.as_deref(), key);
        Some(token)
    }

    /// Starts a background refresh of the slot's token, unless one is in flight or was a short time
    /// ago.
    #[cold]
    pub(crate) fn refresh(self: &Arc<Self>, slot: &Arc<Slot>, now: Moment) {
        // If too many refreshes are in flight, a later caller tries again: the token is still
        // valid.
        let Some(permit) = self.background.enter() else { return };
        let Some(owner) = slot.start_refresh(now) else { return };
        if let Ok(request) = self.request(slot.key()) {
            let permit = Some(permit);
            (self.spawn_flight)(self, FlightTask { owner, request, permit });
        }
    }

    /// Returns the slot of `key`. A new one is created only if its token can be requested, and is
    /// returned with that request. If an API has rejected a token with the claims of the key, the
    /// request is for a token in its place, and is always returned.
    pub(crate) fn slot(
        &self,
        key: KeyRef<'_>,
        rejected: Option<&Token>,
    ) -> Result<(Arc<Slot>, Option<FlightRequest>), Error> {
        let slot = self.slots.find(key, Arc::clone);
        let rejected = rejected.filter(|_| key.claims.is_some());
        if let (Some(slot), None) = (slot, rejected) {
            return Ok((slot, None));
        }
        let key = key.to_key();
        let request = match rejected {
            Some(_) => self.request_replacing(&key, rejected)?,
            None => self.request(&key)?,
        };
        Ok((self.new_slot(key), Some(request)))
    }

    /// Returns the slot of `key`, for which others may be evicted.
    pub(crate) fn new_slot(&self, key: Key) -> Arc<Slot> {
        let (slot, evicted) = self.slots.get_or_insert(key, self.clock.now());
        self.evicted(&slot, evicted);
        slot
    }

    /// Evicts slots if the cache is too large, after this one got a token.
    pub(crate) fn make_room(&self, slot: &Slot, now: Moment) {
        self.evicted(slot, self.slots.make_room(now));
    }

    /// Reports that this many slots were evicted for this one.
    fn evicted(&self, slot: &Slot, evicted: usize) {
        for _ in 0..evicted {
            self.observe(slot.key(), EventKind::Evicted, None);
        }
    }

    /// Returns the request for the token of a key.
    pub(crate) fn request(&self, key: &Key) -> Result<FlightRequest, Error> {
        self.request_replacing(key, self.rejected(key).as_ref())
    }

    /// Returns the request for the token of a key, in place of a token that an API has rejected.
    fn request_replacing(&self, key: &Key, rejected: Option<&Token>) -> Result<FlightRequest, Error> {
        let request = match &self.principal.0 {
            Kind::Application(application) => request_of(application, key)?.into(),
            Kind::ManagedIdentity(managed) => request_of_identity(managed, key, rejected)?.into(),
            Kind::Chain(selection) => return Ok(FlightRequest::OfChain(Arc::clone(selection), rejected.cloned())),
        };
        Ok(FlightRequest::Ready(request))
    }

    /// Returns the cached token that an API has rejected, for a key with the claims that the API
    /// requires: the token with these claims, or the one without claims.
    fn rejected(&self, key: &Key) -> Option<Token> {
        key.claims.as_ref()?;
        let without = KeyRef {
            claims: None,
            ..key.view()
        };
        let now = self.clock.now();
        let cached = |key| self.slots.find(key, |slot| slot.unexpired(now)).flatten();
        cached(key.view()).or_else(|| cached(without))
    }

    /// Returns the application in this tenant, or in its own one.
    ///
    /// # Errors
    /// Returns an error if the principal is not an application, or if the tenant makes no valid
    /// authority.
    pub(crate) fn application_in(&self, tenant: Option<&Tenant>) -> Result<Application, Error> {
        let application = self.principal.application();
        let application = application.ok_or_else(|| only_applications(&self.principal.to_string()))?;
        Ok(in_tenant(application, tenant)?)
    }

    /// Returns this tenant. Without one, returns that of the application.
    pub(crate) fn tenant_of<'a>(&'a self, tenant: Option<&'a Tenant>) -> Option<&'a Tenant> {
        tenant.or_else(|| Some(self.principal.application()?.authority().tenant()))
    }

    /// Records that an API rejected this token. Returns true if the rejection is new.
    pub(crate) fn invalidate(&self, token: &Token) -> bool {
        let Some(entry) = token.entry() else {
            // The shared store may still hold the token, and no slot remembers the rejection.
            self.slots.distrust_store(self.clock.now());
            return false;
        };
        self.reject(&*entry, token.number())
    }

    /// Records that an API rejected the token with this number. Returns true if the rejection is
    /// new.
    pub(crate) fn reject(&self, entry: &dyn CacheEntry, number: u64) -> bool {
        let is_new = self.slots.reject(entry, number, self.clock.now(), &self.policy);
        if is_new {
            if let Some(observer) = &self.observer {
                observer.observe(&Event::new(EventKind::Invalidated, entry.key(), None));
            }
        }
        is_new
    }

    /// Forgets every token of this tenant, API and user, whatever claims it has.
    pub(crate) fn forget(&self, wanted: KeyRef<'_>) {
        self.slots.forget(self.has_store, |key| {
            wanted
                == KeyRef {
                    claims: None,
                    ..key.view()
                }
        });
        self.forget_absence();
    }

    /// Records a consent in this tenant: app-only tokens lack the new permissions, and cached
    /// rejections may no longer hold.
    ///
    /// The tenant may come from the browser of a stranger, so this makes entries stale and drops no
    /// token.
    pub(crate) fn record_consent(&self, tenant: &Tenant) {
        self.slots
            .mark_stale(|key| key.subject.is_app_only() && self.tenant_of(key.tenant.as_ref()) == Some(tenant));
    }

    /// Forgets this user and all of the user's tokens.
    pub(crate) fn forget_user(&self, user: &User) {
        user.sign_out();
        self.slots
            .forget(self.has_store, |key| key.subject.user() == Some(user));
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.assertions.clear();
        self.slots.forget(self.has_store, |_| true);
        self.forget_absence();
    }

    /// Forgets that all members of the chain were absent.
    fn forget_absence(&self) {
        if let Some(selection) = self.principal.selection() {
            selection.forget_failure();
        }
    }

    /// Makes a token from the data of the service or the store.
    pub(crate) fn token(
        &self,
        token: AccessToken,
        lifetime: &Lifetime,
        now: Moment,
        draw: Guid,
        request_id: Option<Guid>,
        origin: Origin,
    ) -> Token {
        let [.., a, b, c, d] = *draw.as_bytes();
        let stages = self.policy.freshness.stages(lifetime, u32::from_be_bytes([a, b, c, d]));
        Token::new(token, lifetime, stages, now, request_id, origin)
    }

    pub(crate) fn observe(&self, key: &Key, kind: EventKind, error: Option<&Error>) {
        if let Some(observer) = &self.observer {
            observer.observe(&Event::new(kind, key.view(), error));
        }
    }
}

/// Returns the span of an acquisition.
pub(crate) fn acquisition_span(key: &Key) -> Span {
    use tracing::field::Empty;
    tracing::debug_span!(
        "entra.token",
        tenant = key.tenant.as_ref().map(tracing::field::display),
        agent = key.subject.agent().map(tracing::field::display),
        target = %key.target,
        source = Empty,
        member = Empty,
        correlation_id = Empty,
        code = Empty
    )
}

/// Reports that a caller got a cached token.
///
/// One load and one comparison if nothing listens: this is part of the path of a cached token.
#[inline]
pub(crate) fn record_hit(observer: Option<&dyn Observer>, key: KeyRef<'_>) {
    if observer.is_some() || Level::TRACE <= LevelFilter::current() {
        report_hit(observer, key);
    }
}

#[inline(never)]
fn report_hit(observer: Option<&dyn Observer>, key: KeyRef<'_>) {
    if Level::TRACE <= LevelFilter::current() {
        trace_hit(key);
    }
    if let Some(observer) = observer {
        observer.observe(&Event::new(EventKind::CacheHit, key, None));
    }
}

#[cold]
fn trace_hit(key: KeyRef<'_>) {
    let tenant = key.tenant.map(tracing::field::display);
    drop(tracing::trace_span!("entra.token", tenant, target = %key.target, source = "cache").entered());
}
