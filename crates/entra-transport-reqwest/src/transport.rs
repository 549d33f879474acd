use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use entra_transport::{
    Policy, Proxies, Request, Response, Transport, TransportBuilder, TransportError, TransportErrorKind,
};

use crate::error::told;

/// Sends token requests over reqwest.
///
/// Cheap to clone: all clones share their connections.
#[derive(Clone)]
pub struct ReqwestTransport {
    pub(crate) client: reqwest::Client,
    pub(crate) policy: Policy,
    pub(crate) proxies: Arc<Proxies>,
}

impl ReqwestTransport {
    /// A transport with everything at its default.
    ///
    /// # Errors
    /// Where the system trusts no certificate authority: see [`TransportBuilder::build`].
    pub fn new() -> Result<Self, TransportError> {
        Self::builder().build()
    }

    /// Starts to build one.
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
            // Its own words quote the URI.
            TransportError::new(TransportErrorKind::Refused, "the URI cannot be used").at(&uri)
        })?;
        let told = |error| told(error, &uri, self.proxies.for_uri(&uri));
        let mut answer = self.client.execute(request).await.map_err(told)?;
        let mut collector = self.policy.admit_answer(answer.headers()).map_err(|e| e.at(&uri))?;
        while let Some(chunk) = answer.chunk().await.map_err(told)? {
            collector.push(&chunk).map_err(|e| e.at(&uri))?;
        }
        let mut response = Response::new(collector.finish());
        *response.status_mut() = answer.status();
        *response.version_mut() = answer.version();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
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
