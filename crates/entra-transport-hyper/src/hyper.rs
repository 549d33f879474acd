//! The transport over hyper's client.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use entra_transport::adapter::LocalRoute;
use entra_transport::tls::pinned;
use entra_transport::{Request, Response, Transport, TransportBuilder, TransportError};
use rustls::ClientConfig;

use crate::settings::{Client, client};
use crate::{Connector, ServiceTransport};

/// A transport that sends token requests with hyper.
///
/// It is cheap to clone, and all clones share their connections. A request to a local endpoint of a
/// managed identity has a connection of its own, which no other request uses.
#[derive(Clone)]
pub struct HyperTransport {
    pub(crate) inner: ServiceTransport<Client>,
    pub(crate) tls: Arc<ClientConfig>,
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

    /// Returns the transport for one request on a local route. Its connection ends with it.
    fn local(&self, route: &LocalRoute) -> Result<ServiceTransport<Client>, TransportError> {
        let tls = match route.pin() {
            Some(pin) => Arc::new(pinned(*pin)?),
            None => Arc::clone(&self.tls),
        };
        let policy = self.inner.rules().on_route(route);
        let client = client(Connector::local(tls, &policy));
        Ok(ServiceTransport::new(client).policy(policy))
    }
}

#[async_trait]
impl Transport for HyperTransport {
    async fn send(&self, mut request: Request) -> Result<Response, TransportError> {
        match self.inner.rules().admit_routed(&mut request)? {
            None => self.inner.exchange(request).await,
            Some(route) => self.local(&route)?.exchange(request).await,
        }
    }
}

impl fmt::Debug for HyperTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransport")
            .field("policy", self.inner.rules())
            .finish_non_exhaustive()
    }
}
