//! Refusing configurations that contradict themselves.

use crate::Error;
use crate::authorize::redirect;
use crate::directory::Directory;

impl Directory {
    /// Every name a permission or restriction mentions has to exist: a typing error would weaken a test unseen.
    pub(super) fn check(&self) -> Result<(), Error> {
        for app in &self.apps {
            for permission in app.requested.iter().chain(&app.granted) {
                let Some(api) = self.api(&permission.api) else {
                    return Err(Error::Config(format!(
                        "app {:?} names an unknown API {:?}",
                        app.name, permission.api
                    )));
                };
                if !api.roles.contains(&permission.role) {
                    return Err(Error::Config(format!(
                        "app {:?} names the role {:?}, which the API {:?} does not define",
                        app.name, permission.role, permission.api
                    )));
                }
            }
            for permission in app.requested_scopes.iter().chain(&app.granted_scopes) {
                let Some(api) = self.api(&permission.api) else {
                    return Err(Error::Config(format!(
                        "app {:?} names an unknown API {:?}",
                        app.name, permission.api
                    )));
                };
                if !api.all_scopes().any(|scope| *scope == permission.scope) {
                    return Err(Error::Config(format!(
                        "app {:?} names the scope {:?}, which the API {:?} does not define",
                        app.name, permission.scope, permission.api
                    )));
                }
            }
            if let Some(bad) = app.redirect_uris.iter().find(|uri| !redirect::is_registrable(uri)) {
                return Err(Error::Config(format!(
                    "app {:?} has a redirect URI that cannot be one: {bad:?}",
                    app.name
                )));
            }
            if app.public_client && app.secrets.as_ref().is_some_and(|secrets| !secrets.is_empty()) {
                return Err(Error::Config(format!("app {:?} is public and has a secret", app.name)));
            }
            let consented = app.granted.iter().filter_map(|permission| permission.tenant.as_ref());
            let consented = consented.chain(app.granted_scopes.iter().filter_map(|scope| scope.tenant.as_ref()));
            if let Some(unknown) = app
                .tenants
                .iter()
                .chain(&app.home_tenant)
                .chain(consented)
                .find(|name| self.tenant(name).is_none())
            {
                return Err(Error::Config(format!(
                    "app {:?} names an unknown tenant {unknown:?}",
                    app.name
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Api, App, Config, Tenant, User};
    use crate::well_known::GRAPH;

    #[test]
    fn contradictions_are_refused() {
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
