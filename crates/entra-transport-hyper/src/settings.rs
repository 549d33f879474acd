//! The construction of a transport from its settings.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use entra_transport::TransportError;
use entra_transport::adapter::{FromSettings, Settings};
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::{Connector, HyperTransport, ServiceTransport};

impl FromSettings for HyperTransport {
    fn from_settings(settings: Settings) -> Result<Self, TransportError> {
        let tls = Arc::new(settings.trust.client_config(&settings.policy)?);
        let client = client(Connector::over(Arc::clone(&tls), &settings));
        Ok(Self {
            inner: ServiceTransport::new(client).policy(settings.policy),
            tls,
        })
    }
}

pub(crate) fn client(connector: Connector) -> Client {
    legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .http1_max_buf_size(LONGEST_HEAD)
        .build(connector)
}

pub(crate) type Client = legacy::Client<Connector, Full<Bytes>>;

/// The most bytes of the head of a response. hyper also reads a fast connection in chunks of this
/// size: its default of 400 KB occupies the thread for so long that it delays other tasks.
const LONGEST_HEAD: usize = 64 * 1024;

/// The time after which an idle connection is closed. The front ends of the service close it later.
const IDLE: Duration = Duration::from_secs(60);
