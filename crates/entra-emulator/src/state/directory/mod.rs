//! The completed configuration, against which requests are checked.

pub(crate) mod agents;
mod check;
mod fill;
mod index;
pub(crate) mod machine;
mod members;
mod names;
pub(crate) mod redirect_uri;

use crate::Error;
use crate::aadsts::Rejection;
use crate::certificate::Registered;
use crate::config::{Api, App, Config, Tenant, User};
use crate::state::consents::Kind;
use crate::state::directory::index::Index;
use crate::state::directory::machine::Machine;
use crate::well_known;

pub(crate) use crate::state::directory::names::ciam_subdomain;

/// Tenants, apps, APIs and managed identities, complete and consistent.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) apps: Vec<App>,
    pub(crate) apis: Vec<Api>,
    /// The positions in `tenants` by name. Neither changes after creation.
    index: Index,
    /// The certificates of each of `apps`.
    certificates: Vec<Vec<Registered>>,
    /// The position in `apis` of the first API that is not well known.
    pub(crate) own_api: usize,
    pub(crate) machine: Machine,
}

impl Directory {
    pub(crate) fn new(config: Config) -> Result<Self, Error> {
        let seed = config.seed;
        let mut tenants = fill::tenants(seed, config.tenants, config.tenant_count.unwrap_or(1))?;
        let (apis, own_api) = fill::apis(seed, config.apis)?;
        let own_apis = apis.get(own_api..).unwrap_or_default();
        let mut apps = fill::apps(seed, config.apps, own_apis, config.default_credentials)?;
        if let Some(first) = apps.first_mut() {
            first.key_credentials.extend(config.certificates);
        }
        agents::fill(&mut apps, &mut tenants)?;
        members::fill(seed, &mut tenants, &apps)?;
        let machine = Machine::new(seed, config.machine, &tenants, apis.get(own_api..).unwrap_or_default())?;
        let certificates = apps.iter_mut().map(fill::certificates).collect::<Result<_, _>>()?;
        let directory = Self {
            index: Index::of(&tenants),
            tenants,
            apps,
            apis,
            certificates,
            own_api,
            machine,
        };
        directory.check()?;
        Ok(directory)
    }

    /// Returns a tenant by GUID, domain, or the host name of an external tenant.
    pub(crate) fn tenant(&self, name: &str) -> Option<&Tenant> {
        self.tenants.get(self.index.position(name)?)
    }

    pub(crate) fn app(&self, client_id: &str) -> Option<&App> {
        self.apps
            .iter()
            .find(|app| app.client_id.eq_ignore_ascii_case(client_id))
    }

    /// Returns the app with this name or client ID.
    pub(crate) fn app_named(&self, name: &str) -> Option<&App> {
        let named = self.apps.iter().find(|app| app.name == name);
        named.or_else(|| self.app(name))
    }

    /// Returns the app, or the service principal of the managed identity, with this name or client
    /// ID.
    pub(crate) fn client_named(&self, name: &str) -> Option<&App> {
        self.app_named(name).or_else(|| self.machine.principal_named(name))
    }

    /// Returns the registered certificates of an app.
    pub(crate) fn certificates(&self, app: &App) -> &[Registered] {
        self.apps
            .iter()
            .position(|known| known.client_id == app.client_id)
            .and_then(|at| self.certificates.get(at))
            .map_or(&[], Vec::as_slice)
    }

    /// Returns the API that a resource names: by identifier URI (trailing slashes are ignored; the
    /// token's audience keeps the requested form), by app ID, by either of them after `spn:`, or as
    /// an Azure Storage account or a Key Vault.
    pub(crate) fn api(&self, resource: &str) -> Option<&Api> {
        let exact = |name: &str| {
            self.apis.iter().find(|api| {
                api.identifiers.iter().any(|identifier| identifier == name) || api.app_id.eq_ignore_ascii_case(name)
            })
        };
        let loose = |name: &str| {
            // The requested text is stored with every code and refresh token.
            let is_short = name.len() <= LONGEST_NAME;
            let same = |identifier: &String| identifier.trim_end_matches('/') == name.trim_end_matches('/');
            self.apis
                .iter()
                .find(|api| is_short && api.identifiers.iter().any(same))
        };
        exact(resource).or_else(|| loose(resource)).or_else(|| {
            let name = match resource.strip_prefix("spn:") {
                Some(name) => name,
                None => well_known::service_of(resource)?,
            };
            exact(name).or_else(|| loose(name))
        })
    }

