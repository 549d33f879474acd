//! The settings that commands share: the application, its tenant and cloud, its credential, and the
//! network.

mod agent;
mod chain;
mod cloud;
mod credential;
mod federated;
mod identity;
mod network;
mod profiled;
mod project;
mod region;

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use entra_proto::environment::{CLIENT_CERTIFICATE_PASSWORD, CLIENT_SECRET};
use entra_proto::{Application, Authority, ClientCredential, ClientId, Cloud, EndpointVersion, Tenant};
use zeroize::Zeroizing;

pub(crate) use self::agent::{Agent, AgentSettings};
pub(crate) use self::chain::{ChainPrincipal, ChainSettings};
pub(crate) use self::cloud::CloudSetting;
pub(crate) use self::credential::{CREDENTIALS, Chosen};
pub(crate) use self::federated::FederatedSource;
use self::federated::{FederatedSettings, OTHER_CREDENTIAL};
use self::identity::IdentitySettings;
pub(crate) use self::identity::{IdentityId, ManagedSettings, detected_identity, detection};
pub(crate) use self::network::NetworkSettings;
pub(crate) use self::profiled::text_of;
pub(crate) use self::project::{cloud_of, is_allowed_in_project, is_microsofts};
use crate::certificate::CertificateSettings;
use crate::environment;
use crate::exit::{Exit, Failure};
use crate::message::warn;
use crate::profile::ProfileSettings;
use crate::source::Traced;

/// The options for the application, its tenant and cloud, and its credential.
#[derive(Args)]
#[command(group(ArgGroup::new(OTHER_CREDENTIAL).conflicts_with_all(["certificate", "certificate_key"])))]
pub(crate) struct ApplicationSettings {
    #[command(flatten)]
    profile: ProfileSettings,

    /// The tenant: its ID, or a domain such as contoso.onmicrosoft.com
    #[arg(long, env = "AZURE_TENANT_ID", hide_env_values = true, value_name = "TENANT")]
    tenant: Option<String>,

    /// The application (client) ID
    #[arg(long, env = "AZURE_CLIENT_ID", hide_env_values = true, value_name = "GUID")]
    client_id: Option<String>,

    #[command(flatten)]
    cloud: CloudSetting,

    /// The file with the client secret, or "-" for standard input; otherwise the secret is read
    /// from AZURE_CLIENT_SECRET
    #[arg(long, value_name = "FILE", group = OTHER_CREDENTIAL)]
    secret_file: Option<PathBuf>,

    /// The option that users try first. Its error message names the safe ways.
    #[arg(long, visible_alias = "client-secret", value_name = "SECRET", hide = true)]
    secret: Option<Zeroized>,

    #[command(flatten)]
    certificate: CertificateSettings,

    #[command(flatten)]
    federated: FederatedSettings,

    #[command(flatten)]
    identity: IdentitySettings,

    /// Use the endpoints of one Azure region, such as westeurope; "auto" is the region of this
    /// machine, from REGION_NAME or the instance metadata service
    #[arg(long, value_name = "REGION")]
    region: Option<String>,

    /// Use the v1 endpoint (/oauth2/token, with resource) instead of v2 (/oauth2/v2.0/token, with
    /// scope)
    #[arg(long)]
    v1: bool,

    /// Use the v2 endpoint, which is the default, even if a profile sets v1
    #[arg(long, conflicts_with = "v1")]
    v2: bool,

    /// Declare a client capability, such as cp1 for claims challenges; may be repeated
    #[arg(long = "capability", value_name = "NAME")]
    capabilities: Vec<String>,

    /// True if the settings come from a table of a file: variables and the default profile belong
    /// to other applications.
    #[arg(skip)]
    is_of_file: bool,
}

impl ApplicationSettings {
    /// Declares that the settings come from a table of a file. Variables and the default profile
    /// are not used for them.
    pub(crate) fn use_no_variables(&mut self) {
        self.is_of_file = true;
        self.profile.is_only_named = true;
    }

    /// Returns the variables with the secrets of the credential, which other programs must not
    /// have.
    pub(crate) fn secret_variables(&self) -> Vec<String> {
        let all = SECRET_VARIABLES.into_iter().chain(self.federated.secret_variables());
        all.map(str::to_owned).collect()
    }

