//! A cached access token.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use entra_proto::cache::{Freshness, Lifetime, Stages};
use entra_proto::{AccessToken, Guid, Timestamp};
use http::HeaderValue;

use crate::cache::KeyRef;
use crate::clock::{Moment, nanoseconds};
use crate::policy::Policy;

/// An access token from the cache.
///
/// It is cheap to clone: all clones share one text, which is overwritten when the last of them is
/// dropped. It has no `Display`, and its `Debug` does not show the text.
///
/// ```
/// # fn request(token: &entra_client::Token) -> http::request::Builder {
/// let url = "https://graph.microsoft.com/v1.0/users";
/// http::Request::get(url).header("authorization", token.authorization())
/// # }
/// ```
#[derive(Clone)]
pub struct Token(Arc<Inner>);

/// The data of a token. Times are in nanoseconds: each check is one comparison, and a hundred
/// thousand tokens take half the memory.
pub(crate) struct Inner {
    authorization: HeaderValue,
    request_id: Guid,
    /// The time at which the token was received, since the epoch.
    received: u64,
    /// The time at which this process obtained the token, by the monotonic clock.
    obtained: u64,
    /// The age of the token when this process obtained it, in units of 2^20 ns, rounded up. The
    /// limit is 52 days, longer than any token lives.
    initial_age: u32,
    /// The number of the request that brought the token: see [`Origin`].
    number: u32,
    /// The ages at which the token needs refresh and may no longer be used.
    stages: Stages,
    /// The age at which the token expires.
    life: u64,
    entry: Option<Weak<dyn CacheEntry>>,
}

/// The cache entry and the request that a token comes from.
#[derive(Default)]
pub(crate) struct Origin {
    /// The cache entry of the token, if it has one.
    pub(crate) entry: Option<Weak<dyn CacheEntry>>,
    /// The number of the request that brought the token, among those of the entry. 0 without one.
    pub(crate) number: u64,
}

/// The operations of a token on its cache entry. The cache implements them, so that this module
/// does not depend on it.
pub(crate) trait CacheEntry: Send + Sync {
    fn key(&self) -> KeyRef<'_>;

    /// Records that an API rejected the token with this number. Returns true if the rejection is
    /// new.
    ///
    /// If there is no newer token, the next caller requests one. Until it arrives, callers that
    /// were not rejected use the rejected token while it is unexpired.
    ///
    /// An API that rejects all tokens does not cause a request each time: after some tokens that
    /// were rejected soon after they arrived, the entry cools down as after a failure.
    fn reject(&self, number: u64, now: Moment, policy: &Policy) -> bool;
}

impl Token {
    pub(crate) fn new(
        token: AccessToken,
        lifetime: &Lifetime,
        stages: Stages,
        now: Moment,
        request_id: Option<Guid>,
        origin: Origin,
    ) -> Self {
        Self(Arc::new(Inner {
            authorization: token.into_authorization(),
            request_id: request_id.unwrap_or(NONE),
            received: nanoseconds(lifetime.received_at.since(EPOCH)),
            obtained: nanoseconds(now.monotonic),
            initial_age: to_u32(nanoseconds(now.wall.since(lifetime.received_at)).div_ceil(1 << AGE_SHIFT)),
            number: to_u32(origin.number),
            stages,
            life: nanoseconds(lifetime.expires_at.since(lifetime.received_at)),
            entry: origin.entry,
        }))
    }

    /// Returns the value of the `Authorization` header, `Bearer <token>` (RFC 6750, section 2.1),
    /// marked as sensitive. It does not allocate.
    #[must_use]
    pub fn authorization(&self) -> HeaderValue {
        self.0.authorization.clone()
    }

    /// Returns the token itself, for example as the password of a database connection.
    #[must_use]
    pub fn expose(&self) -> &str {
        let token = self.0.authorization.as_bytes().get(BEARER.len()..).unwrap_or_default();
        std::str::from_utf8(token).expect("an access token is visible ASCII")
    }

    /// Returns the time at which the token was received, by the local clock.
    #[must_use]
    pub fn received_at(&self) -> Timestamp {
        EPOCH.plus(Duration::from_nanos(self.0.received))
    }

