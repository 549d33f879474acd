//! The settings of the network that commands share: trusted certificates, and the time allowed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use entra_client::Policy;
use entra_client::blocking::{Client, ClientBuilder};
use entra_proto::acquire::RetryPolicy;
use entra_proto::{Application, TokenRequest, TokenResponse};
use entra_transport::{AcquireError, Acquisition};
use entra_transport_ureq::UreqTransport;

use crate::exit::{Exit, Failure};
use crate::files::read_text;
use crate::requests::{Logged, log_event, sleep};

/// How to reach the service.
#[derive(Args)]
pub(crate) struct NetworkSettings {
    /// Trust the certificates in this PEM file as well, such as an emulator's CA
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,

    /// Give up on a request after this many seconds, and start no other try after that time
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

impl NetworkSettings {
    pub(crate) fn transport(&self) -> Result<Logged<UreqTransport>, Failure> {
        // Every address is one that the user wrote; that plain http stays on this machine is checked by the transport.
        let mut builder = UreqTransport::builder()
            .allow_plain_loopback(true)
            .timeout(Duration::from_secs(self.timeout));
        if let Some(path) = &self.ca_file {
            let pem = read_text(path, "CA certificates", MAX_CA, Exit::Configuration)?;
            builder = builder.root_certificates_pem(pem.as_bytes())?;
        }
        Ok(Logged(builder.build()?))
    }

    /// Gets a token over this transport within the time allowed.
    pub(crate) fn acquire_over(
        &self,
        transport: &Logged<UreqTransport>,
        request: TokenRequest,
    ) -> Result<TokenResponse, AcquireError> {
        Acquisition::new(request)
            .policy(self.retry())
            .run_blocking_with(transport, sleep)
    }

    /// A client for this application that keeps to this policy, within the time allowed.
    pub(crate) fn client(&self, application: Application, mut policy: Policy) -> Result<ClientBuilder, Failure> {
        policy.retry = self.retry();
        // Nobody else asks, but a policy whose patience is shorter than its tries is none.
        policy.patience = policy.retry.deadline.saturating_mul(2);
        Ok(Client::builder(application, self.transport()?)
            .policy(policy)
            .observer(log_event))
    }

    /// How often to try within the time allowed.
    pub(crate) fn retry(&self) -> RetryPolicy {
        let mut policy = RetryPolicy::default();
        policy.deadline = Duration::from_secs(self.timeout);
        policy
    }

    pub(crate) fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    /// In seconds.
    pub(crate) fn timeout(&self) -> u64 {
        self.timeout
    }
}

/// How long a file of CA certificates may be, in bytes.
const MAX_CA: u64 = 1024 * 1024;