    /// Returns the ID in the options for a managed identity, or `None` for the system-assigned one.
    ///
    /// # Errors
    /// Returns an error if the ID is empty or invalid.
    pub(crate) fn identity_id(&self) -> Result<Option<IdentityId<'_>>, Failure> {
        self.identity.id()
    }

    /// Returns the application with its credential.
    ///
    /// # Errors
    /// Returns an error if a setting is missing or invalid, or the credential cannot be read.
    pub(crate) fn application(&self, network: &NetworkSettings) -> Result<Application, Failure> {
        self.reject_secret_on_command_line()?;
        self.reject_needless_identity()?;
        self.warn_of_doubtful_authority();
        let (tenant, client_id) = (self.tenant()?, self.client_id()?);
        let mut authority = Authority::new(self.cloud()?, tenant)?;
        let found = self.region(network)?;
        for warning in &found.warnings {
            region::warn_of(warning);
        }
        if let Some(region) = found.region {
            authority = authority.with_region(region)?;
        }
        self.application_of(authority, client_id, self.credential()?)
    }

    /// Returns the application in this tenant, for a user to sign in to. If it `may_be_public`, it
    /// is public unless a credential is set.
    pub(crate) fn application_in(&self, tenant: Tenant, may_be_public: bool) -> Result<Application, Failure> {
        let credential = match self.chosen_or_none()? {
            None if may_be_public => ClientCredential::Public,
            _ => self.credential()?,
        };
        self.for_user(tenant, credential)
    }

    /// Returns the application in this tenant, for a user to sign in to. It has a credential if one
    /// is set for it and it is not `public`.
    pub(crate) fn sign_in_application(
        traced: &Traced<Self>,
        tenant: Tenant,
        public: bool,
    ) -> Result<Application, Failure> {
        let settings = &traced.settings;
        let (client_id, cloud) = (settings.client_id()?, settings.cloud()?);
        let credential = match settings.chosen_or_none()? {
            _ if public => ClientCredential::Public,
            None => ClientCredential::Public,
            Some(chosen) if !settings.is_of(&chosen, client_id, &cloud)? => ClientCredential::Public,
            Some(_) => settings.credential()?,
        };
        settings.for_user(tenant, credential)
    }

    /// Returns the application of a stored account, with its credential unless it is `public`.
    ///
    /// # Errors
    /// Returns an error if an option names a credential for a public client, or if the credential
    /// belongs to another application or cloud.
    pub(crate) fn application_of_account(
        traced: &Traced<Self>,
        authority: Authority,
        client_id: ClientId,
        public: bool,
    ) -> Result<Application, Failure> {
        let settings = &traced.settings;
        settings.reject_region()?;
        settings.reject_secret_on_command_line()?;
        if public {
            let mut flags = traced.flags();
            return match flags.find(|(name, _)| !OF_ANY_CLIENT.contains(name)) {
                None => settings.application_of(authority, client_id, ClientCredential::Public),
                Some((_, flag)) => {
                    let problem = format!("{flag} has no effect: the user signed in to {client_id} as a public client");
                    Err(Failure::text(Exit::Usage, problem)
                        .hint("remove it, or sign in again with `entra login` and this credential"))
                }
            };
        }
        if !settings.is_of(&settings.chosen()?, client_id, authority.cloud())? {
            let problem = format!(
                "the credential in the variables or the profile does not belong to the application {client_id} at {}",
                authority.cloud().origin()
            );
            return Err(Failure::text(Exit::Credential, problem).hint(
                "give its credential with --secret-file or --certificate, or set its AZURE_CLIENT_ID and AZURE_AUTHORITY_HOST",
            ));
        }
        settings.application_of(authority, client_id, settings.credential()?)
    }

    /// Returns the application in its tenant, without a credential.
    ///
    /// # Errors
    /// Returns an error if a setting is missing or invalid.
    pub(crate) fn public_application(&self) -> Result<Application, Failure> {
        self.reject_secret_on_command_line()?;
        self.for_user(self.tenant()?, ClientCredential::Public)
    }

    fn reject_region(&self) -> Result<(), Failure> {
        if self.region.is_none() {
            return Ok(());
        }
        Err(Failure::text(
            Exit::Usage,
            "--region is only for app-only tokens: users cannot sign in through a region",
        )
        .hint("remove --region"))
    }

    fn for_user(&self, tenant: Tenant, credential: ClientCredential) -> Result<Application, Failure> {
        self.reject_region()?;
        self.warn_of_doubtful_authority();
        let authority = Authority::new(self.cloud()?, tenant)?;
        self.application_of(authority, self.client_id()?, credential)
    }

    /// Warns if the default authority is used although a misspelt variable names another.
    fn warn_of_doubtful_authority(&self) {
        let is_named = self
            .text(&self.cloud.authority_host, "authority_host")
            .is_ok_and(|host| host.is_some());
        if !is_named
            && !self.is_of_file
            && let Some((problem, fix)) = authority_doubt()
        {
            warn(problem, fix);
        }
    }

    /// Rejects options that only affect token requests, for commands that send no request.
    ///
    /// # Errors
    /// Returns an error if `--region` or `--capability` is set.
    pub(crate) fn reject_request_options(&self) -> Result<(), Failure> {
        if self.region.is_none() && self.capabilities.is_empty() {
            return Ok(());
        }
        Err(Failure::text(
            Exit::Usage,
            "--region and --capability only affect token requests, not an assertion",
        )
        .hint("remove them"))
    }

    /// Returns the path of the file with the client secret, if an option names one.
    pub(crate) fn secret_file(&self) -> Option<&Path> {
        self.secret_file.as_deref()
    }

    /// Returns an application with this ID and credential at this authority, and with the options
    /// for endpoint and capabilities.
    pub(crate) fn application_of(
        &self,
        authority: Authority,
        client_id: ClientId,
        credential: impl Into<ClientCredential>,
    ) -> Result<Application, Failure> {
        Ok(Application::new(authority, client_id, credential)
            .with_endpoint_version(self.version()?)
            .with_capabilities(&self.capabilities()?))
    }

    /// Returns the tenant, or `None` if it is not set.
    pub(crate) fn tenant_if_given(&self) -> Result<Option<Tenant>, Failure> {
        let is_given = self.text(&self.tenant, "tenant")?.is_some();
        is_given.then(|| self.tenant()).transpose()
    }

    /// Returns the tenant.
    pub(crate) fn tenant(&self) -> Result<Tenant, Failure> {
        let tenant = self
            .text(&self.tenant, "tenant")?
            .ok_or_else(|| self.missing("tenant", "--tenant", "AZURE_TENANT_ID"))?;
        Ok(tenant.parse()?)
    }

    /// Returns the application (client) ID.
    pub(crate) fn client_id(&self) -> Result<ClientId, Failure> {
        let client_id = self.text(&self.client_id, "client_id")?;
        let client_id = client_id.ok_or_else(|| self.missing("client ID", "--client-id", "AZURE_CLIENT_ID"))?;
        Ok(client_id.parse()?)
    }

    fn missing(&self, what: &str, flag: &str, variable: &str) -> Failure {
        if !self.is_of_file {
            return missing(what, flag, variable);
        }
        let key = flag.trim_start_matches('-').replace('-', "_");
        Failure::text(Exit::Configuration, format_args!("no {what}"))
            .hint(format!("write {key} = \"...\" in this table, or profile = \"NAME\""))
    }

    /// Returns the cloud.
    pub(crate) fn cloud(&self) -> Result<Cloud, Failure> {
        self.checked_cloud()
    }

    /// Returns the version of the token endpoint.
    pub(crate) fn version(&self) -> Result<EndpointVersion, Failure> {
        let is_v1 = self.v1 || (!self.v2 && self.text(&None, "endpoint")? == Some("v1"));
        Ok(if is_v1 {
            EndpointVersion::V1
        } else {
            EndpointVersion::V2
        })
    }
}

