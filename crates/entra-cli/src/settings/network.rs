//! The options for the network: trusted certificates, and the time limit.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use entra_client::blocking::{Client, ClientBuilder};
use entra_client::{Policy, Principal};
use entra_proto::acquire::RetryPolicy;
use entra_proto::environment::TokenProxySettings;
use entra_proto::{TokenRequest, TokenResponse};
use entra_transport::adapter::FromSettings;
use entra_transport::{AcquireError, Acquisition, BlockingTransport, TokenProxy, Transport, TransportBuilder};
use entra_transport_hyper::{Connector, HyperTransport};
use entra_transport_ureq::UreqTransport;

use crate::exit::{Exit, Failure};
use crate::files::read_text;
use crate::requests::{Logged, log_event, sleep};

/// The options for the network.
#[derive(Args)]
pub(crate) struct NetworkSettings {
    /// Also trust the certificates in this PEM file, such as the emulator's CA
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,

    /// Time limit of each HTTP request in seconds, from 1 to 3600: from the connection to the end
    /// of the response; a token request is not retried after that time
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

impl NetworkSettings {
    /// Returns a transport that logs its requests.
    ///
    /// # Errors
    /// Returns an error if the file of CA certificates cannot be used.
    pub(crate) fn transport(&self) -> Result<Logged<UreqTransport>, Failure> {
        Ok(Logged(self.transport_builder()?.build()?))
    }

    /// Returns an async transport that logs its requests. A clone shares its connections.
    ///
    /// # Errors
    /// Returns an error if the file of CA certificates cannot be used.
    pub(crate) fn async_transport(&self) -> Result<Logged<HyperTransport>, Failure> {
        Ok(Logged(self.transport_builder()?.build()?))
    }

    /// Returns the connections for a client that calls APIs.
    ///
    /// # Errors
    /// Returns an error if the file of CA certificates cannot be used.
    pub(crate) fn connector(&self) -> Result<Connector, Failure> {
        Ok(Connector::new(
            &self.transport_builder::<HyperTransport>()?.settings()?,
        )?)
    }

    fn transport_builder<T: FromSettings>(&self) -> Result<TransportBuilder<T>, Failure> {
        // All addresses come from the user. The transport limits plain http to loopback addresses.
        let mut builder = TransportBuilder::<T>::new()
            .allow_plain_loopback(true)
            .timeout(Duration::from_secs(self.timeout));
        if let Some(path) = &self.ca_file {
            let pem = read_text(path, "CA certificates", MAX_CA, Exit::Configuration)?;
            builder = builder.root_certificates_pem(pem.as_bytes())?;
        }
        Ok(builder)
    }

    /// Acquires a token over this transport within the time limit.
    pub(crate) fn acquire_over(
        &self,
        transport: &Logged<UreqTransport>,
        request: TokenRequest,
    ) -> Result<TokenResponse, AcquireError> {
        Acquisition::new(request)
            .policy(self.retry())
            .run_blocking_with(transport, sleep)
    }

    /// Returns a client builder for this principal with this policy and the time limit.
    ///
    /// # Errors
    /// Returns an error if the file of CA certificates cannot be used.
    pub(crate) fn client(&self, principal: impl Into<Principal>, policy: Policy) -> Result<ClientBuilder, Failure> {
        Ok(self.client_over(self.transport()?, principal, policy))
    }

    fn client_over(
        &self,
        transport: impl BlockingTransport + 'static,
        principal: impl Into<Principal>,
        policy: Policy,
    ) -> ClientBuilder {
        Client::builder(principal, transport)
            .policy(self.limited(policy))
            .observer(log_event)
    }

    /// Returns a builder of an async client for this principal with this policy and the time limit.
    ///
    /// # Errors
    /// Returns an error if the file of CA certificates cannot be used.
    #[allow(dead_code, reason = "for a server with one client")]
    pub(crate) fn async_client(
        &self,
        principal: impl Into<Principal>,
        policy: Policy,
    ) -> Result<entra_client::ClientBuilder, Failure> {
        Ok(self.async_client_over(&self.async_transport()?, principal, policy))
    }

    /// Returns the same builder over this transport, which several clients share.
    pub(crate) fn async_client_over(
        &self,
        transport: &Logged<HyperTransport>,
        principal: impl Into<Principal>,
        policy: Policy,
    ) -> entra_client::ClientBuilder {
        self.async_client_of(transport.clone(), principal, policy)
    }

    fn async_client_of(
        &self,
        transport: impl Transport + 'static,
        principal: impl Into<Principal>,
        policy: Policy,
    ) -> entra_client::ClientBuilder {
        entra_client::Client::builder(principal, transport)
            .policy(self.limited(policy))
            .observer(log_event)
    }

    /// Returns a client builder as [`client`](Self::client) does, whose token requests go through
    /// this proxy.
    ///
    /// # Errors
    /// Returns an error if a file of CA certificates or a setting of the proxy cannot be used.
    pub(crate) fn client_through(
        &self,
        proxy: TokenProxySettings,
        principal: Principal,
        policy: Policy,
    ) -> Result<ClientBuilder, Failure> {
        let transport = TokenProxy::<UreqTransport>::new(self.transport_builder()?, proxy)?;
        Ok(self.client_over(Logged(transport), principal, policy))
    }

    /// Returns the same builder of an async client.
    ///
    /// # Errors
    /// Returns an error if a file of CA certificates or a setting of the proxy cannot be used.
    pub(crate) fn async_client_through(
        &self,
        proxy: TokenProxySettings,
        principal: Principal,
        policy: Policy,
    ) -> Result<entra_client::ClientBuilder, Failure> {
        let transport = TokenProxy::<HyperTransport>::new(self.transport_builder()?, proxy)?;
        Ok(self.async_client_of(Logged(transport), principal, policy))
    }

    /// Returns the policy with the time limit.
    fn limited(&self, mut policy: Policy) -> Policy {
        policy.retry = self.retry();
        // A policy with less patience than its retries need is invalid.
        policy.patience = policy.retry.deadline.saturating_mul(2);
        policy
    }

    /// Returns the retry policy with the time limit as its deadline.
    pub(crate) fn retry(&self) -> RetryPolicy {
        let mut policy = RetryPolicy::default();
        policy.deadline = Duration::from_secs(self.timeout);
        policy
    }

    /// Returns the path of the file of CA certificates.
    pub(crate) fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    /// Returns the time limit of a request, in seconds.
    pub(crate) fn timeout(&self) -> u64 {
        self.timeout
    }
}

/// The maximum length of a file of CA certificates, in bytes.
const MAX_CA: u64 = 1024 * 1024;
