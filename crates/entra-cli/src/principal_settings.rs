//! The options for the party that tokens are issued to, and the network: an application, one of its
//! agents, a managed identity, or the credentials of the environment.

use clap::Args;
use entra::FromEnvError;
use entra_client::blocking::ClientBuilder;
use entra_client::client::Client;
use entra_client::{Policy, Principal};
use entra_proto::environment::{self, TokenProxySettings};
use entra_proto::managed_identity::ManagedIdentity;
use entra_proto::{ClientId, Cloud};
use entra_transport_hyper::HyperTransport;

use crate::exit::Failure;
use crate::requests::Logged;
use crate::settings::{
    AgentSettings, ApplicationSettings, ChainSettings, IdentityId, ManagedSettings, NetworkSettings,
};
use crate::source::Traced;

/// The options for the party that tokens are issued to, and the network.
#[derive(Args)]
pub(crate) struct PrincipalSettings {
    #[command(flatten)]
    pub(crate) application: Traced<ApplicationSettings>,

    #[command(flatten)]
    managed: ManagedSettings,

    #[command(flatten)]
    chain: ChainSettings,

    #[command(flatten)]
    agent: AgentSettings,

    #[command(flatten)]
    pub(crate) network: NetworkSettings,
}

impl PrincipalSettings {
    /// Returns the principal, and the token proxy of its requests, if there is one. The principal
    /// is the chain of the environment, a managed identity, or the application with its credential.
    fn principal(&self) -> Result<(Principal, Option<TokenProxySettings>), Failure> {
        if let Some(chain) = self.chain.principal(&self.application, &self.network)? {
            return Ok((chain.principal, chain.token_proxy));
        }
        let principal = match self.managed_identity()? {
            Some(managed) => managed.into(),
            None => self.application.settings.application(&self.network)?.into(),
        };
        Ok((principal, None))
    }

    /// Returns a builder of a client of app-only tokens with this policy, limited to `--timeout`.
    ///
    /// # Errors
    /// Returns an error if a setting is missing or invalid, or the credential cannot be read.
    pub(crate) fn builder(&self, policy: Policy) -> Result<ClientBuilder, Failure> {
        match self.principal()? {
            (principal, None) => self.network.client(principal, policy),
            (principal, Some(proxy)) => self.network.client_through(proxy, principal, policy),
        }
    }

    /// Returns a builder of an async client of app-only tokens with this policy, limited to
    /// `--timeout`. [`of_agent`](Self::of_agent) completes the client. It uses this transport,
    /// unless its token requests go through a proxy of their own.
    ///
    /// # Errors
    /// See [`builder`](Self::builder).
    pub(crate) fn async_client(
        &self,
        transport: &Logged<HyperTransport>,
        policy: Policy,
    ) -> Result<entra_client::ClientBuilder, Failure> {
        match self.principal()? {
            (principal, None) => Ok(self.network.async_client_over(transport, principal, policy)),
            (principal, Some(proxy)) => self.network.async_client_through(proxy, principal, policy),
        }
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

    /// Returns the client ID of the agent, if an option names one.
    ///
    /// # Errors
    /// Returns an error if an ID or a name is invalid.
    pub(crate) fn agent_id(&self) -> Result<Option<ClientId>, Failure> {
        Ok(self.agent.agent()?.map(|agent| agent.id()))
    }

    /// Returns the ID of the managed identity, if the principal is one that has an ID.
    ///
    /// # Errors
    /// Returns an error if the ID is empty or invalid.
    pub(crate) fn identity_id(&self) -> Result<Option<IdentityId<'_>>, Failure> {
        match self.managed.is_wanted() {
            true => self.application.settings.identity_id(),
            false => Ok(None),
        }
    }

    /// Returns the option, if any, for a principal other than the application of the options: a
    /// managed identity, a chain or an agent.
    pub(crate) fn option(&self) -> Option<&'static str> {
        let options = [
            (self.managed.is_wanted(), "--managed-identity"),
            (self.chain.is_wanted(), "--chain"),
            (self.agent.is_wanted(), "--agent"),
        ];
        options
            .into_iter()
            .find_map(|(is_wanted, option)| is_wanted.then_some(option))
    }

    /// Returns the cloud of the tokens.
    ///
    /// # Errors
    /// Returns an error if its name is invalid, or a project's file must not name it.
    pub(crate) fn cloud(&self) -> Result<Cloud, Failure> {
        match self.chain.is_wanted() {
            true => Ok(environment::cloud(|name| std::env::var_os(name)).map_err(FromEnvError::from)?),
            false => self.application.settings.cloud(),
        }
    }
}
