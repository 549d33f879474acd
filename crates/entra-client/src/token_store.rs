//! Tokens that are shared with other processes.

use async_trait::async_trait;
use entra_proto::cache::{CacheKey, Lifetime};
use entra_proto::{AccessToken, TokenResponse};

/// A second level behind a client's own cache, which several processes share: Redis, say.
///
/// A store is a help and never a duty: what it cannot do, it leaves undone, and the service is asked instead. So its methods have no
/// errors, and must bound their own time: a caller waits for [`load`](Self::load).
///
/// What comes out of it is not trusted blindly: an entry from the future, or one that claims a longer life than any token has, is passed
/// over. So is one from before the last event: a rejection, or what was forgotten. Its contents are secret; to encrypt them is the store's affair.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// The token kept under `key`, where there is one.
    async fn load(&self, key: &CacheKey) -> Option<StoredToken>;

    /// Keeps a token under `key` until it expires, in the place of what was there.
    async fn save(&self, key: &CacheKey, token: &StoredToken);
}

/// A token as a [`TokenStore`] keeps it.
#[derive(Clone, Debug)]
pub struct StoredToken {
    /// The token.
    pub access_token: AccessToken,
    /// When it came, when it expires and when to ask for the next one, by the clock of the process that got it.
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
