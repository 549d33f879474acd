use std::sync::Arc;
use std::time::Duration;

use entra_transport::adapter::{FromSettings, Settings};
use entra_transport::{Proxies, TransportError, TransportErrorKind};
use http::Uri;
use reqwest::{ClientBuilder, redirect};

use crate::ReqwestTransport;

impl FromSettings for ReqwestTransport {
    fn from_settings(settings: Settings) -> Result<Self, TransportError> {
        Self::over(ClientBuilder::new(), settings)
    }
}

impl ReqwestTransport {
    /// A transport that starts from `client`, for what [`TransportBuilder`](entra_transport::TransportBuilder) has no method for: a
    /// resolver, layers around the connector, keep-alive. The settings come from its
    /// [`settings`](entra_transport::TransportBuilder::settings).
    ///
    /// The client's TLS, its deadlines, its proxies and its ways with redirects, compression and retries are replaced. Default
    /// headers stay, and a cookie store as well: give it none.
    ///
    /// # Errors
    /// [`Configuration`](TransportErrorKind::Configuration) where no root is trusted, or no cryptography is compiled in.
    pub fn over(client: ClientBuilder, settings: Settings) -> Result<Self, TransportError> {
        let Settings {
            policy, trust, proxies, ..
        } = settings;
        let proxies = Arc::new(proxies);
        let mut client = client
            .tls_backend_preconfigured(trust.client_config(&policy)?)
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
        if let Some(proxy) = through(Arc::clone(&proxies)) {
            client = client.proxy(proxy);
        }
        let client = client.build().map_err(|e| {
            TransportError::new(TransportErrorKind::Configuration, "reqwest cannot build this client").because(e)
        })?;
        Ok(Self {
            client,
            policy,
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
