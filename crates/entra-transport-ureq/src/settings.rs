//! The construction of a transport from its settings.

use std::time::Duration;

use entra_transport::TransportError;
use entra_transport::adapter::{FromSettings, Settings};
use entra_transport::tls::provider;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use crate::UreqTransport;
use crate::connect::{NoResolver, Route};

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
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // Some APIs use methods such as MERGE.
            .allow_non_standard_methods(true)
            // The connector decides which requests use a proxy.
            .proxy(None)
            .accept_encoding("identity")
            .user_agent("")
            .accept("")
            .timeout_global(Some(policy.timeout))
            .timeout_connect(Some(policy.connect_timeout))
            .max_idle_age(IDLE)
            .build();
        Ok(Self {
            agent: Agent::with_parts(config, Route::new(proxies), NoResolver),
            policy,
        })
    }
}

/// The time after which an idle connection is closed. The front ends of the service close it later.
const IDLE: Duration = Duration::from_secs(60);
