//! The runtime that the async client runs its tasks on.

use std::time::Duration;

/// A boxed future.
pub type BoxFuture<T> = entra_proto::assertion::BoxFuture<'static, T>;

/// The operations that the async client needs of a runtime: waits between attempts, and tasks that
/// go on when a caller gives up.
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
    /// Returns a future that is ready after `duration`.
    fn sleep(&self, duration: Duration) -> BoxFuture<()>;

    /// Runs a task to its end, or drops it.
    ///
    /// The request of a task that is dropped is sent again for the next caller, or within the
    /// future of that caller if the runtime drops tasks at once.
    fn spawn(&self, task: BoxFuture<()>);
}

/// The tokio runtime in whose context the client is called: the default.
#[cfg(feature = "tokio")]
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioRuntime;

#[cfg(feature = "tokio")]
impl Runtime for TokioRuntime {
    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, task: BoxFuture<()>) {
        // Outside of a runtime, the task is dropped.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            drop(runtime.spawn(task));
        }
    }
}
