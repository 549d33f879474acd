//! The transport.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use entra_transport::{
    Proxies, Request, Response, Transport, TransportBuilder, TransportError, TransportErrorKind, TransportPolicy,
};

use crate::error::transport_error;

/// A transport that sends token requests with reqwest.
///
/// It is cheap to clone, and all clones share their connections.
#[derive(Clone)]
pub struct ReqwestTransport {
    pub(crate) client: reqwest::Client,
    pub(crate) policy: TransportPolicy,
    pub(crate) proxies: Arc<Proxies>,
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
}

#[async_trait]
impl Transport for ReqwestTransport {
    async fn send(&self, mut request: Request) -> Result<Response, TransportError> {
        self.policy.admit(&mut request)?;
        let uri = request.uri().clone();
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
        let failed = |error| transport_error(error, &uri, self.proxies.for_uri(&uri));
        let mut received = self.client.execute(request).await.map_err(failed)?;
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
