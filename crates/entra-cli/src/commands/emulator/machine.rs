//! The options of managed identities for `entra emulator`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use entra_emulator::{Emulator, EmulatorBuilder, ManagedIdentitySource};

use crate::exit::{Exit, Failure};
use crate::files::name_of;
use crate::message::warn;
use crate::sanitize::escape;

#[derive(Args)]
pub(super) struct Machine {
    /// Be the platform under a workload without a secret: print the variables of this source of
    /// tokens for managed identities, in place of those of an application
    #[arg(long, value_name = "SOURCE", value_enum)]
    managed_identity: Option<Source>,

    /// Write the key files of Azure Arc to this folder, which must exist; most programs accept only
    /// /var/opt/azcmagent/tokens [default: a temporary folder]
    #[arg(long, value_name = "FOLDER")]
    arc_tokens: Option<PathBuf>,
}

/// The value of `--managed-identity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Source {
    /// The metadata service of virtual machines
    Imds,
    /// App Service, Functions and Container Apps
    AppService,
    /// App Service with the version 2017-09-01 only
    #[value(name = "app-service-2017")]
    AppService2017,
    /// Azure Machine Learning
    AzureMl,
    /// Cloud Shell, with tokens of its user
    CloudShell,
    /// Azure Arc
    Arc,
    /// Service Fabric, on a TLS port of its own
    ServiceFabric,
}

impl Source {
    fn source(self) -> ManagedIdentitySource {
        match self {
            Self::Imds => ManagedIdentitySource::Imds,
            Self::AppService => ManagedIdentitySource::AppService,
            Self::AppService2017 => ManagedIdentitySource::AppService2017,
            Self::AzureMl => ManagedIdentitySource::AzureMl,
            Self::CloudShell => ManagedIdentitySource::CloudShell,
            Self::Arc => ManagedIdentitySource::Arc,
            Self::ServiceFabric => ManagedIdentitySource::ServiceFabric,
        }
    }
}

impl Machine {
    /// Sets the source and the folder.
    ///
    /// # Errors
    /// Returns an error for a folder that does not exist.
    pub(super) fn apply(&self, mut builder: EmulatorBuilder) -> Result<EmulatorBuilder, Failure> {
        if self.managed_identity == Some(Source::ServiceFabric) {
            builder = builder.service_fabric();
        }
        let Some(folder) = &self.arc_tokens else {
            return Ok(builder);
        };
        let problem = match folder {
            folder if !folder.is_absolute() => "is not an absolute path",
            folder if !folder.is_dir() => "is not an existing folder",
            folder => return Ok(builder.arc_tokens(folder)),
        };
        let failure = Failure::text(Exit::Usage, format!("--arc-tokens: {} {problem}", name_of(folder)));
        Err(failure.hint("create a folder, such as /var/opt/azcmagent/tokens, and pass its path"))
    }

    /// Warns that programs reject the key files of Azure Arc in a temporary folder.
    pub(super) fn warn(&self) {
        if self.managed_identity == Some(Source::Arc) && self.arc_tokens.is_none() {
            warn(
                "most programs, entra included, reject key files of Azure Arc in a temporary folder",
                "create /var/opt/azcmagent/tokens, and pass it to --arc-tokens",
            );
        }
    }

    /// Returns the variables of the chosen source, if there is one.
    pub(super) fn variables(&self, emulator: &Emulator) -> Option<Vec<(&'static str, String)>> {
        let source = self.managed_identity?.source();
        let mut variables = emulator.managed_identity_environment(source);
        // Some programs reject an address without TLS, even if they do not use it.
        if let Some(url) = emulator.tls_url() {
            variables.push(("AZURE_AUTHORITY_HOST", url.to_owned()));
        }
        Some(variables)
    }

    /// Returns the variables that must not be set beside those of a source, because programs would
    /// find another credential by them.
    pub(super) fn unset(&self, set: &[(&'static str, String)]) -> Vec<&'static str> {
        let is_set = |name: &str| set.iter().any(|(known, _)| *known == name);
        match self.managed_identity {
            Some(_) => OTHERS.iter().copied().filter(|name| !is_set(name)).collect(),
            None => Vec::new(),
        }
    }
}

/// Adds the managed identities as comments.
pub(super) fn describe(text: &mut String, emulator: &Emulator) {
    for identity in emulator.managed_identities() {
        let kind = if identity.system_assigned {
            " (system-assigned)"
        } else {
            ""
        };
        let _ = write!(
            text,
            "\n# managed identity {}{kind}: client ID {}, object ID {}",
            escape(&identity.name),
            escape(&identity.client_id),
            escape(&identity.object_id),
        );
    }
}

/// The variables by which programs find a credential.
const OTHERS: &[&str] = &[
    "AZURE_AUTHORITY_HOST",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    "AZURE_TENANT_ID",
    "AZUREPS_HOST_ENVIRONMENT",
    "DEFAULT_IDENTITY_CLIENT_ID",
    "IDENTITY_API_VERSION",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "IDENTITY_SERVER_THUMBPRINT",
    "IMDS_ENDPOINT",
    "MSI_ENDPOINT",
    "MSI_SECRET",
];
