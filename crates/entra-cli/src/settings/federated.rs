//! The services, the variable and the command from which an application gets another issuer's
//! assertion.

use clap::ValueEnum;
use entra_client::Policy;
use entra_credential::{AssertionCommand, AssertionVariable, Program};
use entra_proto::acquired::{AcquiredCredential, AssertionExchange};
use entra_proto::assertion::ClientAssertion;
use entra_proto::federation::{AzurePipelines, GitHubActions};
use entra_proto::managed_identity::{Identity, ManagedIdentity};
use entra_proto::{ClientCredential, Cloud, Target};
use entra_transport::{BlockingTransport, LocalHost};

use super::NetworkSettings;
use crate::exit::{Exit, Failure};

/// A service that issues assertions, as the option names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SourceName {
    /// A job of GitHub Actions with the permission `id-token: write`
    GithubActions,
    /// An Azure pipeline, for its service connection
    AzurePipelines,
    /// A user-assigned managed identity of this machine
    ManagedIdentity,
}

impl SourceName {
    /// Returns the name, as the option has it.
    pub(super) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// A source of another issuer's assertions, other than a file.
#[derive(Clone)]
pub(crate) enum FederatedSource {
    GitHubActions(GitHubActions),
    AzurePipelines(AzurePipelines),
    ManagedIdentity(Identity),
    Variable(AssertionVariable),
    Command(AssertionCommand),
}

impl FederatedSource {
    /// Returns the source with this name, as the variables of the platform describe it.
    ///
    /// # Errors
    /// Returns an error if a variable of the platform is missing or invalid.
    pub(super) fn read(
        name: SourceName,
        identity: impl FnOnce() -> Result<Identity, Failure>,
    ) -> Result<Self, Failure> {
        let lookup = |name: &str| std::env::var_os(name);
        let failed = |error| Failure::of(Exit::Credential, &error);
        Ok(match name {
            SourceName::GithubActions => Self::GitHubActions(GitHubActions::read(lookup).map_err(failed)?),
            SourceName::AzurePipelines => Self::AzurePipelines(AzurePipelines::read(lookup).map_err(failed)?),
            SourceName::ManagedIdentity => Self::ManagedIdentity(identity()?),
        })
    }

    /// Returns the source that prints an assertion when these words are run, without a shell.
    ///
    /// # Errors
    /// Returns an error if there are no words.
    pub(super) fn command(words: &str) -> Result<Self, Failure> {
        let mut words = words.split_whitespace();
        let program = words.next().ok_or_else(|| {
            Failure::text(Exit::Usage, "--federated-token-command is empty").hint("name a program and its arguments")
        })?;
        let program = Program::new(program).with_arguments(words);
        Ok(Self::Command(AssertionCommand::new(program)))
    }

    /// Returns true if each token request gets a new assertion.
    pub(crate) fn is_renewed(&self) -> bool {
        !matches!(self, Self::Variable(_))
    }

    /// Returns the source as a noun phrase.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::GitHubActions(_) => "the assertion of GitHub Actions".to_owned(),
            Self::AzurePipelines(_) => "the assertion of Azure Pipelines".to_owned(),
            Self::ManagedIdentity(identity) => format!("the token of {identity}"),
            Self::Variable(variable) => format!("the federated token in the variable {}", variable.name()),
            Self::Command(_) => "the federated token that a command prints".to_owned(),
        }
    }

    /// Returns the credential of an application in this cloud.
    ///
    /// # Errors
    /// Returns an error if this machine's managed identity cannot be a credential.
    pub(crate) fn credential(&self, cloud: &Cloud) -> Result<ClientCredential, Failure> {
        Ok(match self {
            Self::GitHubActions(source) => source.clone().into(),
            Self::AzurePipelines(source) => source.clone().into(),
            Self::ManagedIdentity(identity) => {
                let request = ManagedIdentity::new(identity.clone(), LocalHost).request(exchange(cloud)?)?;
                AcquiredCredential::of_managed_identity(request)?.into()
            }
            Self::Variable(variable) => variable.clone().into(),
            Self::Command(command) => command.clone().into(),
        })
    }

    /// Gets an assertion for an application in this cloud.
    ///
    /// # Errors
    /// Returns an error if the source has no assertion.
    pub(crate) fn assertion(&self, cloud: &Cloud, network: &NetworkSettings) -> Result<ClientAssertion, Failure> {
        match self {
            Self::GitHubActions(source) => exchanged(source, cloud, network),
            Self::AzurePipelines(source) => exchanged(source, cloud, network),
            Self::ManagedIdentity(identity) => {
                let managed = ManagedIdentity::new(identity.clone(), LocalHost);
                let client = network.client(managed, Policy::default())?.build()?;
                let token = client.token(&exchange(cloud)?)?;
                Ok(ClientAssertion::new(token.expose())?)
            }
            Self::Variable(variable) => Ok(variable.assertion()?),
            Self::Command(command) => Ok(command.assertion()?),
        }
    }
}

/// Requests an assertion once.
fn exchanged(
    source: &impl AssertionExchange,
    cloud: &Cloud,
    network: &NetworkSettings,
) -> Result<ClientAssertion, Failure> {
    let request = source.request(cloud.token_exchange_audience(), entra_transport::request_id()?);
    let response = network.transport()?.send(request)?;
    Ok(source.decode(&response, entra_transport::now())?)
}

/// Returns the target whose tokens are client assertions.
fn exchange(cloud: &Cloud) -> Result<Target, Failure> {
    Ok(Target::resource(cloud.token_exchange_audience())?)
}
