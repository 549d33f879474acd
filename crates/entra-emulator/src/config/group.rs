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
/// let app = App::new("daemon").grant(Emulator::GRAPH, "GroupMember.Read.All");
/// let emulator = Emulator::builder().tenant(tenant).app(app).build();
/// let groups = emulator.tenants()[0].groups.as_deref().unwrap();
/// // Members are object IDs once the emulator is built.
/// assert_eq!(groups[1].members[0], groups[0].id);
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Group {
    /// Object id (GUID); derived from the seed when empty.
    pub id: String,
    /// Name.
    pub display_name: String,
    /// Description, if any.
    pub description: Option<String>,
    /// Mail alias; the letters and digits of the name when left out.
    pub mail_nickname: Option<String>,
    /// E-mail address; the mail alias at the domain for a Microsoft 365 group when left out, and none for a security group.
    pub mail: Option<String>,
    /// A Microsoft 365 group (`Unified`), which has an e-mail address. Otherwise it is a security group.
    pub microsoft_365: bool,
    /// Time at which the group was created.
    #[serde(deserialize_with = "crate::config::time::read")]
    pub created_date_time: Option<SystemTime>,
    /// Direct members: users by object id or sign-in name, groups of the tenant by object id or name, and applications by
    /// the object id of their service principal, client id or name. Object ids once the emulator is built.
    pub members: Vec<String>,
}

impl Group {
    /// A security group of that name.
    pub fn new(display_name: impl Into<String>) -> Self {
        Self {
            display_name: display_name.into(),
            ..Self::default()
        }
    }

    /// Sets the object id (GUID).
    pub fn id(self, id: impl Into<String>) -> Self {
        Self { id: id.into(), ..self }
    }

    /// Adds a member: see [`members`](Self::members).
    pub fn member(mut self, member: impl Into<String>) -> Self {
        self.members.push(member.into());
        self
    }

    /// Makes it a Microsoft 365 group.
    pub fn microsoft_365(self) -> Self {
        Self {
            microsoft_365: true,
            ..self
        }
    }
}
