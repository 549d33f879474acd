//! Validation of configurations: contradictions are rejected.

use crate::Error;
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
            for (list, permissions) in [("requested", &app.requested), ("granted", &app.granted)] {
                for (number, permission) in permissions.iter().enumerate() {
                    let api = self.api(&permission.api);
                    let defined = api.map(|api| api.roles.iter().collect());
                    check_permission(&permission.api, &permission.role, "role", defined)
                        .or_else(|problem| failed(&format!(".{list}[{number}]"), &problem))?;
                    self.check_tenant(permission.tenant.as_ref())
                        .or_else(|problem| failed(&format!(".{list}[{number}].tenant"), problem))?;
                }
            }
            for (list, permissions) in [
                ("requested_scopes", &app.requested_scopes),
                ("granted_scopes", &app.granted_scopes),
            ] {
                for (number, permission) in permissions.iter().enumerate() {
                    let api = self.api(&permission.api);
                    let defined = api.map(|api| api.all_scopes().collect());
                    check_permission(&permission.api, &permission.scope, "scope", defined)
                        .or_else(|problem| failed(&format!(".{list}[{number}]"), &problem))?;
                    self.check_tenant(permission.tenant.as_ref())
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
        Ok(())
    }

    fn check_tenant(&self, name: Option<&String>) -> Result<(), &'static str> {
        match name.is_none_or(|name| self.tenant(name).is_some()) {
            true => Ok(()),
            false => Err("no tenant has this ID or domain"),
        }
    }
}

fn check_permission(api: &str, name: &str, kind: &str, defined: Option<Vec<&String>>) -> Result<(), String> {
    let Some(defined) = defined else {
        return Err("no API has this identifier or app ID".to_owned());
    };
    if defined.iter().any(|known| *known == name) {
        return Ok(());
    }
    let known: Vec<&str> = defined.iter().map(|name| name.as_str()).take(MOST_NAMED).collect();
    let known = if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    };
    Err(format!(
        "the API {api:?} does not define this {kind}; it defines {known}"
    ))
}

/// The number of an API's permissions that an error lists.
const MOST_NAMED: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Api, App, Config, Tenant, User};
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
