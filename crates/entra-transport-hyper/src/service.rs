//! The transport over any tower service.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use entra_transport::{Request, Response, Transport, TransportError, TransportPolicy};
use http_body_util::{BodyExt, Full};
use tower_service::Service;

use crate::error::transport_error;

/// A transport over a tower service with `http` types.
///
/// `B` is the type of request bodies that the service accepts: any type that can be created from
/// [`Bytes`]. The bytes are overwritten when their last owner is dropped. Each request clones the
/// service, waits until this clone is ready, and calls it, as tower requires.
///
/// The rules of [`TransportPolicy`] apply. The transport cannot control what the service does in
/// addition: do not use a layer that follows redirects, stores cookies, decompresses bodies, or
/// repeats requests.
///
/// Requests to the local endpoints of managed identities are rejected, because the service may use
/// a proxy and does not check a pinned certificate. Use a `HyperTransport` for them.
///
/// ```
/// use std::convert::Infallible;
/// use std::future::{Ready, ready};
/// use std::task::{Context, Poll};
///
/// use bytes::Bytes;
/// use entra_transport::{Request, Transport, TransportError};
/// use entra_transport_hyper::ServiceTransport;
/// use http_body_util::Full;
///
/// #[derive(Clone)]
/// struct Hello;
///
/// impl tower_service::Service<http::Request<Full<Bytes>>> for Hello {
///     type Response = http::Response<Full<Bytes>>;
///     type Error = Infallible;
///     type Future = Ready<Result<Self::Response, Infallible>>;
///
///     fn poll_ready(
///         &mut self,
///         _: &mut Context<'_>,
///     ) -> Poll<Result<(), Infallible>> {
///         Poll::Ready(Ok(()))
///     }
///
///     fn call(&mut self, _: http::Request<Full<Bytes>>) -> Self::Future {
///         ready(Ok(http::Response::new(Full::from("hello"))))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), TransportError> {
/// let transport = ServiceTransport::new(Hello);
/// let mut request = Request::default();
/// *request.uri_mut() = "https://login.example/".parse().unwrap();
/// let response = transport.send(request).await?;
/// assert_eq!(response.body().as_bytes(), b"hello");
/// # Ok(())
/// # }
/// ```
pub struct ServiceTransport<S, B = Full<Bytes>> {
    // The lock is held only while the service is cloned. Many services are `Send` and `Clone`, but
    // not `Sync`.
    service: Mutex<S>,
    policy: TransportPolicy,
    body: PhantomData<fn(B)>,
}

impl<S, B> ServiceTransport<S, B> {
    /// Creates a transport over `service` with the default [`TransportPolicy`].
    #[must_use]
    pub fn new(service: S) -> Self {
        Self {
            service: Mutex::new(service),
            policy: TransportPolicy::default(),
            body: PhantomData,
        }
    }

    /// Sets the rules. [`TransportPolicy::connect_timeout`] has no effect, because the service
    /// connects.
    #[must_use]
    pub fn policy(mut self, policy: TransportPolicy) -> Self {
        self.policy = policy.bounded();
        self
    }

    pub(crate) fn rules(&self) -> &TransportPolicy {
        &self.policy
    }
}

impl<S, B> ServiceTransport<S, B>
where
    S: Clone,
{
    fn service(&self) -> S {
        self.service.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl<S, B, A> Transport for ServiceTransport<S, B>
where
    S: Service<http::Request<B>, Response = http::Response<A>> + Clone + Send,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: From<Bytes> + Send,
    A: http_body::Body + Send,
    A::Data: Send,
    A::Error: Into<BoxError>,
{
    async fn send(&self, mut request: Request) -> Result<Response, TransportError> {
        self.policy.admit(&mut request)?;
        self.exchange(request).await
    }
}

impl<S, B, A> ServiceTransport<S, B>
where
    S: Service<http::Request<B>, Response = http::Response<A>> + Clone + Send,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: From<Bytes> + Send,
    A: http_body::Body + Send,
    A::Data: Send,
    A::Error: Into<BoxError>,
{
    /// Sends a request that the policy has admitted.
    pub(crate) async fn exchange(&self, request: Request) -> Result<Response, TransportError> {
        let uri = request.uri().clone();
        let request = request.map(|body| B::from(Bytes::from_owner(body)));
        let mut service = self.service();
        let exchange = async {
            poll_fn(|cx| service.poll_ready(cx))
                .await
                .map_err(|e| transport_error(e.into()))?;
            let response = service.call(request).await;
            let (parts, body) = response.map_err(|e| transport_error(e.into()))?.into_parts();
            let mut collector = self.policy.admit_response(&parts.headers)?;
            let mut body = pin!(body);
            while let Some(frame) = body.frame().await {
                let Ok(mut data) = frame.map_err(|e| transport_error(e.into()))?.into_data() else {
                    continue;
                };
                while data.has_remaining() {
                    let chunk = data.chunk();
                    collector.push(chunk)?;
                    let length = chunk.len();
                    data.advance(length);
                }
            }
            Ok(Response::from_parts(parts, collector.finish()))
        };
        match tokio::time::timeout(self.policy.timeout, exchange).await {
            Ok(response) => response.map_err(|e: TransportError| e.at(&uri)),
            Err(_) => Err(TransportError::late_response().at(&uri)),
        }
    }
}

impl<S: Clone, B> Clone for ServiceTransport<S, B> {
    fn clone(&self) -> Self {
        Self {
            service: Mutex::new(self.service()),
            policy: self.policy,
            body: PhantomData,
        }
    }
}

impl<S, B> fmt::Debug for ServiceTransport<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceTransport")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

type BoxError = Box<dyn Error + Send + Sync>;
