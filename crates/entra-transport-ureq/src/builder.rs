use std::sync::Arc;
use std::time::Duration;

use entra_transport::tls::{Trust, provider};
use entra_transport::{Policy, Proxies, Proxy, TransportError, TransportErrorKind};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, ProxyProtocol};

use crate::UreqTransport;
use crate::connect::{Resolving, Watching};

/// Builds a [`UreqTransport`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct UreqTransportBuilder {
    policy: Policy,
    trust: Trust,
    proxies: Option<Proxies>,
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
    pub fn build(self) -> Result<UreqTransport, TransportError> {
        let proxies = self.proxies.map_or_else(Proxies::from_env, Ok)?;
        let roots: RootCerts = self
            .trust
            .certificates(&self.policy)?
            .into_iter()
            .map(|der| Certificate::from_der(&der).to_owned())
            .into();
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(provider()?)
            .root_certs(roots)
            .build();
        let agent = |proxy| {
            let config = Agent::config_builder()
                .tls_config(tls.clone())
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .proxy(proxy)
                .accept_encoding("identity")
                .user_agent("")
                .accept("")
                .timeout_global(Some(self.policy.timeout))
                .timeout_connect(Some(self.policy.connect_timeout))
                .max_idle_age(IDLE)
                .build();
            Agent::with_parts(config, Watching::default(), Resolving::default())
        };
        let proxied = proxies
            .proxy()
            .map(through)
            .transpose()?
            .map(|proxy| agent(Some(proxy)));
        Ok(UreqTransport {
            direct: agent(None),
            proxied,
            proxies: Arc::new(proxies),
            policy: self.policy,
        })
    }
}

fn through(proxy: &Proxy) -> Result<ureq::Proxy, TransportError> {
    let mut builder = ureq::Proxy::builder(ProxyProtocol::Http)
        .host(proxy.host())
        .port(proxy.port());
    if let Some((user, password)) = proxy.credentials() {
        builder = builder.username(user).password(password);
    }
    // Its own words may quote the password.
    builder.build().map_err(|_| {
        TransportError::new(
            TransportErrorKind::Configuration,
            "ureq cannot use this proxy: check its host and port",
        )
    })
}

/// How long an unused connection is kept: less than the front ends of the service keep it.
const IDLE: Duration = Duration::from_secs(60);
