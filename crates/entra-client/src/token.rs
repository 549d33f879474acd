use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use entra_proto::cache::{Freshness, Lifetime, Stages};
use entra_proto::{AccessToken, Guid, Timestamp};
use http::HeaderValue;

use crate::cache::Slot;
use crate::clock::{Moment, nanoseconds};

/// An access token out of the cache. Cheap to clone: all clones share one text, which is overwritten when the last of them is dropped.
///
/// It has no `Display`, and its `Debug` does not show it.
#[derive(Clone)]
pub struct Token(Arc<Inner>);

/// Times are in nanoseconds: one comparison each, and half the room, for a hundred thousand of them.
pub(crate) struct Inner {
    authorization: HeaderValue,
    request_id: Guid,
    /// When it came, since the epoch.
    received: u64,
    /// When this process got it, by the monotonic clock, and how old it was then.
    landed: u64,
    age_then: u64,
    /// The ages at which it is due and missing.
    stages: Stages,
    /// The age at which it expires.
    life: u64,
    /// The number of the request that brought it, among those of its slot.
    number: u64,
    /// Where it is kept.
    home: Weak<Slot>,
}

impl Token {
    pub(crate) fn new(
        token: AccessToken,
        lifetime: &Lifetime,
        stages: Stages,
        now: Moment,
        request_id: Option<Guid>,
        (home, number): (Weak<Slot>, u64),
    ) -> Self {
        Self(Arc::new(Inner {
            authorization: token.into_authorization(),
            request_id: request_id.unwrap_or(NONE),
            received: nanoseconds(lifetime.received_at.since(EPOCH)),
            landed: nanoseconds(now.monotonic),
            age_then: nanoseconds(now.wall.since(lifetime.received_at)),
            stages,
            life: nanoseconds(lifetime.expires_at.since(lifetime.received_at)),
            number,
            home,
        }))
    }

    /// The value of the `Authorization` header, `Bearer <token>` (RFC 6750, section 2.1), marked sensitive. No allocation.
    #[must_use]
    pub fn authorization(&self) -> HeaderValue {
        self.0.authorization.clone()
    }

    /// The token itself, as a password of a database connection, say.
    #[must_use]
    pub fn expose(&self) -> &str {
        let token = self.0.authorization.as_bytes().get(BEARER.len()..).unwrap_or_default();
        std::str::from_utf8(token).expect("an access token is visible ASCII")
    }

    /// When it came, by the clock here.
    #[must_use]
    pub fn received_at(&self) -> Timestamp {
        EPOCH.plus(Duration::from_nanos(self.0.received))
    }

    /// When it expires, by the clock here. The client stops giving it out some minutes earlier: see
    /// [`FreshnessPolicy::margin`](entra_proto::cache::FreshnessPolicy::margin).
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.after(self.0.life)
    }

    /// From when on the client asks for the next one in the background, where it does so before the margin.
    #[must_use]
    pub fn refresh_at(&self) -> Option<Timestamp> {
        self.0.stages.due().map(|due| self.received_at().plus(due))
    }

    /// The `client-request-id` of the request that brought it, which the service's logs know as the correlation id. None for a token
    /// out of a [`TokenStore`](crate::token_store::TokenStore): another process asked for it.
    #[must_use]
    pub fn request_id(&self) -> Option<Guid> {
        (self.0.request_id != NONE).then_some(self.0.request_id)
    }

    /// The same token, as one that is due to be replaced, and given out only where there is no other.
    pub(crate) fn outdated(&self) -> Self {
        Self(Arc::new(Inner {
            authorization: self.0.authorization.clone(),
            home: Weak::clone(&self.0.home),
            stages: Stages::MISSING,
            ..*self.0
        }))
    }

    /// Whether something has happened since it was requested, so that it is given out only where there is no other.
    pub(crate) fn is_outdated(&self) -> bool {
        self.0.stages == Stages::MISSING
    }

    /// The number of the request that brought it, among those of its slot: a token with a greater one was requested later. 0 where no
    /// slot keeps it.
    #[inline]
    pub(crate) fn number(&self) -> u64 {
        self.0.number
    }

    /// What to do with it now.
    #[inline]
    pub(crate) fn freshness(&self, now: Moment) -> Freshness {
        self.age(now)
            .map_or(Freshness::Missing, |age| self.0.stages.at_nanos(age))
    }

    /// How long it lives from its arrival on.
    pub(crate) fn life(&self) -> Duration {
        Duration::from_nanos(self.0.life)
    }

    /// Whether an API would still take it.
    pub(crate) fn is_alive(&self, now: Moment) -> bool {
        self.age(now).is_some_and(|age| age < self.0.life)
    }

    pub(crate) fn home(&self) -> Option<Arc<Slot>> {
        self.0.home.upgrade()
    }

    /// When this process got it, by the monotonic clock.
    pub(crate) fn landed(&self) -> Duration {
        Duration::from_nanos(self.0.landed)
    }

    /// The greater age of those that the two clocks show; none where it comes from the future: the time was set back.
    fn age(&self, now: Moment) -> Option<u64> {
        // It came after the caller had looked at the clocks.
        let Some(here) = nanoseconds(now.monotonic).checked_sub(self.0.landed) else {
            return Some(self.0.age_then);
        };
        let by_wall = nanoseconds(now.wall.since(EPOCH)).checked_sub(self.0.received)?;
        Some(by_wall.max(here.saturating_add(self.0.age_then)))
    }

    fn after(&self, age: u64) -> Timestamp {
        self.received_at().plus(Duration::from_nanos(age))
    }
}

impl From<Arc<Inner>> for Token {
    fn from(inner: Arc<Inner>) -> Self {
        Self(inner)
    }
}

impl From<Token> for Arc<Inner> {
    fn from(token: Token) -> Self {
        token.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(.., expires at {:?})", self.expires_at())
    }
}

const EPOCH: Timestamp = Timestamp::from_secs(0);

const BEARER: &str = "Bearer ";

/// What stands for no id: no id of random bits is like it.
const NONE: Guid = Guid::from_bytes([0; 16]);
