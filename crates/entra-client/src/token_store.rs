//! The trait for a token cache that several processes share.

use async_trait::async_trait;
use entra_proto::cache::{CacheKey, Lifetime};
use entra_proto::{AccessToken, TokenResponse};

/// A second-level cache behind a client's own one, which several processes share: for example
/// Redis.
///
/// A store has no errors: if it has no token, the client calls the service. A store must bound its
/// own time, because callers wait for [`load`](Self::load).
///
/// The client does not trust the store. It ignores a token from the future, a token that claims a
/// longer lifetime than any token has, and a token from before the last event (a rejection, a
/// consent, a call that forgets tokens). The contents are secret: the store is responsible for
/// encryption.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
/// use async_trait::async_trait;
/// use entra_client::token_store::{StoredToken, TokenStore};
/// use entra_proto::cache::CacheKey;
///
/// #[derive(Default)]
/// struct InMemory(Mutex<HashMap<String, StoredToken>>);
///
/// #[async_trait]
/// impl TokenStore for InMemory {
///     async fn load(&self, key: &CacheKey) -> Option<StoredToken> {
///         self.0.lock().ok()?.get(key.as_str()).cloned()
///     }
///
///     async fn save(&self, key: &CacheKey, token: &StoredToken) {
///         if let Ok(mut tokens) = self.0.lock() {
///             tokens.insert(key.as_str().to_owned(), token.clone());
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// Returns the token stored under `key`, if there is one.
    async fn load(&self, key: &CacheKey) -> Option<StoredToken>;

    /// Stores a token under `key` until it expires, and replaces the previous one.
    async fn save(&self, key: &CacheKey, token: &StoredToken);
}

/// A token in a [`TokenStore`].
#[derive(Clone, Debug)]
pub struct StoredToken {
    /// The token.
    pub access_token: AccessToken,
    /// The times at which the token was received, needs refresh and expires, by the clock of the
    /// process that requested it.
    pub lifetime: Lifetime,
}

impl From<&TokenResponse> for StoredToken {
    fn from(response: &TokenResponse) -> Self {
        Self {
            access_token: response.access_token.clone(),
            lifetime: response.lifetime,
        }
    }
}
