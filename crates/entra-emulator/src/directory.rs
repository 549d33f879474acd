//! The configuration with every gap filled: what requests are judged against.

use crate::Error;
use crate::authorize::redirect;
use crate::certificate::Registered;
use crate::config::{Api, App, Config, Secret, Tenant, TokenVersion, User};
use crate::seed::{Generator, is_guid};
use crate::well_known::{self, GRAPH, MANAGED_DESKTOP, OFFICE_MANAGEMENT};

/// Tenants, apps and APIs, complete and consistent.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) apps: Vec<App>,
    pub(crate) apis: Vec<Api>,
    /// The certificates of each of `apps`.
    certificates: Vec<Vec<Registered>>,
    /// Where the API of the user's own stands in `apis`.
    pub(crate) own_api: usize,
}

impl Directory {
    pub(crate) fn new(config: Config) -> Result<Self, Error> {
        let seed = config.seed;
        let tenants = tenants(seed, config.tenants)?;
        let (apis, own_api) = apis(seed, config.apis)?;
        let mut apps = apps(seed, config.apps, apis.get(own_api..).unwrap_or_default())?;
        let certificates = apps.iter_mut().map(certificates).collect::<Result<_, _>>()?;
        let directory = Self {
            tenants,
            apps,
            apis,
            certificates,
            own_api,
        };
        directory.check()?;
        Ok(directory)
    }

    /// Finds a tenant by GUID, domain, or the host name an external tenant is reached under.
    pub(crate) fn tenant(&self, name: &str) -> Option<&Tenant> {
        self.tenants.iter().find(|tenant| {
            tenant.id.eq_ignore_ascii_case(name)
                || tenant.domain.eq_ignore_ascii_case(name)
                || ciam_subdomain(name).is_some_and(|sub| {
                    first_label(&tenant.domain).eq_ignore_ascii_case(sub) || tenant.id.eq_ignore_ascii_case(sub)
                })
        })
    }

    pub(crate) fn app(&self, client_id: &str) -> Option<&App> {
        self.apps
            .iter()
            .find(|app| app.client_id.eq_ignore_ascii_case(client_id))
    }

    /// The certificates an app is registered with.
    pub(crate) fn certificates(&self, app: &App) -> &[Registered] {
        self.apps
            .iter()
            .position(|known| known.client_id == app.client_id)
            .and_then(|at| self.certificates.get(at))
            .map_or(&[], Vec::as_slice)
    }

    /// Finds the API a resource names: an identifier URI (a slash at the end more or less does not matter, the token's
    /// audience follows what was asked), the app id, or either behind `spn:`.
    pub(crate) fn api(&self, resource: &str) -> Option<&Api> {
        let exact = |name: &str| {
            self.apis.iter().find(|api| {
                api.identifiers.iter().any(|identifier| identifier == name) || api.app_id.eq_ignore_ascii_case(name)
            })
        };
        let loose = |name: &str| {
            let name = name.trim_end_matches('/');
            self.apis.iter().find(|api| {
                api.identifiers
                    .iter()
                    .any(|identifier| identifier.trim_end_matches('/') == name)
            })
        };
        exact(resource).or_else(|| loose(resource)).or_else(|| {
            let name = resource.strip_prefix("spn:")?;
            exact(name).or_else(|| loose(name))
        })
    }

    /// The app roles of `api` that `app` holds in `tenant`, in the API's order.
    pub(crate) fn roles(&self, app: &App, api: &Api, tenant: &Tenant) -> Vec<String> {
        api.roles
            .iter()
            .filter(|role| {
                app.granted.iter().any(|granted| {
                    granted.role == **role && self.counts(app, &granted.api, granted.tenant.as_deref(), api, tenant)
                })
            })
            .cloned()
            .collect()
    }

    /// The scopes of `api` that were configured as consented to for all users of `tenant`, in the API's order.
    pub(crate) fn scopes(&self, app: &App, api: &Api, tenant: &Tenant) -> Vec<String> {
        api.all_scopes()
            .filter(|scope| {
                app.granted_scopes.iter().any(|granted| {
                    granted.scope == **scope && self.counts(app, &granted.api, granted.tenant.as_deref(), api, tenant)
                })
            })
            .cloned()
            .collect()
    }

