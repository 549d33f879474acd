use std::time::Duration;

use entra_transport::tls::Trust;
use entra_transport::{Policy, Proxies, TransportError};

use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::connect::connector;
use crate::{HyperTransport, ServiceTransport};

/// Builds a [`HyperTransport`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct HyperTransportBuilder {
    policy: Policy,
    trust: Trust,
    proxies: Option<Proxies>,
}

impl HyperTransportBuilder {
    /// How long a request may take altogether. 30 seconds by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.policy.timeout = timeout;
        self
    }

    /// How long it may take to have a connection, TLS handshake included. 10 seconds by default.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.policy.connect_timeout = timeout;
        self
    }

    /// How many bytes the body of an answer may have. [`MAX_BODY`](entra_transport::MAX_BODY) by default.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.policy.max_body = bytes;
        self
    }

    /// Whether plain `http` is let out to this very machine: for emulators and tests. Off by default.
    pub fn allow_plain_loopback(mut self, allow: bool) -> Self {
        self.policy.allow_plain_loopback = allow;
        self
    }

    /// Trusts the certificates in `pem` as roots, too.
    ///
    /// # Errors
    /// Where there is no certificate in it, or a broken one.
    pub fn root_certificates_pem(mut self, pem: &[u8]) -> Result<Self, TransportError> {
        self.trust.add_pem(pem)?;
        Ok(self)
    }

    /// Trusts the certificate in `der` as a root, too.
    ///
    /// # Errors
    /// Where it is no certificate.
    pub fn add_root_der(mut self, der: &[u8]) -> Result<Self, TransportError> {
        self.trust.add_der(der)?;
        Ok(self)
    }

    /// Whether the added roots are the only ones that are trusted. Off by default.
    pub fn added_roots_only(mut self, only: bool) -> Self {
        self.trust.added_only(only);
        self
    }

    /// The proxy to go through. By default the environment says: see [`Proxies::from_env`].
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.proxies = Some(proxies);
        self
    }

    /// The transport.
    ///
    /// # Errors
    /// [`Configuration`](entra_transport::TransportErrorKind::Configuration) where no root is trusted, no cryptography is
    /// compiled in, or the environment names a proxy that cannot be used.
    pub fn build(self) -> Result<HyperTransport, TransportError> {
        let proxies = self.proxies.map_or_else(Proxies::from_env, Ok)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector(
                self.trust.client_config(&self.policy)?,
                proxies,
                self.policy.connect_timeout,
            ));
        Ok(HyperTransport {
            inner: ServiceTransport::new(client).policy(self.policy),
        })
    }
}

/// How long an unused connection is kept: less than the front ends of the service keep it.
const IDLE: Duration = Duration::from_secs(60);
