//! Cached access tokens: their encoding and names in the store, and the decision to request one.

use std::time::Duration;

use entra_client::Token;
use entra_proto::cache::{CacheKey, Freshness, FreshnessPolicy, Lifetime, MAX_LIFETIME, freshness};
use entra_proto::{ClientId, Guid, Timestamp};
use entra_tenants::{SecretName, Secrets, TenantStoreError};
use zeroize::Zeroizing;

use super::{Account, Store, failure};
use crate::failure::Failure;
use crate::time_format::now;

/// An access token with its lifetime.
pub(crate) struct CachedToken {
    access_token: Zeroizing<String>,
    pub(crate) lifetime: Lifetime,
}

impl CachedToken {
    /// Returns the access token.
    pub(crate) fn expose(&self) -> &str {
        &self.access_token
    }

    fn freshness(&self, now: Timestamp) -> Freshness {
        // No jitter: a single command has no other clients to spread over time.
        freshness(&self.lifetime, now, &FreshnessPolicy::default(), 0)
    }

    fn is_alive(&self, now: Timestamp) -> bool {
        now >= self.lifetime.received_at && now < self.lifetime.expires_at
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let seconds = |moment: Timestamp| moment.as_secs().to_string();
        let refresh_at = self.lifetime.refresh_at.map(seconds).unwrap_or_default();
        lines(&[
            VERSION,
            &seconds(self.lifetime.received_at),
            &seconds(self.lifetime.expires_at),
            &refresh_at,
            &self.access_token,
        ])
    }

    /// Decodes a token. Returns `None` for another format, or a longer lifetime than tokens have.
    pub(super) fn decode(secret: &[u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(secret).ok()?.split('\n');
        let mut next = || lines.next();
        if next()? != VERSION {
            return None;
        }
        let received_at = Timestamp::from_secs(next()?.parse().ok()?);
        let expires_in = Timestamp::from_secs(next()?.parse().ok()?).since(received_at);
        let refresh_in = match next()? {
            "" => None,
            seconds => Some(Timestamp::from_secs(seconds.parse().ok()?).since(received_at)),
        };
        let access_token = Zeroizing::new(next()?.to_owned());
        let is_sound = next().is_none() && expires_in <= MAX_LIFETIME && !access_token.is_empty();
        is_sound.then(|| Self {
            access_token,
            lifetime: Lifetime::new(received_at, expires_in, refresh_in),
        })
    }
}

impl From<&Token> for CachedToken {
    fn from(token: &Token) -> Self {
        let received_at = token.received_at();
        let refresh_in = token.refresh_at().map(|moment| moment.since(received_at));
        Self {
            access_token: Zeroizing::new(token.expose().to_owned()),
            lifetime: Lifetime::new(received_at, token.expires_at().since(received_at), refresh_in),
        }
    }
}

/// The name of a token in the store.
pub(crate) struct TokenName {
    client_id: ClientId,
    tenant: Guid,
    pub(super) name: String,
}

impl TokenName {
    /// Returns the name of an app-only token. It depends on everything that changes the token,
    /// including the credential.
    pub(crate) fn of_application(
        store: &Store,
        client_id: ClientId,
        key: &CacheKey,
        others: &[&[u8]],
    ) -> Result<Self, Failure> {
        let parts = [&[b"application".as_slice(), key.as_str().as_bytes()], others].concat();
        let id = store
            .pseudonym(&parts)
            .ok_or_else(|| failure(TenantStoreError::NoKey))?;
        Ok(Self {
            client_id,
            tenant: Guid::from_bytes([0; 16]),
            name: format!("{PREFIX}{id}"),
        })
    }

    /// Returns the name of a user's token.
    pub(crate) fn of_account(store: &Store, account: &Account, key: &CacheKey) -> Result<Self, Failure> {
        let name = || {
            let id = account.id(store)?;
            let parts = [b"account".as_slice(), id.as_bytes(), key.as_str().as_bytes()];
            let token = store.pseudonym(&parts).ok_or(TenantStoreError::NoKey)?;
            Ok(format!("{PREFIX}{id} {token}"))
        };
        Ok(Self {
            client_id: account.client_id,
            tenant: account.tenant,
            name: name().map_err(failure)?,
        })
    }

    pub(super) fn secret_name(&self) -> SecretName<'_> {
        SecretName::new(self.client_id, self.tenant, &self.name)
    }

    /// Stores a token under this name. Removes expired tokens, and if there are too many, those
    /// that expire first.
    pub(crate) fn put(&self, secrets: &mut Secrets<'_>, token: &CachedToken) -> Result<(), TenantStoreError> {
        let now = now();
        let mut living = Vec::new();
        for kept in secrets.list()? {
            if !kept.name.starts_with(PREFIX) {
                continue;
            }
            let token = kept.secret.as_deref().and_then(|secret| CachedToken::decode(secret));
            match token.filter(|token| token.is_alive(now)) {
                Some(token) => living.push((token.lifetime.expires_at, kept)),
                None => drop(secrets.remove(kept.secret_name())?),
            }
        }
        living.sort_by_key(|(expires_at, _)| *expires_at);
        let superfluous = (living.len() + 1).saturating_sub(MOST_TOKENS);
        for (_, kept) in living.iter().take(superfluous) {
            secrets.remove(kept.secret_name())?;
        }
        match secrets.put(self.secret_name(), &token.encode()) {
            // The token is used once and not cached.
            Err(TenantStoreError::TooLarge { .. }) => Ok(()),
            put => put,
        }
    }

