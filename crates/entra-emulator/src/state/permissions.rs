//! The permissions of apps: the combination of the configuration and the consents.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use crate::aadsts::Rejection;
use crate::config::{Api, App, Tenant, User};
use crate::state::State;
use crate::state::consents::{ALL_USERS, Granted, Kind, RequestedPermission};

impl State {
    /// Returns whether an app has a service principal in a tenant.
    pub(crate) fn is_present(&self, app: &App, tenant: &Tenant) -> bool {
        let here = (app.client_id.clone(), tenant.id.clone());
        let state = self.consents.state();
        !state.withdrawn.contains(&here)
            && (self.directory.is_present(app, tenant) && !app.unprovisioned || state.present.contains(&here))
    }

    /// Removes the service principal of an app from a tenant, with all consents granted there.
    pub(crate) fn withdraw(&self, app: &App, tenant: &Tenant) {
        self.consents.changes.fetch_add(1, Ordering::Relaxed);
        let mut state = self.consents.state();
        let here = (app.client_id.clone(), tenant.id.clone());
        state
            .roles
            .retain(|[client_id, at, ..]| (client_id, at) != (&here.0, &here.1));
        state
            .scopes
            .retain(|[client_id, at, ..]| (client_id, at) != (&here.0, &here.1));
        state.present.remove(&here);
        state.withdrawn.insert(here);
    }

    /// Returns whether an app was removed from a tenant, which makes its earlier tokens invalid
    /// there.
    pub(crate) fn is_withdrawn(&self, client_id: &str, tenant: &str) -> bool {
        let state = self.consents.state();
        // The set is empty in almost all cases, and this check runs for each API request.
        !state.withdrawn.is_empty() && state.withdrawn.contains(&(client_id.to_owned(), tenant.to_owned()))
    }

    /// Returns the app roles of `api` that `app` holds in `tenant`, in the API's order.
    pub(crate) fn roles(&self, app: &App, api: &Api, tenant: &Tenant) -> Vec<String> {
        let configured = self.directory.roles(app, api, tenant);
        let state = self.consents.state();
        let is_consented = |role: &String| {
            let key = [&app.client_id, &tenant.id, &api.app_id, role].map(Clone::clone);
            configured.contains(role) || state.roles.contains(&key)
        };
        api.roles.iter().filter(|role| is_consented(role)).cloned().collect()
    }

    /// Returns the scopes of `api` that `app` may use on behalf of a user, in the API's order. An
    /// app may always use its own API.
    pub(crate) fn scopes(&self, app: &App, api: &Api, tenant: &Tenant, user: &User) -> Vec<String> {
        if app.client_id == api.app_id {
            return api.all_scopes().cloned().collect();
        }
        let configured = self.directory.scopes(app, api, tenant);
        let state = self.consents.state();
        let is_consented = |scope: &String| {
            let key = |user: &str| {
                let known = [&app.client_id, &tenant.id, &api.app_id, scope].map(Clone::clone);
                let [client_id, tenant, api, scope] = known;
                [client_id, tenant, api, scope, user.to_owned()]
            };
            configured.contains(scope)
                || [ALL_USERS, &user.id]
                    .iter()
                    .any(|user| state.scopes.contains(&key(user)))
        };
        api.all_scopes().filter(|scope| is_consented(scope)).cloned().collect()
    }

    /// Returns whether a permission is already granted.
    pub(crate) fn has(&self, app: &App, tenant: &Tenant, user: &User, asked: &RequestedPermission) -> bool {
        let Some(api) = self.directory.api(&asked.api) else {
            return false;
        };
        match asked.kind {
            Kind::Application => self.roles(app, api, tenant).contains(&asked.name),
            Kind::Delegated => self.scopes(app, api, tenant, user).contains(&asked.name),
        }
    }

    /// Records a consent. It creates the app's service principal in the tenant and grants these
    /// permissions, the delegated ones for one user or for all users.
    pub(crate) fn consent(&self, app: &App, tenant: &Tenant, user: Option<&User>, asked: &[RequestedPermission]) {
        self.consents.changes.fetch_add(1, Ordering::Relaxed);
        let mut state = self.consents.state();
        let here = (app.client_id.clone(), tenant.id.clone());
        state.withdrawn.remove(&here);
        state.present.insert(here);
        for one in asked {
            let known = [&app.client_id, &tenant.id, &one.api, &one.name].map(Clone::clone);
            match one.kind {
                Kind::Application => {
                    state.roles.insert(known);
                }
                Kind::Delegated => {
                    let [client_id, tenant, api, scope] = known;
                    let user = user.map_or(ALL_USERS, |user| &user.id).to_owned();
                    state.scopes.insert([client_id, tenant, api, scope, user]);
                }
            }
        }
    }

