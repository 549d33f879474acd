//! Completion and validation of the machine and its managed identities.

use std::fmt;
use std::path::Path;

use crate::Error;
use crate::config::{self, Api, App, ManagedIdentity, ManagedIdentitySource, Tenant, User};
use crate::seed::Generator;
use crate::state::directory::fill::{default_roles, fill_guid, unique};

/// The machine with its managed identities, complete.
pub(crate) struct Machine {
    pub(crate) config: config::Machine,
    /// The managed identities, the system-assigned one first.
    pub(crate) identities: Vec<ManagedIdentity>,
    /// The service principals of `identities`, in the same order, in the form that the rules for
    /// permissions and tokens take.
    principals: Vec<App>,
    /// The application in the tokens of Cloud Shell.
    pub(crate) portal: App,
    /// The secrets that the sources demand, in the order of [`ManagedIdentitySource::ALL`].
    secrets: Vec<String>,
}

impl Machine {
    pub(super) fn new(
        seed: u64,
        mut config: config::Machine,
        tenants: &[Tenant],
        own_apis: &[Api],
    ) -> Result<Self, Error> {
        let mut generator = Generator::named(seed, "machine");
        fill_guid(&mut config.subscription_id, &mut generator, || {
            "machine.subscription_id".to_owned()
        })?;
        for (value, member, default) in [
            (&mut config.name, "name", "machine"),
            (&mut config.region, "region", "westeurope"),
            (&mut config.resource_group, "resource_group", "emulator"),
        ] {
            if value.is_empty() {
                *value = default.to_owned();
            }
            if !is_name(value) {
                return Err(Error::Config(format!(
                    "machine.{member} is not a name: letters, digits, hyphens, dots, underscores and parentheses"
                )));
            }
        }
        if config.arc_tokens.as_ref().is_some_and(|folder| !is_folder(folder)) {
            return Err(Error::Config(
                "machine.arc_tokens is not an absolute path of printable ASCII characters".to_owned(),
            ));
        }
        let mut identities = config.identities.take().unwrap_or_else(|| default_identities(own_apis));
        for (at, identity) in identities.iter_mut().enumerate() {
            fill(seed, at, identity, &config, tenants)?;
        }
        unique(identities.iter().map(|identity| &identity.client_id), "client id")?;
        unique(identities.iter().map(|identity| &identity.object_id), "object id")?;
        unique(identities.iter().map(|identity| &identity.resource_id), "resource id")?;
        if identities.iter().filter(|identity| identity.system_assigned).count() > 1 {
            return Err(Error::Config(
                "machine.identities has two system-assigned identities; a machine has at most one".to_owned(),
            ));
        }
        identities.sort_by_key(|identity| !identity.system_assigned);
        let mut secrets = Generator::named(seed, "secrets of the machine");
        Ok(Self {
            principals: identities.iter().map(principal).collect(),
            identities,
            portal: App {
                client_id: PORTAL.to_owned(),
                public_client: true,
                ..App::new("Azure Portal")
            },
            secrets: ManagedIdentitySource::ALL.iter().map(|_| secrets.opaque(43)).collect(),
            config,
        })
    }

    /// Iterates over the managed identities with their service principals.
    pub(crate) fn principals(&self) -> impl Iterator<Item = (&ManagedIdentity, &App)> {
        self.identities.iter().zip(&self.principals)
    }

    /// Returns the service principal with this name or client ID.
    pub(super) fn principal_named(&self, name: &str) -> Option<&App> {
        let named = self.principals.iter().find(|app| app.name == name);
        let mut all = self.principals.iter();
        named.or_else(|| all.find(|app| app.client_id.eq_ignore_ascii_case(name)))
    }

    /// Returns the secret that a source demands.
    pub(crate) fn secret(&self, source: ManagedIdentitySource) -> &str {
        let at = ManagedIdentitySource::ALL.iter().position(|known| *known == source);
        at.and_then(|at| self.secrets.get(at)).map_or("", String::as_str)
    }

    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().map(String::as_str)
    }

    /// Returns the resource ID of the machine.
    pub(crate) fn resource_id(&self) -> String {
        resource_id(&self.config, "Microsoft.Compute/virtualMachines", &self.config.name)
    }

    /// Returns the user of Cloud Shell with the tenant.
    pub(crate) fn shell_user<'a>(&self, tenants: &'a [Tenant]) -> Option<(&'a Tenant, &'a User)> {
        let named = self.config.cloud_shell_user.as_deref();
        let is_named = |user: &User| {
            named.is_none_or(|name| {
                user.id.eq_ignore_ascii_case(name) || user.user_principal_name.eq_ignore_ascii_case(name)
            })
        };
        tenants.iter().find_map(|tenant| {
            let user = tenant.users.iter().flatten().find(|user| is_named(user))?;
            Some((tenant, user))
        })
    }
}

/// Shows no secrets.
impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("config", &self.config)
            .field("identities", &self.identities)
            .finish_non_exhaustive()
    }
}

fn default_identities(own_apis: &[Api]) -> Vec<ManagedIdentity> {
    let granted = |identity: ManagedIdentity| {
        default_roles(own_apis)
            .into_iter()
            .fold(identity, |identity, (api, role)| identity.grant(api, role))
    };
    vec![
        granted(ManagedIdentity::system_assigned()),
        granted(ManagedIdentity::user_assigned(DEFAULT_IDENTITY)),
    ]
}

