use std::time::{Duration, SystemTime};

use entra_client::Token;
use entra_proto::cache::{CacheKey, Freshness, FreshnessPolicy, Lifetime, MAX_LIFETIME, freshness};
use entra_proto::{ClientId, Guid, Timestamp};
use entra_tenants::{SecretName, Secrets, TenantStoreError};
use zeroize::Zeroizing;

use super::{Account, Store, failure};
use crate::failure::Failure;

/// An access token, with what a cache has to know of it.
pub(crate) struct CachedToken {
    access_token: Zeroizing<String>,
    pub(crate) lifetime: Lifetime,
}

impl CachedToken {
    pub(crate) fn expose(&self) -> &str {
        &self.access_token
    }

    fn freshness(&self, now: Timestamp) -> Freshness {
        // One command decides for itself: there is nothing to spread.
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

    /// One that claims a longer life than tokens have is none.
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

/// What a token is kept under.
pub(crate) struct TokenName {
    client_id: ClientId,
    tenant: Guid,
    pub(super) name: String,
}

impl TokenName {
    /// The name of an application's own token: everything that changes the token is in it, and the credential it was issued for.
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

    /// The name of a token of a user who signed in.
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

    /// Keeps a token under this name, and removes those that have expired, and the first to expire where there are too many.
    pub(crate) fn put(&self, secrets: &mut Secrets<'_>, token: &CachedToken) -> Result<(), TenantStoreError> {
        let now = Timestamp::from(SystemTime::now());
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
            // It is of use once.
            Err(TenantStoreError::TooLarge { .. }) => Ok(()),
            put => put,
        }
    }

    fn get(&self, store: &Store) -> Result<Option<CachedToken>, TenantStoreError> {
        let secret = entra_tenants::TenantStore::secret(&store.directory, self.secret_name())?;
        Ok(secret.and_then(|secret| CachedToken::decode(&secret)))
    }
}

/// Gets the token of this name: the one that is kept while it is fresh, else by a request. `request` keeps what it got. Returns also
/// whether the token was kept before.
///
/// Commands that run at once send one request, unless each has to send its own (`force`). A token that is due serves where the service
/// cannot be asked and the token has not expired.
pub(crate) fn acquire(
    store: &Store,
    name: &TokenName,
    force: bool,
    wait: Duration,
    request: impl FnOnce() -> Result<CachedToken, Trouble>,
) -> Result<(CachedToken, bool), Failure> {
    let now = || Timestamp::from(SystemTime::now());
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
    let trouble = match request() {
        Ok(token) => return Ok((token, false)),
        Err(trouble) => trouble,
    };
    let kept = name.get(store).ok().flatten().filter(|token| token.is_alive(now()));
    match kept.filter(|_| trouble.may_pass && !force) {
        Some(token) => {
            trouble.failure.warn("no newer token");
            Ok((token, true))
        }
        None => Err(trouble.failure),
    }
}

/// Why a request brought no token.
pub(crate) struct Trouble {
    pub(crate) failure: Failure,
    /// Whether the same request may succeed later.
    pub(crate) may_pass: bool,
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            may_pass: false,
        }
    }
}

impl From<entra_client::Error> for Trouble {
    fn from(error: entra_client::Error) -> Self {
        Self {
            may_pass: error.is_retryable(),
            failure: error.into(),
        }
    }
}

/// A cache is a help: where it fails, that is told, and the service is asked.
fn useful<T>(result: Result<Option<T>, TenantStoreError>) -> Option<T> {
    result.unwrap_or_else(|error| {
        failure(error).warn("the cache is not used");
        None
    })
}

/// Lines, in a buffer that is overwritten and was large enough from the start.
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

/// Whether a name is that of a token of the account with this ID.
pub(super) fn is_of_account(name: &str, id: &str) -> bool {
    let rest = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix(id));
    rest.is_some_and(|rest| rest.starts_with(' '))
}

const PREFIX: &str = "token ";
const VERSION: &str = "1";

/// How many tokens are kept.
const MOST_TOKENS: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written() {
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
    fn an_entry_of_another_form_is_none() {
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
    fn a_token_from_the_future_or_the_past_is_not_alive() {
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