    /// Whether a grant for the API of that name, in the tenant of that name or in all, is one for this API and tenant.
    fn counts(&self, app: &App, granted: &str, granted_in: Option<&str>, api: &Api, tenant: &Tenant) -> bool {
        let is_tenant = match granted_in {
            Some(name) => self.is(tenant, name),
            None => !app.multi_tenant || self.is_home(app, tenant),
        };
        is_tenant && self.api(granted).is_some_and(|named| named.app_id == api.app_id)
    }

    /// Whether the configuration alone makes the app present in a tenant.
    pub(crate) fn is_present(&self, app: &App, tenant: &Tenant) -> bool {
        let is_listed = app.tenants.iter().any(|name| self.is(tenant, name));
        if app.multi_tenant || app.home_tenant.is_some() {
            return is_listed || self.is_home(app, tenant);
        }
        app.tenants.is_empty() || is_listed
    }

    /// Whether the app could be used in a tenant once somebody there consented to it.
    pub(crate) fn may_enter(&self, app: &App, tenant: &Tenant) -> bool {
        app.multi_tenant || self.is_present(app, tenant)
    }

    /// The tenant an app is registered in: the first one, unless another is said.
    pub(crate) fn home(&self, app: &App) -> Option<&Tenant> {
        match &app.home_tenant {
            Some(name) => self.tenant(name),
            None => self.tenants.first(),
        }
    }

    /// A user by the tenant's and the user's object ids.
    pub(crate) fn user(&self, tenant: &str, id: &str) -> Option<(&Tenant, &User)> {
        let tenant = self.tenants.iter().find(|known| known.id == tenant)?;
        let user = tenant.users.iter().flatten().find(|user| user.id == id)?;
        Some((tenant, user))
    }

    fn is_home(&self, app: &App, tenant: &Tenant) -> bool {
        self.home(app).is_some_and(|home| home.id == tenant.id)
    }

    fn is(&self, tenant: &Tenant, name: &str) -> bool {
        self.tenant(name).is_some_and(|named| named.id == tenant.id)
    }

