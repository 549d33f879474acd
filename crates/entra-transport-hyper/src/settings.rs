use std::time::Duration;

use entra_transport::TransportError;
use entra_transport::adapter::{FromSettings, Settings};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::{Connector, HyperTransport, ServiceTransport};

impl FromSettings for HyperTransport {
    fn from_settings(settings: Settings) -> Result<Self, TransportError> {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .http1_max_buf_size(LONGEST_HEAD)
            .build(Connector::new(&settings)?);
        Ok(Self {
            inner: ServiceTransport::new(client).policy(settings.policy),
        })
    }
}

/// How many bytes the head of a response may have. A connection that floods is read in pieces of this size, too: hyper's default is
/// 400 KB, which takes the thread for so long that other tasks notice.
const LONGEST_HEAD: usize = 64 * 1024;

/// How long an unused connection is kept: less than the front ends of the service keep it.
const IDLE: Duration = Duration::from_secs(60);
