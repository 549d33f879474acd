//! Validation of configurations: contradictions are rejected.

use crate::Error;
use crate::config::Api;
use crate::state::consents::Kind;
use crate::state::directory::Directory;
use crate::state::directory::redirect_uri;

impl Directory {
    /// Checks that every name in a permission or restriction exists, because a typing error would
    /// silently weaken a test.
    ///
    /// # Errors
    /// Returns an error that names the member. It does not repeat unknown values, because they may
    /// be misplaced secrets.
    pub(super) fn check(&self) -> Result<(), Error> {
        for (at, app) in self.apps.iter().enumerate() {
            let failed = |member: &str, problem: &str| {
                let name = &app.name;
                Err(Error::Config(format!("apps[{at}]{member} ({name:?}): {problem}")))
            };
            let roles = [("requested", &app.requested), ("granted", &app.granted)].map(|(list, permissions)| {
                let named = permissions.iter().map(|one| (&one.api, &one.role, &one.tenant));
                (list, Kind::Application, named.collect::<Vec<_>>())
            });
            let scopes = [
                ("requested_scopes", &app.requested_scopes),
                ("granted_scopes", &app.granted_scopes),
            ]
            .map(|(list, permissions)| {
                let named = permissions.iter().map(|one| (&one.api, &one.scope, &one.tenant));
                (list, Kind::Delegated, named.collect::<Vec<_>>())
            });
            for (list, kind, permissions) in roles.into_iter().chain(scopes) {
                for (number, (api, name, tenant)) in permissions.into_iter().enumerate() {
                    check_permission(self.api(api), api, name, kind)
                        .or_else(|problem| failed(&format!(".{list}[{number}]"), &problem))?;
                    self.check_tenant(tenant.as_ref())
                        .or_else(|problem| failed(&format!(".{list}[{number}].tenant"), problem))?;
                }
            }
            if let Some(bad) = app
                .redirect_uris
                .iter()
                .position(|uri| !redirect_uri::is_registrable(uri))
            {
                return failed(
                    &format!(".redirect_uris[{bad}]"),
                    "not a valid redirect URI: it must be absolute, such as http://localhost/callback, without a fragment",
                );
            }
            if app.public_client && app.secrets.as_ref().is_some_and(|secrets| !secrets.is_empty()) {
                return failed("", "a public client cannot have a secret");
            }
            for (number, tenant) in app.tenants.iter().enumerate() {
                self.check_tenant(Some(tenant))
                    .or_else(|problem| failed(&format!(".tenants[{number}]"), problem))?;
            }
            self.check_tenant(app.home_tenant.as_ref())
                .or_else(|problem| failed(".home_tenant", problem))?;
        }
        self.check_machine()
    }

    fn check_machine(&self) -> Result<(), Error> {
        for identity in &self.machine.identities {
            let name = &identity.name;
            let failed = |problem: &str| Error::Config(format!("the managed identity {name:?}: {problem}"));
            for permission in &identity.granted {
                check_permission(
                    self.api(&permission.api),
                    &permission.api,
                    &permission.role,
                    Kind::Application,
                )
                .map_err(|problem| failed(&problem))?;
                self.check_tenant(permission.tenant.as_ref()).map_err(failed)?;
            }
            if self.app(&identity.client_id).is_some() {
                return Err(failed("an application has its client ID"));
            }
        }
        // The value is not repeated, because it may be a misplaced secret.
        let is_named = self.machine.config.cloud_shell_user.is_some();
        if is_named && self.machine.shell_user(&self.tenants).is_none() {
            return Err(Error::Config(
                "machine.cloud_shell_user: no user has this ID or sign-in name".to_owned(),
            ));
        }
        Ok(())
    }

    fn check_tenant(&self, name: Option<&String>) -> Result<(), &'static str> {
        match name.is_none_or(|name| self.tenant(name).is_some()) {
            true => Ok(()),
            false => Err("no tenant has this ID or domain"),
        }
    }
}

fn check_permission(api: Option<&Api>, api_name: &str, name: &str, kind: Kind) -> Result<(), String> {
    let Some(api) = api else {
        return Err("no API has this identifier or app ID".to_owned());
    };
    let (kind, defined): (_, Vec<&str>) = match kind {
        Kind::Application => ("role", api.roles.iter().map(String::as_str).collect()),
        Kind::Delegated => ("scope", api.all_scopes().map(String::as_str).collect()),
    };
    if defined.contains(&name) {
        return Ok(());
    }
    let listed = defined.get(..MOST_NAMED).unwrap_or(&defined).join(", ");
    let listed = if listed.is_empty() { "none" } else { &listed };
    Err(format!(
        "the API {api_name:?} does not define this {kind}; it defines {listed}"
    ))
}

/// The number of an API's permissions that an error lists.
const MOST_NAMED: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{App, Config, Tenant, User};
    use crate::well_known::GRAPH;

    #[test]
    fn contradictions_are_rejected() {
        let bad = [
            Config {
                tenants: vec![Tenant::new("a.example").id("x")],
                ..Config::default()
            },
            Config {
                tenants: vec![
                    Tenant::new("a.example"),
                    Tenant::new("A.example").user(User::new("Ann")),
                ],
                ..Config::default()
            },
            Config {
                apps: vec![App::new("a").grant("https://nowhere.example", "R")],
                ..Config::default()
            },
            Config {
                apps: vec![App::new("a").grant(GRAPH, "Mail.Reed")],
                ..Config::default()
            },
            Config {
                apps: vec![App::new("a").only_in("other.example")],
                ..Config::default()
            },
            Config {
                apps: vec![App::new("a").grant_scope(GRAPH, "Mail.Reed")],
                ..Config::default()
            },
            Config {
                apps: vec![App::new("a").redirect_uri("javascript:alert(1)")],
                ..Config::default()
            },
            Config {
                apps: vec![App::new("a").home("nowhere.example")],
                ..Config::default()
            },
            Config {
                apps: vec![App::new("a").public_client().secret("s")],
                ..Config::default()
            },
            Config {
                tenants: vec![
                    Tenant::new("a.example")
                        .user(User::new("Ann A"))
                        .user(User::new("Ann B")),
                ],
                ..Config::default()
            },
            Config {
                tenants: ["a.example", "b.example"]
                    .map(|domain| Tenant::new(domain).user(User::new("Ann").id("aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb")))
                    .to_vec(),
                ..Config::default()
            },
            Config {
                apis: vec![Api::new("api://x").scope("read write")],
                ..Config::default()
            },
            Config {
                apis: vec![Api::new("api://x").scope("read/all")],
                ..Config::default()
            },
            Config {
                apis: vec![Api::new("two words")],
                ..Config::default()
            },
            Config {
                apis: vec![Api::new(GRAPH)],
                ..Config::default()
            },
        ];
        for config in bad {
            assert!(Directory::new(config).is_err());
        }
    }
}
