//! The transport.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use entra_transport::{
    Proxies, Proxy, Request, Response, Transport, TransportBuilder, TransportError, TransportErrorKind, TransportPolicy,
};

use crate::error::transport_error;
use crate::single::Single;

/// A transport that sends token requests with reqwest.
///
/// It is cheap to clone, and all clones share their connections. A request to a local endpoint of a
/// managed identity has a connection of its own, which no other request uses.
#[derive(Clone)]
pub struct ReqwestTransport {
    pub(crate) client: reqwest::Client,
    pub(crate) policy: TransportPolicy,
    pub(crate) proxies: Arc<Proxies>,
    /// The clients for single requests, unless the user's client is the only one.
    pub(crate) single: Option<Arc<Single>>,
}

impl ReqwestTransport {
    /// Creates a transport with the default settings.
    ///
    /// # Errors
    /// Returns an error if the system has no certificate authorities, among others: see
    /// [`TransportBuilder::build`].
    pub fn new() -> Result<Self, TransportError> {
        Self::builder().build()
    }

    /// Returns a builder.
    pub fn builder() -> TransportBuilder<Self> {
        TransportBuilder::new()
    }

    /// Admits the request, and returns the client for it and the proxy that this client uses.
    fn client(&self, request: &mut Request) -> Result<(reqwest::Client, Option<&Proxy>), TransportError> {
        let Some(single) = &self.single else {
            self.policy.admit(request)?;
            return Ok((self.client.clone(), self.proxies.for_uri(request.uri())));
        };
        if let Some(route) = self.policy.admit_routed(request)? {
            return Ok((single.local(&route)?, None));
        }
        let proxy = self.proxies.for_uri(request.uri());
        let client = match single.named(request, proxy)? {
            Some(client) => client,
            None => self.client.clone(),
        };
        Ok((client, proxy))
    }
}

#[async_trait]
impl Transport for ReqwestTransport {
    async fn send(&self, mut request: Request) -> Result<Response, TransportError> {
        let uri = request.uri().clone();
        let (client, proxy) = self.client(&mut request)?;
        let request = request.map(|body| {
            if body.is_empty() {
                Bytes::new()
            } else {
                Bytes::from_owner(body)
            }
        });
        let request = reqwest::Request::try_from(request).map_err(|_| {
            // The error is dropped, since its text quotes the URI.
            TransportError::new(TransportErrorKind::NotAllowed, "the URI is not supported").at(&uri)
        })?;
        let failed = |error| transport_error(error, &uri, proxy);
        let mut received = client.execute(request).await.map_err(failed)?;
        let mut collector = self.policy.admit_response(received.headers()).map_err(|e| e.at(&uri))?;
        while let Some(chunk) = received.chunk().await.map_err(failed)? {
            collector.push(&chunk).map_err(|e| e.at(&uri))?;
        }
        let mut response = Response::new(collector.finish());
        *response.status_mut() = received.status();
        *response.version_mut() = received.version();
        *response.headers_mut() = std::mem::take(received.headers_mut());
        Ok(response)
    }
}

impl fmt::Debug for ReqwestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestTransport")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
