use std::fmt;
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Request, Response, TransportError};

/// Carries one request to the token service and brings its answer back.
///
/// # What it owes
/// The layers above send client secrets through it, so each of these is part of the contract, and proved by the suite of
/// `entra-transport-conformance`:
/// - an answer is an answer: 4xx and 5xx are `Ok`, and a redirect is handed back, never followed;
/// - `https` only; plain `http` at most to this very machine, and only where the user allowed it;
/// - one deadline over all of it, from the first look-up to the last byte of the body;
/// - the body is whole and at most [`MAX_BODY`](crate::MAX_BODY) long, or it is an error;
/// - headers and body go out and come back as they are: no decompression, no cookies;
/// - no retries: the caller knows which request may be sent twice;
/// - dropping the future gives the request up.
///
/// [`Policy`](crate::Policy) and [`Collector`](crate::adapter::Collector) do the parts of it that do not depend on the HTTP client.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends `request` and waits for the whole answer.
    ///
    /// # Errors
    /// [`TransportError`] where no whole answer came, or the request may not be sent at all.
    async fn send(&self, request: Request) -> Result<Response, TransportError>;
}

#[async_trait]
impl<T: Transport + ?Sized> Transport for &T {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        (**self).send(request).await
    }
}

#[async_trait]
impl<T: Transport + ?Sized> Transport for Box<T> {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        (**self).send(request).await
    }
}

#[async_trait]
impl<T: Transport + ?Sized> Transport for Arc<T> {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        (**self).send(request).await
    }
}

/// Makes a [`Transport`] of a closure that returns a future.
///
/// ```
/// use entra_transport::{Body, Response, Transport, transport_fn};
///
/// let unavailable = transport_fn(|_request| async {
///     let mut answer = Response::new(Body::default());
///     *answer.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
///     Ok(answer)
/// });
/// let shared: std::sync::Arc<dyn Transport> = std::sync::Arc::new(unavailable);
/// ```
pub fn transport_fn<F, Fut>(f: F) -> TransportFn<F>
where
    F: Fn(Request) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Response, TransportError>> + Send,
{
    TransportFn(f)
}

/// A [`Transport`] made of a closure: see [`transport_fn`].
///
/// A type of its own because a closure behind `&` or `Box` is a closure too: the trait could not be implemented for both.
#[derive(Clone, Copy)]
pub struct TransportFn<F>(F);

#[async_trait]
impl<F, Fut> Transport for TransportFn<F>
where
    F: Fn(Request) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Response, TransportError>> + Send,
{
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        (self.0)(request).await
    }
}

impl<F> fmt::Debug for TransportFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransportFn")
    }
}
