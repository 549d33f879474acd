//! The groups of a tenant.

use std::time::SystemTime;

use serde::Deserialize;

/// A group of a tenant: a security group, or a Microsoft 365 group.
///
/// ```
/// use entra_emulator::{App, Emulator, Group, Tenant, User};
///
/// let tenant = Tenant::new("contoso.example")
///     .user(User::new("Adele Vance"))
///     .group(Group::new("Sales").member("adele@contoso.example"))
///     .group(Group::new("Everyone").member("Sales").member("daemon"));
/// let app = App::new("daemon")
///     .grant(Emulator::GRAPH, "GroupMember.Read.All");
/// let emulator = Emulator::builder().tenant(tenant).app(app).build();
/// let groups = emulator.tenants()[0].groups.as_deref().unwrap();
/// // In a built emulator, members are object IDs.
/// assert_eq!(groups[1].members[0], groups[0].id);
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Group {
    /// The object ID (GUID); derived from the seed when empty.
    pub id: String,
    /// The display name.
    pub display_name: String,
    /// The description, if any.
    pub description: Option<String>,
    /// The mail alias; the letters and digits of the name when left out.
    pub mail_nickname: Option<String>,
    /// The email address. When left out, a Microsoft 365 group has the mail alias at the domain,
    /// and a security group has none.
    pub mail: Option<String>,
    /// True for a Microsoft 365 group (`Unified`), which has an email address; false for a security
    /// group.
    pub microsoft_365: bool,
    /// The time at which the group was created.
    #[serde(deserialize_with = "crate::config::time::read")]
    pub created_date_time: Option<SystemTime>,
    /// The direct members: users by object ID or sign-in name, groups of the tenant by object ID or
    /// name, and applications by the object ID of their service principal, client ID or name. In a
    /// built emulator they are object IDs.
    pub members: Vec<String>,
}

impl Group {
    /// Returns a security group with this name.
    pub fn new(display_name: impl Into<String>) -> Self {
        Self {
            display_name: display_name.into(),
            ..Self::default()
        }
    }

    /// Sets the object ID (GUID).
    pub fn id(self, id: impl Into<String>) -> Self {
        Self { id: id.into(), ..self }
    }

    /// Adds a member: see [`members`](Self::members).
    pub fn member(mut self, member: impl Into<String>) -> Self {
        self.members.push(member.into());
        self
    }

    /// Makes the group a Microsoft 365 group.
    pub fn microsoft_365(self) -> Self {
        Self {
            microsoft_365: true,
            ..self
        }
    }
}
