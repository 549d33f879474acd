//! The managed identities of the machine, and the variables that point programs at their sources.

use crate::config::{ManagedIdentity, ManagedIdentitySource};
use crate::emulator::Emulator;

impl Emulator {
    /// Returns the managed identities of the machine, the system-assigned one first, with all
    /// missing values filled in.
    pub fn managed_identities(&self) -> &[ManagedIdentity] {
        &self.state.directory.machine.identities
    }

    /// Returns the managed identity with this name or client ID.
    pub fn managed_identity(&self, name: &str) -> Option<&ManagedIdentity> {
        let mut all = self.managed_identities().iter();
        all.clone()
            .find(|identity| identity.name == name)
            .or_else(|| all.find(|identity| identity.client_id.eq_ignore_ascii_case(name)))
    }

    /// Returns the environment variables with which a program finds a source: those that the
    /// platform sets. All other variables of other sources must be unset.
    ///
    /// ```
    /// use entra_emulator::{Emulator, ManagedIdentitySource};
    ///
    /// let emulator = Emulator::start();
    /// let source = ManagedIdentitySource::AppService;
    /// let variables = emulator.managed_identity_environment(source);
    /// let names: Vec<&str> = variables.iter().map(|(name, _)| *name).collect();
    /// assert_eq!(names, ["IDENTITY_ENDPOINT", "IDENTITY_HEADER"]);
    /// ```
    ///
    /// # Panics
    /// Panics for [`ManagedIdentitySource::ServiceFabric`] without
    /// [`EmulatorBuilder::service_fabric`](crate::EmulatorBuilder::service_fabric).
    pub fn managed_identity_environment(&self, source: ManagedIdentitySource) -> Vec<(&'static str, String)> {
        let endpoint = format!("{}{}", self.base_url(), source.path());
        let secret = self.state.directory.machine.secret(source).to_owned();
        match source {
            ManagedIdentitySource::Imds => vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST", self.base_url().to_owned())],
            ManagedIdentitySource::AppService => vec![("IDENTITY_ENDPOINT", endpoint), ("IDENTITY_HEADER", secret)],
            ManagedIdentitySource::AppService2017 => vec![("MSI_ENDPOINT", endpoint), ("MSI_SECRET", secret)],
            ManagedIdentitySource::AzureMl => {
                let mut variables = vec![("MSI_ENDPOINT", endpoint), ("MSI_SECRET", secret)];
                let default = self.managed_identities().first();
                let default = default.map(|identity| ("DEFAULT_IDENTITY_CLIENT_ID", identity.client_id.clone()));
                variables.extend(default);
                variables
            }
            ManagedIdentitySource::CloudShell => vec![
                ("MSI_ENDPOINT", endpoint),
                ("AZUREPS_HOST_ENVIRONMENT", "cloud-shell/1.0".to_owned()),
            ],
            ManagedIdentitySource::Arc => vec![
                ("IDENTITY_ENDPOINT", endpoint),
                ("IMDS_ENDPOINT", self.base_url().to_owned()),
            ],
            ManagedIdentitySource::ServiceFabric => {
                let fabric = self.server.as_ref().and_then(|server| server.fabric.as_ref());
                let fabric = fabric.expect("EmulatorBuilder::service_fabric opens the listener of Service Fabric");
                vec![
                    ("IDENTITY_ENDPOINT", format!("{}{}", fabric.url, source.path())),
                    ("IDENTITY_HEADER", secret),
                    ("IDENTITY_SERVER_THUMBPRINT", fabric.thumbprint.clone()),
                    ("IDENTITY_API_VERSION", "2019-07-01-preview".to_owned()),
                ]
            }
        }
    }

    /// Returns the certificate of the listener of Service Fabric in PEM, for a client that does not
    /// compare the thumbprint.
    pub fn service_fabric_pem(&self) -> Option<&str> {
        let fabric = self.server.as_ref().and_then(|server| server.fabric.as_ref());
        fabric.map(|fabric| fabric.pem.as_str())
    }
}