    /// Returns the time at which the token expires, by the local clock. The client stops returning
    /// the token some minutes earlier: see
    /// [`FreshnessPolicy::margin`](entra_proto::cache::FreshnessPolicy::margin).
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.after(self.0.life)
    }

    /// Returns the time from which on the client requests the next token in the background, or
    /// `None` if it does not do so before the margin.
    #[must_use]
    pub fn refresh_at(&self) -> Option<Timestamp> {
        self.0.stages.refresh_age().map(|due| self.received_at().plus(due))
    }

    /// Returns the `client-request-id` of the request that brought the token, which the service
    /// logs as the correlation ID. `None` for a token from a
    /// [`TokenStore`](crate::token_store::TokenStore), because another process requested it.
    #[must_use]
    pub fn request_id(&self) -> Option<Guid> {
        (self.0.request_id != NONE).then_some(self.0.request_id)
    }

    /// Returns a stale copy of the token, which is used only if there is no other.
    pub(crate) fn to_stale(&self) -> Self {
        Self(Arc::new(Inner {
            authorization: self.0.authorization.clone(),
            entry: self.0.entry.clone(),
            stages: Stages::EXPIRED,
            ..*self.0
        }))
    }

    /// Returns true if the token was requested before the last event of its cache entry, so that it
    /// is used only if there is no other.
    pub(crate) fn is_stale(&self) -> bool {
        self.0.stages == Stages::EXPIRED
    }

    /// Returns the number of the request that brought the token, among those of its cache entry. A
    /// token with a greater number was requested later. 0 if no entry holds the token.
    #[inline]
    pub(crate) fn number(&self) -> u64 {
        u64::from(self.0.number)
    }

    /// Returns the freshness of the token now.
    #[inline]
    pub(crate) fn freshness(&self, now: Moment) -> Freshness {
        self.age(now)
            .map_or(Freshness::Expired, |age| self.0.stages.at_nanos(age))
    }

    /// Returns the lifetime of the token, from the time at which it was received.
    pub(crate) fn life(&self) -> Duration {
        Duration::from_nanos(self.0.life)
    }

    /// Returns true if an API would still accept the token.
    pub(crate) fn is_alive(&self, now: Moment) -> bool {
        self.age(now).is_some_and(|age| age < self.0.life)
    }

    /// Returns the time until the token needs refresh, or until it may no longer be used, whichever
    /// is next. Zero if it may not be used now.
    pub(crate) fn time_to_next_stage(&self, now: Moment) -> Duration {
        let Some(age) = self.age(now) else {
            return Duration::ZERO;
        };
        let expiry = self.0.stages.expiry_age();
        let next = match self.0.stages.at_nanos(age) {
            Freshness::Fresh => self.0.stages.refresh_age().unwrap_or(expiry),
            Freshness::NeedsRefresh | Freshness::Expired => expiry,
        };
        next.saturating_sub(Duration::from_nanos(age))
    }

    /// Returns the time until the token expires. Zero if an API would not accept it now.
    pub(crate) fn time_to_expiry(&self, now: Moment) -> Duration {
        let left = self.age(now).map(|age| self.0.life.saturating_sub(age));
        Duration::from_nanos(left.unwrap_or_default())
    }

    pub(crate) fn entry(&self) -> Option<Arc<dyn CacheEntry>> {
        self.0.entry.as_ref()?.upgrade()
    }

    /// Returns the time at which this process obtained the token, by the monotonic clock.
    pub(crate) fn obtained_at(&self) -> Duration {
        Duration::from_nanos(self.0.obtained)
    }

    /// Returns the age of the token by the clock that shows more, or `None` if the token comes from
    /// the future, because the time of day was set back.
    fn age(&self, now: Moment) -> Option<u64> {
        let Some(since) = nanoseconds(now.monotonic).checked_sub(self.0.obtained) else {
            // The token arrived after the caller had read the clocks.
            return Some(self.initial_age());
        };
        let by_wall = nanoseconds(now.wall.since(EPOCH)).checked_sub(self.0.received)?;
        Some(by_wall.max(since.saturating_add(self.initial_age())))
    }

    fn initial_age(&self) -> u64 {
        u64::from(self.0.initial_age) << AGE_SHIFT
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

fn to_u32(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The binary logarithm of the unit of an initial age: 2^20 ns, about a millisecond.
const AGE_SHIFT: u32 = 20;

const EPOCH: Timestamp = Timestamp::from_secs(0);

const BEARER: &str = "Bearer ";

/// The placeholder for a missing ID. No random ID is equal to it.
const NONE: Guid = Guid::from_bytes([0; 16]);
