use std::sync::Arc;
use std::time::Duration;

use entra_transport::tls::Trust;
use entra_transport::{Proxies, TransportError, TransportErrorKind};
use http::Uri;
use reqwest::ClientBuilder;
use reqwest::redirect::Policy;

use crate::ReqwestTransport;

/// Builds a [`ReqwestTransport`].
#[derive(Debug, Default)]
#[must_use]
pub struct ReqwestTransportBuilder {
    policy: entra_transport::Policy,
    trust: Trust,
    proxies: Option<Proxies>,
    client: ClientBuilder,
}

impl ReqwestTransportBuilder {
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

    /// Starts from `client`, for what this builder has no method for: a resolver, layers around the connector, keep-alive.
    ///
    /// Its TLS, its deadlines, its proxies and its ways with redirects, compression and retries are replaced. Default headers
    /// stay, and a cookie store as well: give it none.
    pub fn client(mut self, client: ClientBuilder) -> Self {
        self.client = client;
        self
    }

    /// The transport.
    ///
    /// # Errors
    /// [`Configuration`](entra_transport::TransportErrorKind::Configuration) where no root is trusted, no cryptography is
    /// compiled in, or the environment names a proxy that cannot be used.
    pub fn build(self) -> Result<ReqwestTransport, TransportError> {
        let proxies = self.proxies.map_or_else(Proxies::from_env, Ok)?;
        let proxies = Arc::new(proxies);
        let mut client = self
            .client
            .tls_backend_preconfigured(self.trust.client_config(&self.policy)?)
            .redirect(Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .no_proxy()
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .http1_only()
            .timeout(self.policy.timeout)
            .connect_timeout(self.policy.connect_timeout)
            .pool_idle_timeout(IDLE);
        if let Some(proxy) = through(Arc::clone(&proxies)) {
            client = client.proxy(proxy);
        }
        let client = client.build().map_err(|e| {
            TransportError::new(TransportErrorKind::Configuration, "reqwest cannot build this client").because(e)
        })?;
        Ok(ReqwestTransport {
            client,
            policy: self.policy,
            proxies,
        })
    }
}

/// Asks our rules about each request, whatever reqwest's own make of it.
fn through(proxies: Arc<Proxies>) -> Option<reqwest::Proxy> {
    let authorization = proxies.proxy()?.authorization();
    let proxy = reqwest::Proxy::custom(move |url| {
        let uri = url.as_str().parse::<Uri>().ok()?;
        proxies
            .for_uri(&uri)
            .map(|proxy| format!("http://{}:{}", proxy.host(), proxy.port()))
    });
    Some(match authorization {
        Some(authorization) => proxy.custom_http_auth(authorization),
        None => proxy,
    })
}

/// How long an unused connection is kept: less than the front ends of the service keep it.
const IDLE: Duration = Duration::from_secs(60);
