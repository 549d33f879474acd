use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use entra_transport::{Policy, Request, Response, Transport, TransportError};
use http_body_util::{BodyExt, Full};
use tower_service::Service;

use crate::error::told;

/// A transport made of a tower service over `http` types.
///
/// `B` is the body the service takes for requests: anything that can be made of [`Bytes`]. The bytes it is made of are
/// overwritten when the last of their owners is dropped. Each request takes a clone of the service of its own and calls exactly
/// that clone once it is ready, as tower demands.
///
/// The rules of [`Policy`] hold here as well. What the service does beyond them is its own affair: give it no layer that follows
/// redirects, keeps cookies, decompresses, or sends a request twice.
///
/// ```
/// use bytes::Bytes;
/// use entra_transport::{Body, Transport};
/// use entra_transport_hyper::ServiceTransport;
/// use http_body_util::Full;
///
/// #[derive(Clone)]
/// struct Hello;
///
/// impl tower_service::Service<http::Request<Full<Bytes>>> for Hello {
///     type Response = http::Response<Full<Bytes>>;
///     type Error = std::convert::Infallible;
///     type Future = std::future::Ready<Result<Self::Response, Self::Error>>;
///
///     fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
///         std::task::Poll::Ready(Ok(()))
///     }
///
///     fn call(&mut self, _: http::Request<Full<Bytes>>) -> Self::Future {
///         std::future::ready(Ok(http::Response::new(Full::from("hello"))))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let transport = ServiceTransport::new(Hello);
/// let answer = transport.send(http::Request::get("https://login.microsoftonline.com/").body(Body::default())?).await?;
/// assert_eq!(answer.body().as_bytes(), b"hello");
/// # Ok(())
/// # }
/// ```
pub struct ServiceTransport<S, B = Full<Bytes>> {
    // Locked for as long as a clone takes: many services are `Send` and `Clone` but not `Sync`.
    service: Mutex<S>,
    policy: Policy,
    body: PhantomData<fn(B)>,
}

impl<S, B> ServiceTransport<S, B> {
    /// A transport over `service`, with the default [`Policy`].
    #[must_use]
    pub fn new(service: S) -> Self {
        Self {
            service: Mutex::new(service),
            policy: Policy::default(),
            body: PhantomData,
        }
    }

    /// Sets the rules. [`Policy::connect_timeout`] means nothing here: the service connects.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy.bounded();
        self
    }

    pub(crate) fn rules(&self) -> &Policy {
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
        let uri = request.uri().clone();
        let request = request.map(|body| B::from(Bytes::from_owner(body)));
        let mut service = self.service();
        let exchange = async {
            poll_fn(|cx| service.poll_ready(cx)).await.map_err(|e| told(e.into()))?;
            let (parts, body) = service.call(request).await.map_err(|e| told(e.into()))?.into_parts();
            let mut collector = self.policy.admit_answer(&parts.headers)?;
            let mut body = pin!(body);
            while let Some(frame) = body.frame().await {
                let Ok(mut data) = frame.map_err(|e| told(e.into()))?.into_data() else {
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
            Ok(answer) => answer.map_err(|e: TransportError| e.at(&uri)),
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
