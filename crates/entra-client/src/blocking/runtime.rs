use std::thread;
use std::time::Duration;

use entra_proto::cache::CacheKey;

use crate::token_store::StoredToken;

/// What the blocking client needs of its surroundings: waits between tries, and threads for refreshes in the background.
pub trait Runtime: Send + Sync {
    /// Blocks the thread for this time.
    fn sleep(&self, duration: Duration);

    /// Runs a task to its end on another thread, or drops it: a refresh that is dropped is started again by the next caller.
    fn spawn(&self, task: Box<dyn FnOnce() + Send>);
}

/// Sleeps as threads do, and starts a thread for each refresh in the background: no more at once than
/// [`max_background`](field@crate::Policy::max_background).
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadRuntime;

impl Runtime for ThreadRuntime {
    fn sleep(&self, duration: Duration) {
        thread::sleep(duration);
    }

    fn spawn(&self, task: Box<dyn FnOnce() + Send>) {
        // Where the system gives no thread, the task is dropped with its closure.
        drop(thread::Builder::new().name("entra-refresh".to_owned()).spawn(task));
    }
}

/// A second level behind a client's own cache: see [`TokenStore`](crate::token_store::TokenStore).
pub trait TokenStore: Send + Sync {
    /// The token kept under `key`, where there is one.
    fn load(&self, key: &CacheKey) -> Option<StoredToken>;

    /// Keeps a token under `key` until it expires, in the place of what was there.
    fn save(&self, key: &CacheKey, token: &StoredToken);
}
