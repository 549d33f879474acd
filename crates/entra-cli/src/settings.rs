//! The settings that commands share: who asks, where, with which credential, and how to reach the service.

mod cloud;
mod credential;
mod network;
mod profiled;
mod project;

use std::path::{Path, PathBuf};

use clap::Args;
use entra_proto::endpoint::Region;
use entra_proto::environment::{CLIENT_CERTIFICATE_PASSWORD, CLIENT_SECRET};
use entra_proto::{Application, Authority, ClientCredential, ClientId, Cloud, EndpointVersion, Tenant};
use zeroize::Zeroizing;

pub(crate) use self::cloud::CloudSetting;
pub(crate) use self::credential::{CREDENTIALS, Chosen};
pub(crate) use self::network::NetworkSettings;
pub(crate) use self::profiled::text_of;
pub(crate) use self::project::{cloud_of, is_microsofts, is_of_project};
use crate::certificate::CertificateSettings;
use crate::environment;
use crate::exit::{Exit, Failure};
use crate::message::warn;
use crate::profile::ProfileSettings;
use crate::source::{Source, Traced};

/// Who asks, and where.
#[derive(Args)]
pub(crate) struct ApplicationSettings {
    #[command(flatten)]
    profile: ProfileSettings,

    /// The tenant: its id, or a domain such as contoso.onmicrosoft.com
    #[arg(long, env = "AZURE_TENANT_ID", hide_env_values = true, value_name = "TENANT")]
    tenant: Option<String>,

    /// The application (client) id
    #[arg(long, env = "AZURE_CLIENT_ID", hide_env_values = true, value_name = "GUID")]
    client_id: Option<String>,

    #[command(flatten)]
    cloud: CloudSetting,

    /// Read the client secret from this file, or from standard input if it is "-"; else it is taken from AZURE_CLIENT_SECRET
    #[arg(long, value_name = "FILE", conflicts_with_all = ["certificate", "certificate_key", "federated_token_file"])]
    secret_file: Option<PathBuf>,

    /// Where people look for it first. It only says where the secret belongs.
    #[arg(long, visible_alias = "client-secret", value_name = "SECRET", hide = true)]
    secret: Option<Zeroized>,

    #[command(flatten)]
    certificate: CertificateSettings,

    /// Read another issuer's assertion from this file (workload identity); else AZURE_FEDERATED_TOKEN_FILE names it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["certificate", "certificate_key"])]
    federated_token_file: Option<PathBuf>,

    /// Go through the endpoints of one Azure region, such as westeurope
    #[arg(long, value_name = "REGION")]
    region: Option<String>,

    /// Ask on the v1 endpoint (/oauth2/token, with resource) instead of v2 (/oauth2/v2.0/token, with scope)
    #[arg(long)]
    v1: bool,

    /// Ask on the v2 endpoint, which is the default, whatever a profile says
    #[arg(long, conflicts_with = "v1")]
    v2: bool,

    /// Say that the client can handle this, such as cp1 for claims challenges
    #[arg(long = "capability", value_name = "NAME")]
    capabilities: Vec<String>,
}

impl ApplicationSettings {
    pub(crate) fn application(&self) -> Result<Application, Failure> {
        self.refuse_secret_on_command_line()?;
        self.doubt_authority();
        let (tenant, client_id) = (self.tenant()?, self.client_id()?);
        let mut authority = Authority::new(self.cloud()?, tenant)?;
        if let Some(region) = self.region()? {
            authority = authority.with_region(region)?;
        }
        self.application_of(authority, client_id, self.credential()?)
    }

    /// The application in this tenant, for a person to sign in. Where it `may_be_public`, it is where no credential is set.
    pub(crate) fn application_in(&self, tenant: Tenant, may_be_public: bool) -> Result<Application, Failure> {
        let credential = match self.chosen_or_none()? {
            None if may_be_public => ClientCredential::Public,
            _ => self.credential()?,
        };
        self.for_person(tenant, credential)
    }

