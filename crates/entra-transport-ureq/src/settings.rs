use std::sync::Arc;
use std::time::Duration;

use entra_transport::tls::provider;
use entra_transport::{FromSettings, Proxy, Settings, TransportError, TransportErrorKind};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, ProxyProtocol};

use crate::UreqTransport;
use crate::connect::{Resolving, Watching};

impl FromSettings for UreqTransport {
    fn from_settings(
        Settings {
            policy, trust, proxies, ..
        }: Settings,
    ) -> Result<Self, TransportError> {
        let roots: RootCerts = trust
            .certificates(&policy)?
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
                .timeout_global(Some(policy.timeout))
                .timeout_connect(Some(policy.connect_timeout))
                .max_idle_age(IDLE)
                .build();
            Agent::with_parts(config, Watching::default(), Resolving::default())
        };
        let proxied = proxies
            .proxy()
            .map(through)
            .transpose()?
            .map(|proxy| agent(Some(proxy)));
        Ok(Self {
            direct: agent(None),
            proxied,
            proxies: Arc::new(proxies),
            policy,
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