    /// Returns the API as [`api`](Self::api) does, for a request in the tenant with this name.
    ///
    /// # Errors
    /// Returns AADSTS500011 if there is no such API.
    pub(crate) fn find_api(&self, resource: &str, tenant: &str) -> Result<&Api, Rejection> {
        let unknown = || Rejection::new(500011).with(resource).with(tenant);
        self.api(resource).ok_or_else(unknown)
    }

    /// Returns the app roles of `api` that the configuration grants to `app` in `tenant`, in the
    /// API's order.
    pub(crate) fn roles(&self, app: &App, api: &Api, tenant: &Tenant) -> Vec<String> {
        let is_granted = |role: &&String| self.is_granted(app, api, tenant, role, Kind::Application);
        api.roles.iter().filter(is_granted).cloned().collect()
    }

    /// Returns the scopes of `api` that the configuration grants for all users of `tenant`, in the
    /// API's order.
    pub(crate) fn scopes(&self, app: &App, api: &Api, tenant: &Tenant) -> Vec<String> {
        let is_granted = |scope: &&String| self.is_granted(app, api, tenant, scope, Kind::Delegated);
        api.all_scopes().filter(is_granted).cloned().collect()
    }

    /// Returns whether the configuration grants a permission of `api` in `tenant`. Delegated
    /// permissions must be granted for all users.
    pub(crate) fn is_granted(&self, app: &App, api: &Api, tenant: &Tenant, name: &str, kind: Kind) -> bool {
        match kind {
            Kind::Application => app.granted.iter().any(|granted| {
                granted.role == name && self.counts(app, &granted.api, granted.tenant.as_deref(), api, tenant)
            }),
            Kind::Delegated => app.granted_scopes.iter().any(|granted| {
                granted.scope == name && self.counts(app, &granted.api, granted.tenant.as_deref(), api, tenant)
            }),
        }
    }

    /// Returns whether a grant, for the named API in the named tenant or in all tenants, covers
    /// this API and tenant.
    fn counts(&self, app: &App, granted: &str, granted_in: Option<&str>, api: &Api, tenant: &Tenant) -> bool {
        let is_tenant = match granted_in {
            Some(name) => self.is(tenant, name),
            None => !app.multi_tenant || app.consented_everywhere || self.is_home(app, tenant),
        };
        is_tenant && self.api(granted).is_some_and(|named| named.app_id == api.app_id)
    }

    /// Returns whether the configuration alone makes the app present in a tenant.
    pub(crate) fn is_present(&self, app: &App, tenant: &Tenant) -> bool {
        if app.multi_tenant && app.consented_everywhere {
            return true;
        }
        let is_listed = app.tenants.iter().any(|name| self.is(tenant, name));
        if app.multi_tenant || app.home_tenant.is_some() {
            return is_listed || self.is_home(app, tenant);
        }
        app.tenants.is_empty() || is_listed
    }

    /// Returns whether the app can be used in a tenant after a user there consents to it.
    pub(crate) fn may_enter(&self, app: &App, tenant: &Tenant) -> bool {
        app.multi_tenant || self.is_present(app, tenant)
    }

    /// Returns the tenant in which an app is registered: by default, the first tenant.
    pub(crate) fn home(&self, app: &App) -> Option<&Tenant> {
        match &app.home_tenant {
            Some(name) => self.tenant(name),
            None => self.tenants.first(),
        }
    }

    /// Returns the tenant of an app if no path names one: its home tenant, or the first tenant that
    /// it may enter.
    pub(crate) fn default_tenant(&self, app: &App) -> Option<&Tenant> {
        let mut places = self.home(app).into_iter().chain(&self.tenants);
        places.find(|tenant| self.may_enter(app, tenant))
    }

    /// Returns a user by the object IDs of the tenant and the user.
    pub(crate) fn user(&self, tenant: &str, id: &str) -> Option<(&Tenant, &User)> {
        let tenant = self.tenant(tenant).filter(|known| known.id == tenant)?;
        let user = tenant.users.iter().flatten().find(|user| user.id == id)?;
        Some((tenant, user))
    }

    fn is_home(&self, app: &App, tenant: &Tenant) -> bool {
        self.home(app).is_some_and(|home| home.id == tenant.id)
    }

    fn is(&self, tenant: &Tenant, name: &str) -> bool {
        self.tenant(name).is_some_and(|named| named.id == tenant.id)
    }
}

const LONGEST_NAME: usize = 1_024;
