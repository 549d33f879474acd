//! The construction of a transport from its settings.

use std::sync::Arc;
use std::time::Duration;

use entra_transport::adapter::{FromSettings, Settings};
use entra_transport::{Proxies, TransportError, TransportErrorKind, TransportPolicy};
use http::Uri;
use reqwest::{Client, ClientBuilder, redirect};
use rustls::ClientConfig;

use crate::ReqwestTransport;
use crate::single::Single;

impl FromSettings for ReqwestTransport {
    fn from_settings(settings: Settings) -> Result<Self, TransportError> {
        let tls = settings.trust.client_config(&settings.policy)?;
        let single = Single::new(tls.clone(), settings.policy, settings.server_name)?;
        let transport = Self::with(ClientBuilder::new(), tls, settings.policy, settings.proxies)?;
        Ok(Self {
            single: Some(Arc::new(single)),
            ..transport
        })
    }
}

impl ReqwestTransport {
    /// Creates a transport that starts from `client`, for options that
    /// [`TransportBuilder`](entra_transport::TransportBuilder) does not have: a resolver, layers
    /// around the connector, keep-alive. The settings come from its
    /// [`settings`](entra_transport::TransportBuilder::settings).
    ///
    /// The client's TLS, deadlines, proxies, redirects, compression and retries are replaced. Its
    /// default headers and its cookie store are not: do not set a cookie store.
    ///
    /// The transport rejects requests to the local endpoints of managed identities: they need a
    /// client of their own, and `client` starts only one.
    ///
    /// ```
    /// use entra_transport::Report;
    /// use entra_transport_reqwest::ReqwestTransport;
    ///
    /// # fn main() -> Result<(), Report> {
    /// let builder = ReqwestTransport::builder();
    /// # let builder = builder.allow_plain_loopback(true);
    /// let client = reqwest::Client::builder().tcp_nodelay(true);
    /// let transport = ReqwestTransport::over(client, builder.settings()?)?;
    /// # drop(transport);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Returns [`Configuration`](TransportErrorKind::Configuration) if no root is trusted, if no
    /// cryptography provider is compiled in, or if the settings have a server name for TLS.
    pub fn over(client: ClientBuilder, settings: Settings) -> Result<Self, TransportError> {
        if settings.server_name.is_some() {
            let problem = "reqwest cannot use a server name for TLS with this client";
            return Err(TransportError::new(TransportErrorKind::Configuration, problem)
                .with_hint("build the transport with ReqwestTransport::builder()"));
        }
        let tls = settings.trust.client_config(&settings.policy)?;
        Self::with(client, tls, settings.policy, settings.proxies)
    }

    fn with(
        client: ClientBuilder,
        tls: ClientConfig,
        policy: TransportPolicy,
        proxies: Proxies,
    ) -> Result<Self, TransportError> {
        let proxies = Arc::new(proxies);
        Ok(Self {
            client: build(client, tls, &policy, &proxies)?,
            policy,
            proxies,
            single: None,
        })
    }
}

/// Builds a client that does nothing on its own: no redirects, no compression, no retries.
pub(crate) fn build(
    client: ClientBuilder,
    tls: ClientConfig,
    policy: &TransportPolicy,
    proxies: &Arc<Proxies>,
) -> Result<Client, TransportError> {
    let mut client = client
        .tls_backend_preconfigured(tls)
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .no_proxy()
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .http1_only()
        .timeout(policy.timeout)
        .connect_timeout(policy.connect_timeout)
        .pool_idle_timeout(IDLE);
    if let Some(proxy) = through(Arc::clone(proxies)) {
        client = client.proxy(proxy);
    }
    client.build().map_err(|e| {
        TransportError::new(TransportErrorKind::Configuration, "reqwest cannot build this client").because(e)
    })
}

/// Returns the proxy for reqwest, which applies the rules of [`Proxies`] to each request.
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

/// The time after which an idle connection is closed. The front ends of the service close it later.
const IDLE: Duration = Duration::from_secs(60);
