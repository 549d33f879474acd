//! A tenant.

use serde::Deserialize;

use crate::config::{Group, ManagedDevice, User};

/// A directory.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Tenant {
    /// GUID; derived from the seed when empty.
    pub id: String,
    /// Verified domain, for example `contoso.onmicrosoft.com`; derived when empty.
    pub domain: String,
    /// What people call it; the domain's first label when empty.
    pub name: String,
    /// An external (customer) tenant: its issuer is on `ciamlogin.com`.
    pub external: bool,
    /// Who signs in, and whom Microsoft Graph lists; three made-up people when left out, the first an administrator.
    pub users: Option<Vec<User>>,
    /// Groups, which Microsoft Graph lists; two made-up ones when left out.
    pub groups: Option<Vec<Group>>,
    /// Devices that Microsoft Managed Desktop manages; one for each user when left out, the first with an open elevation
    /// request.
    pub managed_devices: Option<Vec<ManagedDevice>>,
}

impl Tenant {
    /// A workforce tenant with this domain.
    pub fn new(domain: impl Into<String>) -> Self {
        Self {
            domain: domain.into(),
            ..Self::default()
        }
    }

    /// Sets the directory's GUID.
    pub fn id(self, id: impl Into<String>) -> Self {
        Self { id: id.into(), ..self }
    }

    /// Makes it an external (customer) tenant, reached as `{subdomain}.ciamlogin.com` as well.
    pub fn external(self) -> Self {
        Self { external: true, ..self }
    }

    /// Adds a user. The first call replaces the made-up ones.
    pub fn user(mut self, user: User) -> Self {
        self.users.get_or_insert_default().push(user);
        self
    }

    /// Adds a group. The first call replaces the made-up ones.
    pub fn group(mut self, group: Group) -> Self {
        self.groups.get_or_insert_default().push(group);
        self
    }

    /// Adds a device that Microsoft Managed Desktop manages. The first call replaces the made-up ones.
    pub fn managed_device(mut self, device: ManagedDevice) -> Self {
        self.managed_devices.get_or_insert_default().push(device);
        self
    }
}
