//! The transport over hyper's client.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use entra_transport::{Request, Response, Transport, TransportBuilder, TransportError};
use http_body_util::Full;
use hyper_util::client::legacy::Client;

use crate::{Connector, ServiceTransport};

/// A transport that sends token requests with hyper.
///
/// It is cheap to clone, and all clones share their connections.
#[derive(Clone)]
pub struct HyperTransport {
    pub(crate) inner: ServiceTransport<Client<Connector, Full<Bytes>>>,
}

impl HyperTransport {
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