/// Returns the trimmed text of a setting. An empty one counts as unset.
fn given(setting: &Option<String>) -> Option<&str> {
    setting.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

/// Returns the failure for a missing setting.
pub(crate) fn missing(what: &str, flag: &str, variable: &str) -> Failure {
    let reason = reason_unset(variable).unwrap_or_default();
    Failure::text(Exit::Configuration, format_args!("no {what}{reason}"))
        .hint(format!("give {flag}, or set {variable}"))
}

/// Returns the reason to doubt the default authority, with a hint.
pub(crate) fn authority_doubt() -> Option<(String, &'static str)> {
    let other = environment::misspelt("AZURE_AUTHORITY_HOST")?;
    let problem = format!("{other} is set but never read, and the public cloud is used");
    Some((problem, "set AZURE_AUTHORITY_HOST if you mean another cloud"))
}

/// Returns the reason why a variable is unset although it looks set to the user.
fn reason_unset(variable: &str) -> Option<String> {
    if let Some(other) = environment::misspelt(variable) {
        return Some(format!(": {other} is set but never read, and {variable} is not set"));
    }
    environment::is_empty(variable).then(|| format!(": {variable} is set and empty"))
}

/// The variables with secrets, which are removed from the environment of child processes.
pub(crate) const SECRET_VARIABLES: [&str; 2] = [CLIENT_SECRET, CLIENT_CERTIFICATE_PASSWORD];

/// Returns the cloud with this name or address.
pub(crate) fn cloud_at(host: &str) -> Result<Cloud, Failure> {
    Cloud::from_setting(host)
        .map_err(|error| Failure::from(error).hint("or name a cloud: public, usgovernment or china"))
}

/// A text that clap can store, and that is overwritten when it is dropped.
#[derive(Clone)]
struct Zeroized(#[expect(dead_code, reason = "only ever overwritten")] Zeroizing<String>);

impl From<String> for Zeroized {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

/// The options that do not belong to a credential.
const OF_ANY_CLIENT: [&str; 8] = [
    "authority_host",
    "capabilities",
    "client_id",
    "profile",
    "region",
    "tenant",
    "v1",
    "v2",
];
