use std::fmt;
use std::sync::Arc;

use crate::{Request, Response, TransportError};

/// Carries one request to the token service and brings its answer back, without a runtime.
///
/// It owes what [`Transport`](crate::Transport) owes, except that nothing can be dropped half way: the deadline ends a call.
pub trait BlockingTransport: Send + Sync {
    /// Sends `request` and waits for the whole answer.
    ///
    /// # Errors
    /// [`TransportError`] where no whole answer came, or the request may not be sent at all.
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

/// Makes a [`BlockingTransport`] of a closure.
pub fn blocking_transport_fn<F>(f: F) -> BlockingTransportFn<F>
where
    F: Fn(Request) -> Result<Response, TransportError> + Send + Sync,
{
    BlockingTransportFn(f)
}

/// A [`BlockingTransport`] made of a closure: see [`blocking_transport_fn`].
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