    /// Every name a permission or restriction mentions has to exist: a typing error would weaken a test unseen.
    fn check(&self) -> Result<(), Error> {
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

/// The `{sub}` of `{sub}.ciamlogin.com`.
pub(crate) fn ciam_subdomain(host: &str) -> Option<&str> {
    let at = host.len().checked_sub(CIAM_SUFFIX.len())?;
    let (sub, suffix) = (host.get(..at)?, host.get(at..)?);
    (suffix.eq_ignore_ascii_case(CIAM_SUFFIX) && !sub.is_empty() && !sub.contains('.')).then_some(sub)
}

fn first_label(domain: &str) -> &str {
    domain.split('.').next().unwrap_or(domain)
}

fn tenants(seed: u64, mut tenants: Vec<Tenant>) -> Result<Vec<Tenant>, Error> {
    if tenants.is_empty() {
        tenants.push(Tenant::new(DEFAULT_DOMAIN));
    }
    for (at, tenant) in tenants.iter_mut().enumerate() {
        let mut generator = Generator::named(seed, &format!("tenant {at}"));
        fill_guid(&mut tenant.id, &mut generator, "tenant id")?;
        if tenant.domain.is_empty() {
            tenant.domain = format!("tenant{at}.onmicrosoft.com");
        }
        if !tenant.domain.contains('.') || tenant.domain.contains(['/', ' ', '?', '#']) {
            return Err(Error::Config(format!("{:?} is no domain name", tenant.domain)));
        }
        if tenant.name.is_empty() {
            tenant.name = first_label(&tenant.domain).to_owned();
        }
        let is_made_up = tenant.users.is_none();
        let users = tenant
            .users
            .get_or_insert_with(|| DEFAULT_USERS.iter().map(|name| User::new(*name)).collect());
        if is_made_up && let Some(first) = users.first_mut() {
            first.admin = true;
        }
        for user in users {
            fill_guid(&mut user.id, &mut generator, "user id")?;
            if user.user_principal_name.is_empty() {
                let first = user.display_name.split(' ').next().unwrap_or_default().to_lowercase();
                user.user_principal_name = format!("{first}@{}", tenant.domain);
            }
        }
    }
    let users = || tenants.iter().flat_map(|tenant| tenant.users.iter().flatten());
    unique(users().map(|user| &user.id), "user id")?;
    unique(users().map(|user| &user.user_principal_name), "sign-in name")?;
    unique(tenants.iter().map(|tenant| &tenant.id), "tenant id")?;
    unique(tenants.iter().map(|tenant| &tenant.domain), "domain")?;
    Ok(tenants)
}

fn apps(seed: u64, mut apps: Vec<App>, own_apis: &[Api]) -> Result<Vec<App>, Error> {
    if apps.is_empty() {
        let mut app = App::new("daemon");
        for (api, role) in DEFAULT_GRANTS {
            app = app.grant(*api, *role);
        }
        for (api, scope) in DEFAULT_SCOPES {
            app = app.request_scope(*api, *scope);
        }
        for uri in DEFAULT_REDIRECTS {
            app = app.redirect_uri(*uri);
        }
        for api in own_apis {
            for role in &api.roles {
                app = app.grant(&api.app_id, role);
            }
            for scope in api.all_scopes() {
                app = app.request_scope(&api.app_id, scope);
            }
        }
        apps.push(app);
    }
    for (at, app) in apps.iter_mut().enumerate() {
        let mut generator = Generator::named(seed, &format!("app {at}"));
        fill_guid(&mut app.client_id, &mut generator, "client id")?;
        fill_guid(&mut app.object_id, &mut generator, "object id")?;
        fill_guid(&mut app.service_principal_id, &mut generator, "service principal id")?;
        if app.name.is_empty() {
            app.name = format!("app{at}");
        }
        let is_public = app.public_client;
        for secret in app
            .secrets
            .get_or_insert_with(|| if is_public { Vec::new() } else { vec![Secret::default()] })
        {
            fill_guid(&mut secret.id, &mut generator, "secret id")?;
            if secret.value.is_empty() {
                secret.value = generator.secret();
            }
        }
        for credential in &mut app.key_credentials {
            fill_guid(&mut credential.key_id, &mut generator, "key id")?;
        }
    }
    unique(apps.iter().map(|app| &app.client_id), "client id")?;
    Ok(apps)
}

/// Reads an app's certificates and fills in their thumbprints.
fn certificates(app: &mut App) -> Result<Vec<Registered>, Error> {
    let name = &app.name;
    let mut read: Vec<Registered> = Vec::new();
    for (at, credential) in app.key_credentials.iter_mut().enumerate() {
        let certificate = Registered::read(credential)
            .map_err(|what| Error::Config(format!("the key credential {at} of app {name:?} {what}")))?;
        if read.iter().any(|known| known.sha256 == certificate.sha256) {
            return Err(Error::Config(format!("app {name:?} has the same certificate twice")));
        }
        read.push(certificate);
    }
    Ok(read)
}

fn apis(seed: u64, mut given: Vec<Api>) -> Result<(Vec<Api>, usize), Error> {
    if given.is_empty() {
        let mut api = Api {
            name: "todo-list".to_owned(),
            ..Api::default()
        }
        .token_version(TokenVersion::V2);
        api.roles = well_known::owned(OWN_API_ROLES);
        api.scopes = well_known::owned(OWN_API_SCOPES);
        given.push(api);
    }
    for (at, api) in given.iter_mut().enumerate() {
        fill_guid(
            &mut api.app_id,
            &mut Generator::named(seed, &format!("api {at}")),
            "API app id",
        )?;
        if api.identifiers.is_empty() {
            api.identifiers.push(format!("api://{}", api.app_id));
        }
        if api.name.is_empty() {
            api.name = format!("api{at}");
        }
        if let Some(bad) = api.identifiers.iter().find(|identifier| !is_identifier(identifier)) {
            return Err(Error::Config(format!(
                "{bad:?} is no identifier URI: it is empty or holds white space"
            )));
        }
        // A scope is what stands behind the last slash, and `.default` means them all.
        let is_scope = |name: &String| is_identifier(name) && !name.contains('/') && name != ".default";
        let bad_scope = api.all_scopes().find(|name| !is_scope(name));
        if let Some(bad) = bad_scope.or_else(|| api.roles.iter().find(|name| !is_identifier(name))) {
            return Err(Error::Config(format!(
                "nobody could ask for a permission called {bad:?}"
            )));
        }
    }
    let mut apis = well_known::apis();
    apis.retain(|known| !given.iter().any(|api| api.app_id == known.app_id));
    let own_api = apis.len();
    apis.append(&mut given);
    unique(apis.iter().map(|api| &api.app_id), "API app id")?;
    unique(apis.iter().flat_map(|api| &api.identifiers), "identifier URI")?;
    Ok((apis, own_api))
}

fn is_identifier(identifier: &str) -> bool {
    !identifier.is_empty()
        && !identifier
            .chars()
            .any(|character| character.is_whitespace() || character.is_control())
}

fn fill_guid(id: &mut String, generator: &mut Generator, what: &str) -> Result<(), Error> {
    // Drawn in any case, so that naming one identifier leaves the others as they were.
    let derived = generator.guid();
    if id.is_empty() {
        *id = derived;
    } else if !is_guid(id) {
        return Err(Error::Config(format!("{what} {id:?} is no GUID")));
    }
    id.make_ascii_lowercase();
    Ok(())
}

fn unique<'a>(values: impl Iterator<Item = &'a String>, what: &str) -> Result<(), Error> {
    let mut seen = std::collections::BTreeSet::new();
    for value in values {
        if !seen.insert(value.to_ascii_lowercase()) {
            return Err(Error::Config(format!("the {what} {value:?} is given twice")));
        }
    }
    Ok(())
}

const CIAM_SUFFIX: &str = ".ciamlogin.com";
const DEFAULT_DOMAIN: &str = "contoso.onmicrosoft.com";
const DEFAULT_USERS: &[&str] = &["Adele Vance", "Alex Wilber", "Megan Bowen"];
const OWN_API_ROLES: &[&str] = &["ToDoList.Read.All", "ToDoList.ReadWrite.All"];
const OWN_API_SCOPES: &[&str] = &["ToDoList.Read", "ToDoList.ReadWrite"];
/// Loopback addresses, which stand for every port.
const DEFAULT_REDIRECTS: &[&str] = &[
    "http://localhost",
    "http://localhost/callback",
    "http://127.0.0.1",
    "http://127.0.0.1/callback",
];
const DEFAULT_SCOPES: &[(&str, &str)] = &[
    (GRAPH, "User.Read"),
    (OFFICE_MANAGEMENT, "ActivityFeed.Read"),
    (OFFICE_MANAGEMENT, "ServiceHealth.Read"),
];

const DEFAULT_GRANTS: &[(&str, &str)] = &[
    (GRAPH, "User.Read.All"),
    (OFFICE_MANAGEMENT, "ActivityFeed.Read"),
    (OFFICE_MANAGEMENT, "ServiceHealth.Read"),
    (MANAGED_DESKTOP, "MmdSupport.ReadWrite"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled_the_same_way_each_time() {
        let one = Directory::new(Config::default()).unwrap();
        let two = Directory::new(Config::default()).unwrap();
        assert_eq!(format!("{one:?}"), format!("{two:?}"));
        assert!(is_guid(&one.tenants[0].id));
    }

    #[test]
    fn naming_one_identifier_leaves_the_others_as_they_were() {
        let plain = Directory::new(Config {
            apps: vec![App::new("a")],
            ..Config::default()
        })
        .unwrap();
        let named = App::new("a").client_id("aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb");
        let named = Directory::new(Config {
            apps: vec![named],
            ..Config::default()
        })
        .unwrap();
        assert_eq!(plain.apps[0].object_id, named.apps[0].object_id);
    }

    #[test]
    fn contradictions_are_refused() {
        let bad = [
            Config {
                tenants: vec![Tenant::new("a.example").id("x")],
                ..Config::default()
            },
            Config {
                tenants: vec![Tenant::new("a.example"), Tenant::new("A.example")],
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

    #[test]
    fn customer_hosts_name_their_tenant() {
        assert_eq!(ciam_subdomain("contoso.CIAMlogin.com"), Some("contoso"));
        assert_eq!(ciam_subdomain("a.b.ciamlogin.com"), None);
        assert_eq!(ciam_subdomain(".ciamlogin.com"), None);
        assert_eq!(ciam_subdomain("é.com"), None);
    }
}