fn fill(
    seed: u64,
    at: usize,
    identity: &mut ManagedIdentity,
    machine: &config::Machine,
    tenants: &[Tenant],
) -> Result<(), Error> {
    let mut generator = Generator::named(seed, &format!("managed identity {at}"));
    let place = |member: &str| format!("machine.identities[{at}].{member}");
    fill_guid(&mut identity.client_id, &mut generator, || place("client_id"))?;
    fill_guid(&mut identity.object_id, &mut generator, || place("object_id"))?;
    if identity.name.is_empty() {
        identity.name = if identity.system_assigned {
            machine.name.clone()
        } else {
            format!("identity{at}")
        };
    }
    if identity.resource_id.is_empty() {
        if !is_name(&identity.name) {
            return Err(Error::Config(format!(
                "{} is derived from the name, which is not a name of a resource; set it",
                place("resource_id")
            )));
        }
        let kind = if identity.system_assigned {
            "Microsoft.Compute/virtualMachines"
        } else {
            "Microsoft.ManagedIdentity/userAssignedIdentities"
        };
        identity.resource_id = resource_id(machine, kind, &identity.name);
    }
    let is_path = |text: &str| text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_path(&identity.resource_id) {
        return Err(Error::Config(format!(
            "{} is not a resource ID, such as /subscriptions/...",
            place("resource_id")
        )));
    }
    let tenant = match &identity.tenant {
        Some(name) => tenants
            .iter()
            .find(|tenant| tenant.id.eq_ignore_ascii_case(name) || tenant.domain.eq_ignore_ascii_case(name)),
        None => tenants.first(),
    };
    // The value is not repeated, because it may be a misplaced secret.
    let tenant =
        tenant.ok_or_else(|| Error::Config(format!("{}: no tenant has this ID or domain", place("tenant"))))?;
    identity.tenant = Some(tenant.id.clone());
    Ok(())
}

fn resource_id(machine: &config::Machine, kind: &str, name: &str) -> String {
    format!(
        "/subscriptions/{}/resourcegroups/{}/providers/{kind}/{name}",
        machine.subscription_id, machine.resource_group
    )
}

fn principal(identity: &ManagedIdentity) -> App {
    App {
        client_id: identity.client_id.clone(),
        service_principal_id: identity.object_id.clone(),
        granted: identity.granted.clone(),
        home_tenant: identity.tenant.clone(),
        secrets: Some(Vec::new()),
        ..App::new(&identity.name)
    }
}

/// Returns true for a path that can be written into a header.
fn is_folder(folder: &Path) -> bool {
    let is_plain = |byte: u8| (0x20..0x7f).contains(&byte) && !b"\"=".contains(&byte);
    folder.is_absolute() && folder.to_str().is_some_and(|text| text.bytes().all(is_plain))
}

/// Returns true for a name that is safe in a path and in a header.
fn is_name(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-._()".contains(&byte);
    (1..=90).contains(&text.len()) && text.bytes().all(is_inner)
}

const DEFAULT_IDENTITY: &str = "workload";
/// The client ID of the Azure portal, which the tokens of Cloud Shell contain.
const PORTAL: &str = "c44b4083-3bb0-49c1-b47d-974e53cbdf3c";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::state::directory::Directory;
    use crate::well_known::GRAPH;

    fn directory(machine: config::Machine) -> Result<Directory, Error> {
        Directory::new(Config {
            machine,
            ..Config::default()
        })
    }

    #[test]
    fn contradictory_machines_are_rejected() {
        let user = ManagedIdentity::user_assigned;
        let system = ManagedIdentity::system_assigned;
        let guid = "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb";
        for (at, identities) in [
            vec![system(), system().resource_id("/x")],
            vec![user("a"), user("A")],
            vec![user("a").client_id(guid), user("b").client_id(guid)],
            vec![user("a").object_id(guid), user("b").object_id(guid)],
            vec![user("a").resource_id("/X"), user("b").resource_id("/x")],
            vec![user("a").resource_id("subscriptions/x")],
            vec![user("a").resource_id("/x\r\ny: z")],
            vec![user("two words")],
            vec![user("a").in_tenant("nowhere.example")],
            vec![user("a").client_id("x")],
            vec![user("a").grant(GRAPH, "Mail.Reed")],
            vec![user("a").grant("https://nowhere.example", "R")],
        ]
        .into_iter()
        .enumerate()
        {
            let machine = config::Machine {
                identities: Some(identities),
                ..config::Machine::default()
            };
            assert!(directory(machine).is_err(), "{at}");
        }
        assert!(directory(config::Machine::new("a\"b")).is_err());
        assert!(directory(config::Machine::new("a").region("../x")).is_err());
        assert!(directory(config::Machine::new("a").cloud_shell_user("unknown")).is_err());
        for folder in ["tokens", "", "/a=b", "/a\"b", "/a\r\nb", "/é"] {
            assert!(
                directory(config::Machine::new("a").arc_tokens(folder)).is_err(),
                "{folder}"
            );
        }
        assert!(directory(config::Machine::new("a").arc_tokens("/var/opt/azcmagent/tokens")).is_ok());
    }

    #[test]
    fn identity_and_application_never_share_a_client_id() {
        let guid = "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb";
        let machine = config::Machine::default().identity(ManagedIdentity::user_assigned("a").client_id(guid));
        let both = Config {
            apps: vec![App::new("a").client_id(guid)],
            machine,
            ..Config::default()
        };
        assert!(Directory::new(both).is_err());
    }

    #[test]
    fn sources_have_different_secrets() {
        let directory = directory(config::Machine::default()).unwrap();
        let secrets: std::collections::BTreeSet<&str> = directory.machine.secrets().collect();
        assert_eq!(secrets.len(), ManagedIdentitySource::ALL.len());
        assert!(secrets.iter().all(|secret| secret.len() == 43));
        let shown = format!("{directory:?}");
        assert!(!secrets.iter().any(|secret| shown.contains(secret)));
    }
}
