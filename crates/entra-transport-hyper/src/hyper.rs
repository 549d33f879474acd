use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use entra_transport::{Request, Response, Transport, TransportBuilder, TransportError};
use http_body_util::Full;
use hyper_util::client::legacy::Client;

use crate::{Connector, ServiceTransport};

/// Sends token requests over hyper.
///
/// Cheap to clone: all clones share their connections.
#[derive(Clone)]
pub struct HyperTransport {
    pub(crate) inner: ServiceTransport<Client<Connector, Full<Bytes>>>,
}

impl HyperTransport {
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
impl Transport for HyperTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.inner.send(request).await
    }
}

impl fmt::Debug for HyperTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransport")
            .field("policy", self.inner.rules())
            .finish_non_exhaustive()
    }
}
