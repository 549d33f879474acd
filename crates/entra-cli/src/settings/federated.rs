//! The options for another issuer's assertion, and the services, the variable and the command from
//! which an application gets it.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use entra_client::Policy;
use entra_credential::{AssertionCommand, AssertionVariable, Program};
use entra_proto::acquired::{AcquiredCredential, AssertionExchange};
use entra_proto::assertion::ClientAssertion;
use entra_proto::federation::{AzurePipelines, GitHubActions, HttpSource};
use entra_proto::managed_identity::{Identity, ManagedIdentity};
use entra_proto::{ClientCredential, Cloud, Target};
use entra_transport::{BlockingTransport, LocalHost};

use super::{NetworkSettings, given};
use crate::exit::{Exit, Failure};
use crate::files::{name_of, read_text};
use crate::named_file::reject_contents;
use crate::sanitize::register_secret;
use crate::source::Source;

/// The options for another issuer's assertion. They exclude one another and the other credentials.
#[derive(Args)]
pub(crate) struct FederatedSettings {
    /// The file with another issuer's assertion (workload identity federation); also
    /// AZURE_FEDERATED_TOKEN_FILE
    #[arg(long, value_name = "FILE", group = OTHER_CREDENTIAL)]
    federated_token_file: Option<PathBuf>,

    /// Get another issuer's assertion from this service
    #[arg(long, value_enum, ignore_case = true, value_name = "SERVICE", group = OTHER_CREDENTIAL)]
    federated_source: Option<SourceName>,

    /// The variable with another issuer's assertion, as GitLab and other CI systems set it
    #[arg(long, value_name = "NAME", group = OTHER_CREDENTIAL)]
    federated_token_variable: Option<String>,

    /// The command that prints another issuer's assertion: a program and its arguments, divided by
    /// white space and run without a shell
    #[arg(long, value_name = "COMMAND", group = OTHER_CREDENTIAL)]
    federated_token_command: Option<String>,

    /// Get another issuer's assertion from this URL: https, or http to an address of this machine
    /// or of the local link
    #[arg(long, value_name = "URL", group = OTHER_CREDENTIAL)]
    federated_token_url: Option<String>,

    #[command(flatten)]
    exchange: ExchangeSettings,
}

/// The options for the request to the URL of the assertions.
#[derive(Args)]
struct ExchangeSettings {
    /// With --federated-token-url: the file with a header of the request as "Name: value", which
    /// may hold a secret
    #[arg(long, value_name = "FILE", requires = "federated_token_url")]
    federated_token_header_file: Option<PathBuf>,

    /// With --federated-token-url: the place of the assertion in a JSON response, such as /value (a
    /// JSON pointer) [default: the response is the assertion]
    #[arg(long, value_name = "POINTER", requires = "federated_token_url")]
    federated_token_pointer: Option<String>,

    /// With --federated-token-url: the query parameter for the audience of the assertion
    #[arg(long, value_name = "NAME", requires = "federated_token_url")]
    federated_token_audience_parameter: Option<String>,
}

impl FederatedSettings {
    /// Returns the name and the value of the option that is given.
    pub(super) fn given(&self) -> Option<(&'static str, String)> {
        let file = self.federated_token_file.as_ref();
        let options = [
            (FILE, file.map(|file| file.to_string_lossy().into_owned())),
            ("federated_source", self.federated_source.map(SourceName::name)),
            ("federated_token_variable", self.federated_token_variable.clone()),
            ("federated_token_command", self.federated_token_command.clone()),
            ("federated_token_url", self.federated_token_url.clone()),
        ];
        options.into_iter().find_map(|(name, value)| Some((name, value?)))
    }

    /// Returns the option that is given, as users write it.
    pub(super) fn option(&self) -> Option<String> {
        let (name, _) = self.given()?;
        Some(format!("--{}", name.replace('_', "-")))
    }

    /// Returns true if the assertion is the token of a managed identity.
    pub(super) fn is_managed_identity(&self) -> bool {
        self.federated_source == Some(SourceName::ManagedIdentity)
    }

    /// Returns the file with the assertion.
    pub(super) fn file(&self) -> Option<&Path> {
        self.federated_token_file.as_deref()
    }