    /// The application in this tenant, for a user to sign in to: with its credential where one is set, unless it is `public`.
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
        settings.for_person(tenant, credential)
    }

    /// The application that a kept sign-in belongs to, with its credential unless it is `public`.
    pub(crate) fn application_of_account(
        traced: &Traced<Self>,
        authority: Authority,
        client_id: ClientId,
        public: bool,
    ) -> Result<Application, Failure> {
        let settings = &traced.settings;
        settings.refuse_region()?;
        settings.refuse_secret_on_command_line()?;
        if public {
            let given = CREDENTIAL_OPTIONS.iter().find_map(|name| match traced.source(name) {
                Source::Flag(flag) => Some(flag),
                _ => None,
            });
            return match given {
                None => settings.application_of(authority, client_id, ClientCredential::Public),
                Some(flag) => {
                    let problem = format!("{flag} is not used: the account belongs to {client_id} as a public client");
                    Err(Failure::text(Exit::Usage, problem)
                        .hint("leave it out, or sign in with the credential: give it to `entra login`"))
                }
            };
        }
        if !settings.is_of(&settings.chosen()?, client_id, authority.cloud())? {
            let problem = format!(
                "the variables or the profile hold the credential of another application or cloud than {client_id} at {}",
                authority.cloud().origin()
            );
            return Err(Failure::text(Exit::Credential, problem).hint(
                "name the application's own with --secret-file or --certificate, or set its AZURE_CLIENT_ID and AZURE_AUTHORITY_HOST",
            ));
        }
        settings.application_of(authority, client_id, settings.credential()?)
    }

    /// The application in its tenant, without a credential.
    pub(crate) fn public_application(&self) -> Result<Application, Failure> {
        self.refuse_secret_on_command_line()?;
        self.for_person(self.tenant()?, ClientCredential::Public)
    }

    fn refuse_region(&self) -> Result<(), Failure> {
        if self.region.is_none() {
            return Ok(());
        }
        Err(Failure::text(
            Exit::Usage,
            "--region is for an application's own tokens: users do not sign in through a region",
        )
        .hint("leave --region out"))
    }

    fn for_person(&self, tenant: Tenant, credential: ClientCredential) -> Result<Application, Failure> {
        self.refuse_region()?;
        self.doubt_authority();
        let authority = Authority::new(self.cloud()?, tenant)?;
        self.application_of(authority, self.client_id()?, credential)
    }

    /// Warns where the default authority is used and a variable looks as if another were meant.
    fn doubt_authority(&self) {
        let is_named = self
            .text(&self.cloud.authority_host, "authority_host")
            .is_ok_and(|host| host.is_some());
        if !is_named && let Some((problem, fix)) = authority_doubt() {
            warn(problem, fix);
        }
    }

    /// Refuses what shapes a request, where none is sent.
    pub(crate) fn refuse_request_options(&self) -> Result<(), Failure> {
        if self.region.is_none() && self.capabilities.is_empty() {
            return Ok(());
        }
        Err(Failure::text(
            Exit::Usage,
            "--region and --capability are for a token request, and have no part in an assertion",
        )
        .hint("leave them out"))
    }

    /// Where the secret is read from, if it is read from a file.
    pub(crate) fn secret_file(&self) -> Option<&Path> {
        self.secret_file.as_deref()
    }

    /// The application with this id and credential at this authority, and all else as it was set.
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

    /// The tenant, where one is named.
    pub(crate) fn tenant_if_given(&self) -> Result<Option<Tenant>, Failure> {
        let is_given = self.text(&self.tenant, "tenant")?.is_some();
        is_given.then(|| self.tenant()).transpose()
    }

    pub(crate) fn tenant(&self) -> Result<Tenant, Failure> {
        let tenant = self
            .text(&self.tenant, "tenant")?
            .ok_or_else(|| missing("tenant", "--tenant", "AZURE_TENANT_ID"))?;
        Ok(tenant.parse()?)
    }

    pub(crate) fn client_id(&self) -> Result<ClientId, Failure> {
        let client_id = self.text(&self.client_id, "client_id")?;
        let client_id = client_id.ok_or_else(|| missing("client id", "--client-id", "AZURE_CLIENT_ID"))?;
        Ok(client_id.parse()?)
    }

    pub(crate) fn cloud(&self) -> Result<Cloud, Failure> {
        self.checked_cloud()
    }

    pub(crate) fn region(&self) -> Result<Option<Region>, Failure> {
        Ok(self.text(&self.region, "region")?.map(str::parse).transpose()?)
    }

    pub(crate) fn version(&self) -> Result<EndpointVersion, Failure> {
        let is_v1 = self.v1 || (!self.v2 && self.text(&None, "endpoint")? == Some("v1"));
        Ok(if is_v1 {
            EndpointVersion::V1
        } else {
            EndpointVersion::V2
        })
    }
}

/// What a setting holds. One that is set to nothing is not set.
fn given(setting: &Option<String>) -> Option<&str> {
    setting.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

/// The failure for a setting that nothing supplies.
pub(crate) fn missing(what: &str, flag: &str, variable: &str) -> Failure {
    let why = why_unset(variable).unwrap_or_default();
    Failure::text(Exit::Configuration, format_args!("no {what}{why}")).hint(format!("give {flag}, or set {variable}"))
}

/// What makes the default authority look wrong, and what to do about it.
pub(crate) fn authority_doubt() -> Option<(String, &'static str)> {
    let other = environment::misspelt("AZURE_AUTHORITY_HOST")?;
    let problem = format!("{other} is set, which is not read, and the public cloud is used");
    Some((problem, "set AZURE_AUTHORITY_HOST where another cloud is meant"))
}

/// Why somebody may take a variable for set that is not.
fn why_unset(variable: &str) -> Option<String> {
    if let Some(other) = environment::misspelt(variable) {
        return Some(format!(": {other} is set, which is not read, and {variable} is not"));
    }
    environment::is_empty(variable).then(|| format!(": {variable} is set and empty"))
}

/// The variables that hold secrets: what runs under this command need not see them.
pub(crate) const SECRET_VARIABLES: [&str; 2] = [CLIENT_SECRET, CLIENT_CERTIFICATE_PASSWORD];

/// The cloud of this name or address.
pub(crate) fn cloud_at(host: &str) -> Result<Cloud, Failure> {
    Cloud::from_setting(host)
        .map_err(|error| Failure::from(error).hint("or name a cloud: public, usgovernment or china"))
}

/// A text that clap may keep, and that is overwritten when it is dropped.
#[derive(Clone)]
struct Zeroized(#[expect(dead_code, reason = "only ever overwritten")] Zeroizing<String>);

impl From<String> for Zeroized {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

/// The options that belong to a credential.
const CREDENTIAL_OPTIONS: [&str; 7] = [
    "secret_file",
    "certificate",
    "certificate_key",
    "certificate_password_file",
    "send_certificate_chain",
    "algorithm",
    "federated_token_file",
];
