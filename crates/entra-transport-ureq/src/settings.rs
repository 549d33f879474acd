//! The construction of a transport from its settings.

use std::sync::Arc;
use std::time::Duration;

use entra_transport::adapter::{FromSettings, Settings};
use entra_transport::{TransportError, TransportPolicy};
use ureq::Agent;

use crate::UreqTransport;
use crate::connect::{NoResolver, Route};

impl FromSettings for UreqTransport {
    fn from_settings(settings: Settings) -> Result<Self, TransportError> {
        let policy = settings.policy;
        let tls = Arc::new(settings.trust.client_config(&policy)?);
        Ok(Self {
            agent: agent(&policy, Route::new(Arc::clone(&tls), settings)),
            policy,
            tls,
        })
    }
}

/// Returns an agent that does nothing on its own: no redirects, no compression, no proxy but that
/// of `route`.
pub(crate) fn agent(policy: &TransportPolicy, route: Route) -> Agent {
    let config = Agent::config_builder()
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
    Agent::with_parts(config, route, NoResolver)
}

/// The time after which an idle connection is closed. The front ends of the service close it later.
const IDLE: Duration = Duration::from_secs(60);
