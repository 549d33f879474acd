//! The runtime that the tasks of a client run on.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A future behind a pointer.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What the async client needs of a runtime: waits between tries, and tasks that go on when a caller gives up.
///
/// ```
/// use std::time::Duration;
/// use entra_client::runtime::{BoxFuture, Runtime};
///
/// struct Tokio(tokio::runtime::Handle);
///
/// impl Runtime for Tokio {
///     fn sleep(&self, duration: Duration) -> BoxFuture<()> {
///         Box::pin(tokio::time::sleep(duration))
///     }
///
///     fn spawn(&self, task: BoxFuture<()>) {
///         self.0.spawn(task);
///     }
/// }
/// ```
pub trait Runtime: Send + Sync {
    /// A future that is done after this time.
    fn sleep(&self, duration: Duration) -> BoxFuture<()>;

    /// Runs a task to its end, or drops it. A request that is dropped is sent again for the next caller, within the future of that
    /// caller where the runtime dropped it at once.
    fn spawn(&self, task: BoxFuture<()>);
}

/// The tokio runtime in whose context the client is called.
#[cfg(feature = "tokio")]
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioRuntime;

#[cfg(feature = "tokio")]
impl Runtime for TokioRuntime {
    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, task: BoxFuture<()>) {
        // Outside of a runtime nothing runs it: it is dropped.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            drop(runtime.spawn(task));
        }
    }
}