    /// Checks that an app may request an API at all: its registration lists the API, a consent
    /// covers it, or the API is the app's own.
    ///
    /// # Errors
    /// Returns AADSTS650057 if none of these is true.
    pub(crate) fn check_listed(&self, app: &App, api: &Api, tenant: &Tenant, user: &User) -> Result<(), Rejection> {
        let is_listed = self.registered(app).iter().any(|asked| asked.api == api.app_id)
            || !self.scopes(app, api, tenant, user).is_empty();
        is_listed.then_some(()).ok_or_else(|| Rejection::new(650057))
    }

    /// Returns every permission in an app's registration.
    pub(crate) fn registered(&self, app: &App) -> Vec<RequestedPermission> {
        let delegated = app.requested_scopes.iter().filter_map(|permission| {
            let api = self.directory.api(&permission.api)?;
            Some(delegated(api, &permission.scope))
        });
        let application = app
            .requested
            .iter()
            .filter_map(|permission| Some(application(self.directory.api(&permission.api)?, &permission.role)));
        let all: BTreeSet<RequestedPermission> = delegated.chain(application).collect();
        all.into_iter().collect()
    }
}

impl State {
    /// Returns every permission of an app: those in its registration, and those granted in
    /// addition.
    pub(crate) fn permissions(&self, app: &App) -> BTreeSet<RequestedPermission> {
        let mut all: BTreeSet<RequestedPermission> = self.registered(app).into_iter().collect();
        let roles = app.granted.iter().filter_map(|granted| {
            let api = self.directory.api(&granted.api)?;
            Some(application(api, &granted.role))
        });
        let scopes = app.granted_scopes.iter().filter_map(|granted| {
            let api = self.directory.api(&granted.api)?;
            Some(delegated(api, &granted.scope))
        });
        all.extend(roles.chain(scopes));
        let state = self.consents.state();
        for [client_id, _, api, role] in &state.roles {
            if *client_id == app.client_id
                && let Some(api) = self.directory.api(api)
            {
                all.insert(application(api, role));
            }
        }
        for [client_id, _, api, scope, _] in &state.scopes {
            if *client_id == app.client_id
                && let Some(api) = self.directory.api(api)
            {
                all.insert(delegated(api, scope));
            }
        }
        all
    }

    /// Returns the extent to which a permission of an app is granted in a tenant.
    pub(crate) fn granted(&self, app: &App, tenant: &Tenant, asked: &RequestedPermission) -> Granted {
        let Some(api) = self.directory.api(&asked.api) else {
            return Granted::No;
        };
        if self.directory.is_granted(app, api, tenant, &asked.name, asked.kind) {
            return Granted::ForAll;
        }
        let state = self.consents.state();
        let key = [&app.client_id, &tenant.id, &api.app_id, &asked.name].map(Clone::clone);
        match asked.kind {
            Kind::Application if state.roles.contains(&key) => Granted::ForAll,
            Kind::Application => Granted::No,
            Kind::Delegated => {
                let [client_id, tenant, api, scope] = key;
                let first = [client_id, tenant, api, scope, ALL_USERS.to_owned()];
                let same = |key: &&[String; 5]| key[..4] == first[..4];
                let users: Vec<&String> = state
                    .scopes
                    .range(first.clone()..)
                    .take_while(same)
                    .map(|key| &key[4])
                    .collect();
                match users.first() {
                    None => Granted::No,
                    Some(first) if *first == ALL_USERS => Granted::ForAll,
                    Some(_) => Granted::ByUsers(users.len()),
                }
            }
        }
    }
}

/// Returns an application permission as requested.
fn application(api: &Api, role: &str) -> RequestedPermission {
    RequestedPermission {
        api: api.app_id.clone(),
        name: role.to_owned(),
        kind: Kind::Application,
        admin_only: true,
    }
}

/// Returns a delegated permission of an API, by the API's name for it.
pub(crate) fn delegated(api: &Api, scope: &str) -> RequestedPermission {
    RequestedPermission {
        api: api.app_id.clone(),
        name: scope.to_owned(),
        kind: Kind::Delegated,
        admin_only: api.admin_scopes.iter().any(|admin| admin == scope),
    }
}
