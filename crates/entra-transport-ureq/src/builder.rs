use std::time::Duration;

use entra_transport::tls::{Trust, provider};
use entra_transport::{Policy, TransportError};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use crate::UreqTransport;
use crate::connect::{Resolving, Watching};

/// Builds a [`UreqTransport`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct UreqTransportBuilder {
    policy: Policy,
    trust: Trust,
}

impl UreqTransportBuilder {
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

    /// The transport.
    ///
    /// # Errors
    /// [`Configuration`](entra_transport::TransportErrorKind::Configuration) where no root is trusted or no cryptography is
    /// compiled in.
    pub fn build(self) -> Result<UreqTransport, TransportError> {
        let roots: RootCerts = self
            .trust
            .certificates()?
            .into_iter()
            .map(|der| Certificate::from_der(&der).to_owned())
            .into();
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(provider()?)
            .root_certs(roots)
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .accept_encoding("identity")
            .user_agent("")
            .accept("")
            .timeout_global(Some(self.policy.timeout))
            .timeout_connect(Some(self.policy.connect_timeout))
            .max_idle_age(IDLE)
            .build();
        let agent = Agent::with_parts(config, Watching::default(), Resolving::default());
        Ok(UreqTransport {
            agent,
            policy: self.policy,
        })
    }
}

/// How long an unused connection is kept: less than the front ends of the service keep it.
const IDLE: Duration = Duration::from_secs(60);
