//! The blocking transport: the trait, and transports that are closures.

use std::fmt;
use std::sync::Arc;

use crate::{Request, Response, TransportError};

/// A blocking HTTP client that sends one request to the token service and returns its response.
///
/// Its contract is that of [`Transport`](crate::Transport), except that a call cannot be canceled:
/// it ends at its deadline.
pub trait BlockingTransport: Send + Sync {
    /// Sends `request` and waits for the complete response.
    ///
    /// # Errors
    /// Returns a [`TransportError`] if there is no complete response, or if the request may not be
    /// sent at all.
    fn send(&self, request: Request) -> Result<Response, TransportError>;
}

impl<T: BlockingTransport + ?Sized> BlockingTransport for &T {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        (**self).send(request)
    }
}

impl<T: BlockingTransport + ?Sized> BlockingTransport for Box<T> {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        (**self).send(request)
    }
}

impl<T: BlockingTransport + ?Sized> BlockingTransport for Arc<T> {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        (**self).send(request)
    }
}

/// Creates a [`BlockingTransport`] from a closure.
///
/// The example at the crate root uses it.
pub fn blocking_transport_fn<F>(f: F) -> BlockingTransportFn<F>
where
    F: Fn(Request) -> Result<Response, TransportError> + Send + Sync,
{
    BlockingTransportFn(f)
}

/// A [`BlockingTransport`] that calls a closure: see [`blocking_transport_fn`].
#[derive(Clone, Copy)]
pub struct BlockingTransportFn<F>(F);

impl<F> BlockingTransport for BlockingTransportFn<F>
where
    F: Fn(Request) -> Result<Response, TransportError> + Send + Sync,
{
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        (self.0)(request)
    }
}

impl<F> fmt::Debug for BlockingTransportFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlockingTransportFn")
    }
}