    /// Returns the other source of the assertion, if an option names one.
    ///
    /// # Errors
    /// Returns an error if the source is invalid, or if a variable or a file of it is.
    pub(super) fn source(
        &self,
        identity: impl FnOnce() -> Result<Identity, Failure>,
    ) -> Result<Option<(FederatedSource, Source)>, Failure> {
        let given = self.given().filter(|(name, _)| *name != FILE);
        let (Some((_, value)), Some(option)) = (given, self.option()) else {
            return Ok(None);
        };
        // An empty variable of a script must not choose another credential.
        if value.trim().is_empty() {
            return Err(
                Failure::text(Exit::Usage, format!("{option} is empty")).hint("give a value, or omit the option")
            );
        }
        let source = if let Some(name) = self.federated_source {
            FederatedSource::read(name, identity)?
        } else if self.federated_token_variable.is_some() {
            FederatedSource::Variable(AssertionVariable::new(value.trim()))
        } else if self.federated_token_command.is_some() {
            FederatedSource::command(&value)
        } else {
            FederatedSource::Http(Box::new(self.exchange.source(value.trim())?))
        };
        Ok(Some((source, Source::Flag(option))))
    }

    /// Returns the variables with a secret of the source, or with the assertion.
    pub(super) fn secret_variables(&self) -> impl Iterator<Item = &str> {
        let of_source = match self.federated_source {
            Some(SourceName::GithubActions) => Some("ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
            Some(SourceName::AzurePipelines) => Some("SYSTEM_ACCESSTOKEN"),
            Some(SourceName::ManagedIdentity) | None => None,
        };
        of_source.into_iter().chain(given(&self.federated_token_variable))
    }
}

impl ExchangeSettings {
    /// Returns the source at this URL.
    fn source(&self, url: &str) -> Result<HttpSource, Failure> {
        let failed = |error| Failure::new(Exit::Credential, error);
        let mut source = HttpSource::new(url).map_err(failed)?;
        if let Some(name) = given(&self.federated_token_audience_parameter) {
            source = source.with_audience_parameter(name);
        }
        if let Some(pointer) = &self.federated_token_pointer {
            source = source.with_pointer(pointer).map_err(failed)?;
        }
        if let Some(path) = &self.federated_token_header_file {
            reject_contents(path, Exit::Credential)?;
            if path.as_os_str() == "-" {
                return Err(Failure::text(
                    Exit::Usage,
                    "--federated-token-header-file cannot be standard input, since each request reads the assertion again",
                )
                .hint("write the header to a file that only you can read"));
            }
            let line = read_text(path, "the header", MAX_HEADER, Exit::Credential)?;
            let (name, value) = line.split_once(':').ok_or_else(|| {
                let problem = format!("{}: not a header", name_of(path));
                Failure::text(Exit::Credential, problem).hint("write it as one line: Authorization: Bearer ...")
            })?;
            register_secret(value.trim());
            source = source.with_header(name.trim(), value.trim()).map_err(failed)?;
        }
        Ok(source)
    }
}

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
    fn name(self) -> String {
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
    // Boxed because it is much larger than the others.
    Http(Box<HttpSource>),
}

impl FederatedSource {
    /// Returns the source with this name, as the variables of the platform describe it.
    ///
    /// # Errors
    /// Returns an error if a variable of the platform is missing or invalid.
    fn read(name: SourceName, identity: impl FnOnce() -> Result<Identity, Failure>) -> Result<Self, Failure> {
        let lookup = |name: &str| std::env::var_os(name);
        let failed = |error| Failure::of(Exit::Credential, &error);
        Ok(match name {
            SourceName::GithubActions => Self::GitHubActions(GitHubActions::read(lookup).map_err(failed)?),
            SourceName::AzurePipelines => Self::AzurePipelines(AzurePipelines::read(lookup).map_err(failed)?),
            SourceName::ManagedIdentity => Self::ManagedIdentity(identity()?),
        })
    }

    /// Returns the source that prints an assertion when these words are run, without a shell.
    fn command(words: &str) -> Self {
        let mut words = words.split_whitespace();
        let program = Program::new(words.next().unwrap_or_default()).with_arguments(words);
        Self::Command(AssertionCommand::new(program))
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
            Self::Http(source) => source.name().to_owned(),
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
            Self::Http(source) => HttpSource::clone(source).into(),
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
            Self::Http(source) => exchanged(&**source, cloud, network),
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

/// The group of the credentials that exclude one another, and a certificate.
pub(super) const OTHER_CREDENTIAL: &str = "other_credential";

const FILE: &str = "federated_token_file";

/// The maximum length of a header, in bytes.
const MAX_HEADER: u64 = 16 * 1024;
