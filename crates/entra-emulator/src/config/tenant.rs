//! A tenant with its users, groups and devices.

use serde::Deserialize;

use crate::config::{Group, ManagedDevice, User};

/// A tenant: one directory of users, groups and devices.
///
/// ```
/// use entra_emulator::{Emulator, Tenant, User};
///
/// let tenant = Tenant::new("contoso.example")
///     .user(User::new("Adele Vance").admin());
/// let emulator = Emulator::builder().tenant(tenant).build();
/// let users = emulator.tenants()[0].users.as_deref().unwrap();
/// assert_eq!(users[0].user_principal_name, "adele@contoso.example");
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Tenant {
    /// The tenant ID, a GUID; derived from the seed when empty.
    pub id: String,
    /// The verified domain, for example `contoso.onmicrosoft.com`; derived when empty.
    pub domain: String,
    /// The display name; the first label of the domain when empty.
    pub name: String,
    /// True for an external (customer) tenant, whose issuer is on `ciamlogin.com`.
    pub external: bool,
    /// The users who can sign in and whom Microsoft Graph lists. When left out, there are three
    /// generated users; the first is an administrator.
    pub users: Option<Vec<User>>,
    /// The groups that Microsoft Graph lists; two generated groups when left out.
    pub groups: Option<Vec<Group>>,
    /// The devices that Microsoft Managed Desktop manages. When left out, there is one for each
    /// user; the first has an open elevation request.
    pub managed_devices: Option<Vec<ManagedDevice>>,
}

impl Tenant {
    /// Returns a workforce tenant with this domain.
    pub fn new(domain: impl Into<String>) -> Self {
        Self {
            domain: domain.into(),
            ..Self::default()
        }
    }

    /// Sets the tenant ID (GUID).
    pub fn id(self, id: impl Into<String>) -> Self {
        Self { id: id.into(), ..self }
    }

    /// Makes the tenant external (a customer tenant), which is also available at
    /// `{subdomain}.ciamlogin.com`.
    pub fn external(self) -> Self {
        Self { external: true, ..self }
    }

    /// Adds a user. The first call replaces the generated users.
    pub fn user(mut self, user: User) -> Self {
        self.users.get_or_insert_default().push(user);
        self
    }

    /// Adds a group. The first call replaces the generated groups.
    pub fn group(mut self, group: Group) -> Self {
        self.groups.get_or_insert_default().push(group);
        self
    }

    /// Adds a device that Microsoft Managed Desktop manages. The first call replaces the generated
    /// devices.
    pub fn managed_device(mut self, device: ManagedDevice) -> Self {
        self.managed_devices.get_or_insert_default().push(device);
        self
    }
}
