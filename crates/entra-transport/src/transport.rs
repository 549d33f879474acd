//! The async transport: the trait, and transports that are closures.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Request, Response, TransportError};

/// An async HTTP client that sends one request to the token service and returns its response.
///
/// # Contract
/// The layers above send client secrets through a transport, so each of these rules is part of the
/// contract. The test suite of `entra-transport-conformance` checks them.
/// - Every response is `Ok`, with a status of 4xx or 5xx as well. A redirect is returned, never
///   followed.
/// - Only `https` is allowed. Plain `http` is allowed only to this machine, and only if the user
///   allowed it.
/// - A request with a [`LocalRoute`](crate::adapter::LocalRoute) is sent as the route's
///   documentation requires, or rejected.
/// - One deadline covers the whole request, from the DNS lookup to the last byte of the body.
/// - The body is complete and at most [`MAX_BODY`](crate::MAX_BODY) bytes long, or it is an error.
/// - Headers and body are sent and returned unchanged: no decompression, no cookies.
/// - There are no retries, because only the caller knows which request may be sent twice.
/// - Dropping the future cancels the request.
///
/// [`TransportPolicy`](crate::TransportPolicy) and [`Collector`](crate::adapter::Collector)
/// implement the rules that do not depend on the HTTP client.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends `request` and waits for the complete response.
    ///
    /// # Errors
    /// Returns a [`TransportError`] if there is no complete response, or if the request may not be
    /// sent at all.
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

/// Creates a [`Transport`] from a closure that returns a future.
///
/// ```
/// use entra_transport::{Body, Response, Transport, transport_fn};
///
/// let unavailable = transport_fn(|_request| async {
///     let mut response = Response::new(Body::default());
///     *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
///     Ok(response)
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

/// A [`Transport`] that calls a closure: see [`transport_fn`].
///
/// This is a separate type because a `&F` or `Box<F>` of a closure is a closure itself, so the
/// trait could not be implemented both for closures and for pointers to transports.
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
