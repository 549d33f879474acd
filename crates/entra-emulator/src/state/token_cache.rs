//! The tokens that Service Fabric caches.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::state::lock::lock;

/// The newest token of each identity and resource.
#[derive(Default)]
pub(crate) struct TokenCache {
    tokens: Mutex<BTreeMap<[String; 2], Cached>>,
}

/// A token with its end, in seconds since the epoch.
#[derive(Clone)]
pub(crate) struct Cached {
    pub(crate) text: String,
    pub(crate) expires_on: u64,
}

impl TokenCache {
    pub(crate) fn get(&self, client_id: &str, resource: &str) -> Option<Cached> {
        lock(&self.tokens).get(&key(client_id, resource)).cloned()
    }

    pub(crate) fn put(&self, client_id: &str, resource: &str, token: Cached) {
        let mut tokens = lock(&self.tokens);
        if tokens.len() >= MOST {
            tokens.clear();
        }
        tokens.insert(key(client_id, resource), token);
    }

    pub(crate) fn clear(&self) {
        lock(&self.tokens).clear();
    }
}

/// Shows no tokens.
impl std::fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenCache({})", lock(&self.tokens).len())
    }
}

fn key(client_id: &str, resource: &str) -> [String; 2] {
    [client_id.to_owned(), resource.to_owned()]
}

/// The limit on tokens: a client chooses the spelling of the resource.
const MOST: usize = 1_000;
