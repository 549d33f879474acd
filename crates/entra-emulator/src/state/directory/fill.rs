//! Deterministic completion of a configuration, with validation of the given values.

use crate::Error;
use crate::certificate::Registered;
use crate::config::{
    Api, App, DelegatedPermission, FederatedCredential, Permission, Secret, Tenant, TokenVersion, User,
};
use crate::seed::{Generator, is_guid};
use crate::state::directory::names::first_label;
use crate::well_known::{self, GRAPH, MANAGED_DESKTOP, OFFICE_MANAGEMENT};

pub(super) fn tenants(seed: u64, mut tenants: Vec<Tenant>, least: u32) -> Result<Vec<Tenant>, Error> {
    if tenants.is_empty() {
        tenants.push(Tenant::new(DEFAULT_DOMAIN));
    }
    while tenants.len() < least as usize {
        tenants.push(Tenant::default());
    }
    for (at, tenant) in tenants.iter_mut().enumerate() {
        let mut generator = Generator::named(seed, &format!("tenant {at}"));
        fill_guid(&mut tenant.id, &mut generator, || format!("tenants[{at}].id"))?;
        if tenant.domain.is_empty() {
            tenant.domain = format!("tenant{at}.onmicrosoft.com");
        }
        if !tenant.domain.contains('.') || tenant.domain.contains(['/', ' ', '?', '#']) {
            return Err(Error::Config(format!(
                "tenants[{at}].domain is not a domain name, such as contoso.onmicrosoft.com"
            )));
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
        for (number, user) in users.iter_mut().enumerate() {
            fill_guid(&mut user.id, &mut generator, || {
                format!("tenants[{at}].users[{number}].id")
            })?;
            if user.user_principal_name.is_empty() {
                let first = user.display_name.split(' ').next().unwrap_or_default().to_lowercase();
                user.user_principal_name = format!("{first}@{}", tenant.domain);
            }
        }
    }
    unique(tenants.iter().map(|tenant| &tenant.id), "tenant id")?;
    unique(tenants.iter().map(|tenant| &tenant.domain), "domain")?;
    let users = || tenants.iter().flat_map(|tenant| tenant.users.iter().flatten());
    unique(users().map(|user| &user.id), "user id")?;
    unique(users().map(|user| &user.user_principal_name), "sign-in name")?;
    Ok(tenants)
}

pub(super) fn apps(
    seed: u64,
    mut apps: Vec<App>,
    own_apis: &[Api],
    federated_credentials: Vec<FederatedCredential>,
) -> Result<Vec<App>, Error> {
    if apps.is_empty() {
        let mut app = App {
            federated_credentials,
            ..App::new("daemon")
        };
        for (api, role) in DEFAULT_GRANTS {
            app = app.grant(*api, *role);
        }
        for (api, scope) in DEFAULT_SCOPES {
            app = app.request_scope(*api, *scope);
        }
        for uri in DEFAULT_REDIRECTS {
            app = app.redirect_uri(*uri);
        }
        for (api, role) in CONSENTED {
            app.granted.push(Permission::new(*api, *role));
        }
        for api in own_apis {
            let is_made_up = is_made_up(api);
            for role in &api.roles {
                if is_made_up {
                    app.granted.push(Permission::new(&api.app_id, role));
                } else {
                    app = app.grant(&api.app_id, role);
                }
            }
            for scope in api.all_scopes().filter(|_| !is_made_up) {
                app = app.request_scope(&api.app_id, scope);
            }
        }
        // A client for commands on a user's machine, which cannot protect a secret.
        let mut cli = App::new("cli").public_client().request_scope(GRAPH, "User.Read");
        let is_there = |known: &Api| !own_apis.iter().any(|api| replaces(api, known));
        for api in well_known::azure_services().into_iter().filter(is_there) {
            for scope in &api.scopes {
                let permission = DelegatedPermission::new(&api.app_id, scope);
                app.granted_scopes.push(permission.clone());
                cli.granted_scopes.push(permission);
            }
        }
        apps.extend([app, cli.redirect_uri("http://localhost")]);
    }
    for (at, app) in apps.iter_mut().enumerate() {
        let mut generator = Generator::named(seed, &format!("app {at}"));
        let place = |member: &str| format!("apps[{at}].{member}");
        fill_guid(&mut app.client_id, &mut generator, || place("client_id"))?;
        fill_guid(&mut app.object_id, &mut generator, || place("object_id"))?;
        fill_guid(&mut app.service_principal_id, &mut generator, || {
            place("service_principal_id")
        })?;
        if app.name.is_empty() {
            app.name = format!("app{at}");
        }
        let is_public = app.public_client || app.agent_of.is_some();
        let secrets = app
            .secrets
            .get_or_insert_with(|| if is_public { Vec::new() } else { vec![Secret::default()] });
        for (number, secret) in secrets.iter_mut().enumerate() {
            fill_guid(&mut secret.id, &mut generator, || {
                place(&format!("secrets[{number}].id"))
            })?;
            if secret.value.is_empty() {
                secret.value = generator.secret();
            }
        }
        for (number, credential) in app.key_credentials.iter_mut().enumerate() {
            fill_guid(&mut credential.key_id, &mut generator, || {
                place(&format!("key_credentials[{number}].key_id"))
            })?;
        }
        federated(app, &mut generator, place)?;
    }
    unique(apps.iter().map(|app| &app.client_id), "client id")?;
    Ok(apps)
}

/// Returns the app roles that the default managed identities hold.
pub(super) fn default_roles(own_apis: &[Api]) -> Vec<(String, String)> {
    let of_own = own_apis.iter().flat_map(|api| {
        let role = |role: &String| (api.app_id.clone(), role.clone());
        api.roles.iter().map(role)
    });
    let known = DEFAULT_GRANTS.iter().chain(CONSENTED);
    let known = known.map(|(api, role)| ((*api).to_owned(), (*role).to_owned()));
    known.chain(of_own).collect()
}

/// Completes an app's federated credentials and checks them.
fn federated(app: &mut App, generator: &mut Generator, place: impl Fn(&str) -> String) -> Result<(), Error> {
    let failed = |at: usize, member: &str, problem: &str| {
        let member = place(&format!("federated_credentials[{at}].{member}"));
        Err(Error::Config(format!("{member}: {problem}")))
    };
    let is_public = app.public_client;
    let mut names = std::collections::BTreeSet::new();
    let mut identities = std::collections::BTreeSet::new();
    for (at, credential) in app.federated_credentials.iter_mut().enumerate() {
        fill_guid(&mut credential.id, generator, || {
            place(&format!("federated_credentials[{at}].id"))
        })?;
        credential.complete(at);
        if let Err((member, problem)) = credential.check() {
            return failed(at, member, problem);
        }
        if at == MOST_FEDERATED {
            return failed(at, "name", "an application has at most 20 federated credentials");
        }
        if is_public {
            return failed(at, "name", "a public client cannot have a federated credential");
        }
        if !names.insert(credential.name.to_ascii_lowercase()) {
            return failed(at, "name", "it is given twice");
        }
        if let Some(subject) = &credential.subject
            && !identities.insert((credential.issuer.clone(), subject.clone()))
        {
            return failed(
                at,
                "subject",
                "there is another credential for this subject of the issuer",
            );
        }
    }
    Ok(())
}

/// Reads an app's certificates and completes their thumbprints.
pub(super) fn certificates(app: &mut App) -> Result<Vec<Registered>, Error> {
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

pub(super) fn apis(seed: u64, mut given: Vec<Api>) -> Result<(Vec<Api>, usize), Error> {
    if given.is_empty() {
        let mut api = Api {
            name: MADE_UP_API.to_owned(),
            ..Api::default()
        }
        .token_version(TokenVersion::V2);
        api.roles = well_known::owned(OWN_API_ROLES);
        api.scopes = well_known::owned(OWN_API_SCOPES);
        given.push(api);
    }
    for (at, api) in given.iter_mut().enumerate() {
        let mut generator = Generator::named(seed, &format!("api {at}"));
        fill_guid(&mut api.app_id, &mut generator, || format!("apis[{at}].app_id"))?;
        if api.identifiers.is_empty() {
            api.identifiers.push(format!("api://{}", api.app_id));
        }
        if api.name.is_empty() {
            api.name = format!("api{at}");
        }
        if let Some(bad) = api.identifiers.iter().position(|identifier| !is_identifier(identifier)) {
            return Err(Error::Config(format!(
                "apis[{at}].identifiers[{bad}] is not an identifier URI: it is empty or contains white space"
            )));
        }
        // A scope is the text after the last slash, and `.default` means all scopes.
        let is_scope = |name: &String| is_identifier(name) && !name.contains('/') && name != ".default";
        for (member, names, is_valid) in [
            (
                "roles",
                &api.roles,
                &(|name: &String| is_identifier(name)) as &dyn Fn(&String) -> bool,
            ),
            ("scopes", &api.scopes, &is_scope),
            ("admin_scopes", &api.admin_scopes, &is_scope),
        ] {
            if let Some(bad) = names.iter().position(|name| !is_valid(name)) {
                return Err(Error::Config(format!(
                    "apis[{at}].{member}[{bad}] is not a permission name: it is empty, contains white space, or is a scope \
                     with a slash or the name .default"
                )));
            }
        }
    }
    let mut apis = well_known::apis();
    apis.retain(|known| !given.iter().any(|api| replaces(api, known)));
    let own_api = apis.len();
    apis.append(&mut given);
    unique(apis.iter().map(|api| &api.app_id), "API app id")?;
    unique(apis.iter().flat_map(|api| &api.identifiers), "identifier URI")?;
    Ok((apis, own_api))
}

/// Returns whether a configured API replaces a well-known one: it has the same app ID, or it has
/// one of its identifiers and the emulator does not serve the well-known API.
fn replaces(api: &Api, known: &Api) -> bool {
    let is_named = |identifier: &String| known.identifiers.iter().any(|it| it.eq_ignore_ascii_case(identifier));
    api.app_id == known.app_id || (!well_known::is_served(known) && api.identifiers.iter().any(is_named))
}

/// Returns whether an API, with its gaps filled, is the default one that is added if none is
/// configured.
fn is_made_up(api: &Api) -> bool {
    api.name == MADE_UP_API && api.roles == OWN_API_ROLES
}

fn is_identifier(identifier: &str) -> bool {
    !identifier.is_empty()
        && !identifier
            .chars()
            .any(|character| character.is_whitespace() || character.is_control())
}

pub(super) fn fill_guid(id: &mut String, generator: &mut Generator, place: impl Fn() -> String) -> Result<(), Error> {
    // Always generated, so that a given identifier does not change the others.
    let derived = generator.guid();
    if id.is_empty() {
        *id = derived;
    } else if !is_guid(id) {
        // The value is not repeated, because it may be a misplaced secret.
        return Err(Error::Config(format!("{} is not a GUID", place())));
    }
    id.make_ascii_lowercase();
    Ok(())
}

pub(super) fn unique<'a>(values: impl Iterator<Item = &'a String>, what: &str) -> Result<(), Error> {
    let mut seen = std::collections::BTreeSet::new();
    for value in values {
        if !seen.insert(value.to_ascii_lowercase()) {
            return Err(Error::Config(format!("the {what} {value:?} is given twice")));
        }
    }
    Ok(())
}

/// The largest number of federated credentials of an app.
const MOST_FEDERATED: usize = 20;
const DEFAULT_DOMAIN: &str = "contoso.onmicrosoft.com";
const DEFAULT_USERS: &[&str] = &["Adele Vance", "Alex Wilber", "Megan Bowen"];
const MADE_UP_API: &str = "todo-list";
const OWN_API_ROLES: &[&str] = &["ToDoList.Read.All", "ToDoList.ReadWrite.All"];
const OWN_API_SCOPES: &[&str] = &["ToDoList.Read", "ToDoList.ReadWrite"];
/// Loopback addresses, which match every port.
const DEFAULT_REDIRECTS: &[&str] = &[
    "http://localhost",
    "http://localhost/callback",
    "http://localhost/myapp/",
    "http://127.0.0.1",
    "http://127.0.0.1/callback",
];
const DEFAULT_SCOPES: &[(&str, &str)] = &[(GRAPH, "User.Read"), (OFFICE_MANAGEMENT, "ActivityFeed.Read")];

/// Permissions that the default app has without requesting them, like those of the default API.
/// Tests of these APIs work at once, and the consent page shows only common permissions.
const CONSENTED: &[(&str, &str)] = &[
    (OFFICE_MANAGEMENT, "ServiceHealth.Read"),
    (MANAGED_DESKTOP, "MmdSupport.ReadWrite"),
];

const DEFAULT_GRANTS: &[(&str, &str)] = &[(GRAPH, "User.Read.All"), (OFFICE_MANAGEMENT, "ActivityFeed.Read")];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::state::directory::Directory;

    #[test]
    fn completion_is_deterministic() {
        let one = Directory::new(Config::default()).unwrap();
        let two = Directory::new(Config::default()).unwrap();
        assert_eq!(format!("{one:?}"), format!("{two:?}"));
        assert!(is_guid(&one.tenants[0].id));
    }

    #[test]
    fn given_identifier_does_not_change_others() {
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
    fn default_app_requests_only_well_known_permissions() {
        let directory = Directory::new(Config::default()).unwrap();
        let app = &directory.apps[0];
        let asked = app.requested.iter().map(|permission| permission.role.as_str());
        assert_eq!(asked.collect::<Vec<_>>(), ["User.Read.All", "ActivityFeed.Read"]);
        let asked = app.requested_scopes.iter().map(|permission| permission.scope.as_str());
        assert_eq!(asked.collect::<Vec<_>>(), ["User.Read", "ActivityFeed.Read"]);
        assert_eq!(app.granted.len(), 6, "tests of other APIs work without configuration");
    }
}
