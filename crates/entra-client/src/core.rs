//! The core of a client, async or blocking: the path of a cached token, and the events that change the cache.

use std::sync::{Arc, Weak};

use entra_proto::cache::Lifetime;
use entra_proto::{AccessToken, Application, Guid, Tenant, TokenRequest};
use tracing::level_filters::LevelFilter;
use tracing::{Level, Span};

use crate::assertions::Assertions;
use crate::cache::{Key, KeyRef, Slot, Slots};
use crate::clock::{Clock, Moment};
use crate::error::Error;
use crate::flow::Flight;
use crate::gate::Gate;
use crate::observer::{Event, EventKind, Observer};
use crate::policy::Policy;
use crate::random::SecureRandom;
use crate::token::Token;
use crate::user::User;

/// What the async and the blocking client have in common: the cache, and what a request needs. What happens next is decided by
/// [`flow`](crate::flow), and `driver` has what the driver of its effects needs.
pub(crate) struct Core<D> {
    pub(crate) application: Application,
    pub(crate) policy: Policy,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) random: Box<dyn SecureRandom>,
    pub(crate) observer: Option<Box<dyn Observer>>,
    pub(crate) slots: Slots,
    pub(crate) assertions: Assertions,
    /// Bounds the flights for which no caller needs to wait.
    pub(crate) background: Arc<Gate>,
    /// Bounds the flights that run as tasks although a caller waits for them. None if a caller runs its flight itself: it cannot give up.
    pub(crate) detached: Option<Arc<Gate>>,
    /// There is a shared store behind the cache.
    pub(crate) has_store: bool,
    /// Has a flight run without a caller that waits for it.
    pub(crate) launch: fn(&Arc<Self>, Flight),
    pub(crate) driver: D,
}

impl<D> Core<D> {
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
            let permit = Some(permit);
            (self.launch)(self, Flight { lead, request, permit });
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

    /// Drops slots if the cache is too large, after this one got a token.
    pub(crate) fn make_room(&self, slot: &Slot, now: Moment) {
        self.evicted(slot, self.slots.make_room(now));
    }

    /// This many slots had to go for this one.
    fn evicted(&self, slot: &Slot, evicted: usize) {
        for _ in 0..evicted {
            self.observe(slot.key(), EventKind::Evicted, None);
        }
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
        Ok(application.with_authority(authority))
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
        self.slots.forget(self.has_store, |key| {
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
        self.slots.forget(self.has_store, |key| key.user.as_ref() == Some(user));
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.assertions.clear();
        self.slots.forget(self.has_store, |_| true);
    }

    /// Makes a token of what the service or the store gave.
    pub(crate) fn token(
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

    pub(crate) fn observe(&self, key: &Key, kind: EventKind, error: Option<&Error>) {
        if let Some(observer) = &self.observer {
            observer.observe(&Event::new(kind, &key.tenant, &key.target, error));
        }
    }
}

/// Returns the span of an acquisition.
pub(crate) fn acquisition_span(key: &Key) -> Span {
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

#[cold]
fn trace_hit(key: KeyRef<'_>) {
    drop(tracing::trace_span!("entra.token", tenant = %key.tenant, target = %key.target, source = "cache").entered());
}