    fn get(&self, store: &Store) -> Result<Option<CachedToken>, TenantStoreError> {
        let secret = entra_tenants::TenantStore::secret(&store.database, self.secret_name())?;
        Ok(secret.and_then(|secret| CachedToken::decode(&secret)))
    }
}

/// Returns the cached token of this name while it is fresh, or the token of a `request`, which
/// stores it. Also returns true if the token was cached.
///
/// Commands that run at the same time send one request, unless each must send its own (`force`). A
/// cached token that needs refresh and has not expired is returned if a retryable error occurs.
///
/// # Errors
/// Returns the error of `request` if no cached token can be used.
pub(crate) fn acquire(
    store: &Store,
    name: &TokenName,
    force: bool,
    wait: Duration,
    request: impl FnOnce() -> Result<CachedToken, RequestFailure>,
) -> Result<(CachedToken, bool), Failure> {
    let fresh = || {
        let token = name.get(store)?.filter(|_| !force);
        Ok::<_, TenantStoreError>(token.filter(|token| token.freshness(now()) == Freshness::Fresh))
    };
    let found = fresh();
    let is_readable = found.is_ok();
    if let Some(token) = useful(found) {
        return Ok((token, true));
    }
    let _turn = useful(store.take_turn(wait));
    if is_readable && let Some(token) = useful(fresh()) {
        return Ok((token, true));
    }
    let error = match request() {
        Ok(token) => return Ok((token, false)),
        Err(error) => error,
    };
    let cached = name.get(store).ok().flatten().filter(|token| token.is_alive(now()));
    match cached.filter(|_| error.is_retryable && !force) {
        Some(token) => {
            error.failure.warn("the cached token is used");
            Ok((token, true))
        }
        None => Err(error.failure),
    }
}

/// The failure of a token request.
pub(crate) struct RequestFailure {
    pub(crate) failure: Failure,
    /// True if the same request may succeed later.
    pub(crate) is_retryable: bool,
}

impl From<Failure> for RequestFailure {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            is_retryable: false,
        }
    }
}

impl From<entra_client::Error> for RequestFailure {
    fn from(error: entra_client::Error) -> Self {
        Self {
            is_retryable: error.is_retryable(),
            failure: error.into(),
        }
    }
}

/// Returns the result of the cache. If the cache fails, warns and returns `None`, and the token is
/// requested.
fn useful<T>(result: Result<Option<T>, TenantStoreError>) -> Option<T> {
    result.unwrap_or_else(|error| {
        failure(error).warn("the cache is not used");
        None
    })
}

/// Joins lines in a buffer that is zeroized and never grows.
pub(super) fn lines(parts: &[&str]) -> Zeroizing<Vec<u8>> {
    let length = parts.iter().map(|part| part.len() + 1).sum();
    let mut text = Zeroizing::new(Vec::with_capacity(length));
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            text.push(b'\n');
        }
        text.extend_from_slice(part.as_bytes());
    }
    text
}

/// Returns true if a name belongs to a token of the account with this ID.
pub(super) fn is_of_account(name: &str, id: &str) -> bool {
    let rest = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix(id));
    rest.is_some_and(|rest| rest.starts_with(' '))
}

const PREFIX: &str = "token ";
const VERSION: &str = "1";

/// The maximum number of cached tokens.
const MOST_TOKENS: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_token_is_decoded_again() {
        for refresh_in in [None, Some(Duration::from_secs(30))] {
            let token = CachedToken {
                access_token: Zeroizing::new("canary".to_owned()),
                lifetime: Lifetime::new(Timestamp::from_secs(100), Duration::from_secs(60), refresh_in),
            };
            let read = CachedToken::decode(&token.encode()).unwrap();
            assert_eq!((read.expose(), read.lifetime), ("canary", token.lifetime));
        }
    }

    #[test]
    fn malformed_entries_are_not_decoded() {
        for text in [
            "",
            "2\n1\n2\n\na",
            "1\n1\n2\n\n",
            "1\n1\n2\na",
            "1\nx\n2\n\na",
            "1\n1\n99999999999\n\na",
            "1\n1\n2\n\na\nb",
        ] {
            assert!(CachedToken::decode(text.as_bytes()).is_none(), "{text:?}");
        }
        assert!(CachedToken::decode(b"1\n1\n2\n\na").is_some() && CachedToken::decode(b"\xff").is_none());
    }

    #[test]
    fn future_and_expired_tokens_are_not_alive() {
        let token = CachedToken::decode(b"1\n100\n200\n\na").unwrap();
        let alive = |seconds| token.is_alive(Timestamp::from_secs(seconds));
        assert_eq!(
            [alive(99), alive(100), alive(199), alive(200)],
            [false, true, true, false]
        );
    }

    #[test]
    fn tokens_belong_to_one_account() {
        assert!(is_of_account("token ab cd", "ab"));
        assert!(
            !is_of_account("token abc d", "ab")
                && !is_of_account("account ab", "ab")
                && !is_of_account("token ab", "ab")
        );
    }
}
