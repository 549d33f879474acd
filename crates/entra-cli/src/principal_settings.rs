//! The options for the party that tokens are issued to, and the network: an application, one of its
//! agents, or a managed identity.

use clap::Args;
use entra_client::client::Client;
use entra_client::{Policy, Principal};
use entra_proto::managed_identity::ManagedIdentity;
use entra_transport_hyper::HyperTransport;

use crate::exit::Failure;
use crate::requests::Logged;
use crate::settings::{AgentSettings, ApplicationSettings, ManagedSettings, NetworkSettings};
use crate::source::Traced;

/// The options for the party that tokens are issued to, and the network.
#[derive(Args)]
pub(crate) struct PrincipalSettings {
    #[command(flatten)]
    pub(crate) application: Traced<ApplicationSettings>,

    #[command(flatten)]
    managed: ManagedSettings,

    #[command(flatten)]
    agent: AgentSettings,

    #[command(flatten)]
    pub(crate) network: NetworkSettings,
}

impl PrincipalSettings {
    /// Returns the principal: a managed identity, or the application with its credential.
    ///
    /// # Errors
    /// Returns an error if a setting is missing or invalid, or the credential cannot be read.
    pub(crate) fn principal(&self) -> Result<Principal, Failure> {
        Ok(match self.managed_identity()? {
            Some(managed) => managed.into(),
            None => self.application.settings.application(&self.network)?.into(),
        })
    }

    /// Returns an async client of app-only tokens with this policy, limited to `--timeout`.
    ///
    /// # Errors
    /// See [`principal`](Self::principal).
    pub(crate) fn async_client(
        &self,
        transport: &Logged<HyperTransport>,
        policy: Policy,
    ) -> Result<entra_client::Client, Failure> {
        let builder = self.network.async_client_over(transport, self.principal()?, policy);
        self.of_agent(builder.build()?)
    }

    /// Returns a handle to the client for the agent, if an option names one.
    ///
    /// # Errors
    /// Returns an error if an ID or a name is invalid.
    pub(crate) fn of_agent<D>(&self, client: Client<D>) -> Result<Client<D>, Failure> {
        Ok(match self.agent.agent()? {
            Some(agent) => agent.of(&client),
            None => client,
        })
    }

    /// Returns the managed identity, with `--managed-identity`.
    ///
    /// # Errors
    /// Returns an error if the identity is invalid, or if an option belongs to an application.
    pub(crate) fn managed_identity(&self) -> Result<Option<ManagedIdentity>, Failure> {
        self.managed.managed(&self.application)
    }

    /// Returns the option, if any, for a principal other than the application: a managed identity
    /// or an agent.
    pub(crate) fn option(&self) -> Option<&'static str> {
        match (self.managed.is_wanted(), self.agent.is_wanted()) {
            (true, _) => Some("--managed-identity"),
            (false, true) => Some("--agent"),
            (false, false) => None,
        }
    }
}
