//! The machine under a workload, with its managed identities.

use std::path::PathBuf;

use serde::Deserialize;

use crate::config::ManagedIdentity;

/// The machine on which the program under test seems to run: its managed identities and the
/// properties of the services that issue their tokens.
///
/// ```
/// use entra_emulator::{Emulator, Machine, ManagedIdentity};
///
/// let machine = Machine::new("web-1")
///     .region("westeurope")
///     .identity(ManagedIdentity::system_assigned());
/// let emulator = Emulator::builder().machine(machine).build();
/// let identity = &emulator.managed_identities()[0];
/// assert!(identity.resource_id.ends_with("/virtualMachines/web-1"));
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Machine {
    /// The name; `machine` when empty.
    pub name: String,
    /// The managed identities. When left out, there are a system-assigned and a user-assigned one,
    /// with permissions that include Graph's `User.Read.All` and every role of your APIs. An empty
    /// list means none.
    pub identities: Option<Vec<ManagedIdentity>>,
    /// The region in the instance metadata; `westeurope` when empty.
    pub region: String,
    /// The subscription in resource IDs, a GUID; derived from the seed when empty.
    pub subscription_id: String,
    /// The resource group in resource IDs; `emulator` when empty.
    pub resource_group: String,
    /// True if IMDS uses the only user-assigned identity for a request that names none, if there is
    /// no system-assigned one.
    pub implicit_identity: bool,
    /// The user of Cloud Shell, by object ID or sign-in name; the first user of the first tenant
    /// when left out.
    pub cloud_shell_user: Option<String>,
    /// True for an old agent of Azure Arc. It ignores the named identity, and always issues a token
    /// of the system-assigned one.
    pub arc_ignores_identity: bool,
    /// The folder for the key files of Azure Arc, such as `/var/opt/azcmagent/tokens`, which is the
    /// only one that most clients accept. It must exist. When left out, it is a temporary folder.
    pub arc_tokens: Option<PathBuf>,
    /// True if the version 2017-09-01 of App Service writes dates as on Windows.
    pub app_service_on_windows: bool,
}

impl Machine {
    /// Returns a machine with this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Adds a managed identity. The first call replaces the default ones.
    pub fn identity(mut self, identity: ManagedIdentity) -> Self {
        self.identities.get_or_insert_default().push(identity);
        self
    }

    /// Removes all managed identities, including the default ones.
    pub fn without_identities(self) -> Self {
        Self {
            identities: Some(Vec::new()),
            ..self
        }
    }

    /// Sets the region.
    pub fn region(self, region: impl Into<String>) -> Self {
        Self {
            region: region.into(),
            ..self
        }
    }

    /// Makes IMDS use the only user-assigned identity for a request that names none, if there is no
    /// system-assigned one.
    pub fn implicit_identity(self) -> Self {
        Self {
            implicit_identity: true,
            ..self
        }
    }

    /// Sets the user of Cloud Shell, by object ID or sign-in name.
    pub fn cloud_shell_user(self, user: impl Into<String>) -> Self {
        Self {
            cloud_shell_user: Some(user.into()),
            ..self
        }
    }

    /// Makes the agent of Azure Arc an old one, which ignores the named identity.
    pub fn arc_ignores_identity(self) -> Self {
        Self {
            arc_ignores_identity: true,
            ..self
        }
    }

    /// Sets the folder for the key files of Azure Arc.
    pub fn arc_tokens(self, folder: impl Into<PathBuf>) -> Self {
        Self {
            arc_tokens: Some(folder.into()),
            ..self
        }
    }

    /// Makes the version 2017-09-01 of App Service write dates as on Windows.
    pub fn app_service_on_windows(self) -> Self {
        Self {
            app_service_on_windows: true,
            ..self
        }
    }
}
