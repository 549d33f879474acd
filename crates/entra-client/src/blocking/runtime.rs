//! The runtime and the shared store of the blocking client.

use std::thread;
use std::time::Duration;

use entra_proto::cache::CacheKey;

use crate::token_store::StoredToken;

/// The operations that the blocking client needs of its environment: waits between attempts, and
/// threads for background refreshes.
pub trait Runtime: Send + Sync {
    /// Blocks the thread for `duration`.
    fn sleep(&self, duration: Duration);

    /// Runs a task to its end on another thread, or drops it. The next caller starts a refresh
    /// again that was dropped.
    fn spawn(&self, task: Box<dyn FnOnce() + Send>);
}

/// The default [`Runtime`]: it sleeps with [`thread::sleep`] and starts a thread for each
/// background refresh, at most [`max_background`](field@crate::Policy::max_background) at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadRuntime;

impl Runtime for ThreadRuntime {
    fn sleep(&self, duration: Duration) {
        thread::sleep(duration);
    }

    fn spawn(&self, task: Box<dyn FnOnce() + Send>) {
        // If the system cannot start a thread, the task is dropped.
        drop(thread::Builder::new().name("entra-refresh".to_owned()).spawn(task));
    }
}

/// A second-level cache that several processes share: see
/// [`TokenStore`](crate::token_store::TokenStore).
pub trait TokenStore: Send + Sync {
    /// Returns the token stored under `key`, if there is one.
    fn load(&self, key: &CacheKey) -> Option<StoredToken>;

    /// Stores a token under `key` until it expires, and replaces the previous one.
    fn save(&self, key: &CacheKey, token: &StoredToken);
}
