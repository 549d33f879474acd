//! The sections about registrations: tenants, applications, APIs. Of credentials, only kinds and
//! dates are shown.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::SystemTime;

use crate::certificate::hex;
use crate::config::{Api, App, Tenant, TokenVersion};
use crate::html::escape;
use crate::landing::parts::{code, definitions, dim, list, more, table};
use crate::state::State;
use crate::state::consents::{Granted, Kind, RequestedPermission};
use crate::time::{rfc3339, unix};

pub(super) fn tenants(state: &State) -> String {
    let mut html = start("tenants", "Tenants");
    for tenant in state.directory.tenants.iter().take(MOST_TENANTS) {
        let kind = if tenant.external {
            "external (customers)"
        } else {
            "workforce"
        };
        let _ = writeln!(html, "<h3>{}</h3>", escape(&tenant.domain));
        html.push_str(&definitions(&[
            ("Tenant ID", code(&tenant.id)),
            ("Name", escape(&tenant.name)),
            ("Kind", escape(kind)),
        ]));
        html.push_str(&users(tenant));
        html.push_str(&groups(tenant));
        html.push_str(&devices(tenant));
    }
    html.push_str(&more(state.directory.tenants.len(), MOST_TENANTS, "tenants"));
    html.push_str("</section>\n");
    html
}

fn users(tenant: &Tenant) -> String {
    let users = tenant.users.as_deref().unwrap_or_default();
    if users.is_empty() {
        return "<p>This tenant has no users.</p>\n".to_owned();
    }
    let rows = users.iter().take(MOST_USERS).map(|user| {
        let role = match (user.is_enabled(), user.admin) {
            (false, _) => "disabled",
            _ if user.agent.is_some() => "user account of an agent identity",
            (true, true) => "administrator",
            (true, false) => "user",
        };
        [
            escape(&user.display_name),
            escape(&user.user_principal_name),
            escape(role),
            code(&user.id),
        ]
    });
    let caption = format!("Users of {}, who sign in without a password", tenant.domain);
    let columns = ["Name", "Sign-in name", "Role", "Object ID"];
    table("users", &caption, columns, &rows.collect::<Vec<_>>()) + &more(users.len(), MOST_USERS, "users")
}

fn groups(tenant: &Tenant) -> String {
    let groups = tenant.groups.as_deref().unwrap_or_default();
    if groups.is_empty() {
        return String::new();
    }
    let rows = groups.iter().take(MOST_GROUPS).map(|group| {
        let kind = if group.microsoft_365 {
            "Microsoft 365"
        } else {
            "security"
        };
        [
            escape(&group.display_name),
            escape(kind),
            group.members.len().to_string(),
            code(&group.id),
        ]
    });
    let caption = format!("Groups of {}", tenant.domain);
    let columns = ["Name", "Kind", "Members", "Object ID"];
    table("groups", &caption, columns, &rows.collect::<Vec<_>>()) + &more(groups.len(), MOST_GROUPS, "groups")
}

fn devices(tenant: &Tenant) -> String {
    let devices = tenant.managed_devices.as_deref().unwrap_or_default();
    if devices.is_empty() {
        return String::new();
    }
    let rows = devices.iter().take(MOST_DEVICES).map(|device| {
        let users = tenant.users.iter().flatten();
        let user = users
            .filter(|user| device.user.as_ref() == Some(&user.id))
            .map(|user| &user.user_principal_name);
        let state = if device.elevated { "open elevation request" } else { "" };
        [
            escape(&device.name),
            escape(device.model()),
            user.map(|user| escape(user)).next().unwrap_or_else(|| dim("no user")),
            escape(state),
        ]
    });
    let caption = format!("Devices of {} that Managed Desktop manages", tenant.domain);
    let columns = ["Name", "Model", "Assigned to", "State"];
    table("devices", &caption, columns, &rows.collect::<Vec<_>>()) + &more(devices.len(), MOST_DEVICES, "devices")
}

pub(super) fn applications(state: &State) -> String {
    let mut html = start("applications", "Applications");
    for app in state.directory.apps.iter().take(MOST_APPS) {
        let _ = writeln!(html, "<h3>{}</h3>", escape(&app.name));
        html.push_str(&definitions(&[
            ("Client ID", code(&app.client_id)),
            ("Object ID", code(&app.object_id)),
            ("Kind", kind_of(state, app)),
            ("Credentials", credentials(state, app)),
            ("Redirect URIs", list(app.redirect_uris.iter(), MOST_URIS)),
            ("Present in", presence(state, app)),
        ]));
        let requested = state.permissions(app);
        let permissions = permissions(state, app, &requested);
        if permissions.is_empty() {
            html.push_str("<p>This application requests no permissions, and none are granted.</p>\n");
        } else {
            let caption = format!("Permissions of {}", app.name);
            html.push_str(&table(
                "permissions",
                &caption,
                ["API", "Permission", "Kind", "State"],
                &permissions,
            ));
            html.push_str(&more(requested.len(), MOST_PERMISSIONS, "permissions"));
        }
    }
    html.push_str(&more(state.directory.apps.len(), MOST_APPS, "applications"));
    html.push_str("</section>\n");
    html
}

pub(super) fn managed_identities(state: &State) -> String {
    let machine = &state.directory.machine;
    let mut html = start("managed-identities", "Managed identities");
    for (identity, principal) in machine.principals().take(MOST_APPS) {
        let _ = writeln!(html, "<h3>{}</h3>", escape(&identity.name));
        let kind = match identity.system_assigned {
            true => "system-assigned: of the machine itself",
            false => "user-assigned",
        };
        html.push_str(&definitions(&[
            ("Client ID", code(&identity.client_id)),
            ("Object ID", code(&identity.object_id)),
            ("Resource ID", code(&identity.resource_id)),
            ("Kind", escape(kind)),
            ("Present in", presence(state, principal)),
        ]));
        let requested = state.permissions(principal);
        let permissions = permissions(state, principal, &requested);
        if permissions.is_empty() {
            html.push_str("<p>This identity has no permissions.</p>\n");
        } else {
            let caption = format!("Permissions of {}", identity.name);
            let columns = ["API", "Permission", "Kind", "State"];
            html.push_str(&table("permissions", &caption, columns, &permissions));
            html.push_str(&more(requested.len(), MOST_PERMISSIONS, "permissions"));
        }
    }
    if machine.identities.is_empty() {
        html.push_str("<p>The machine has no managed identities.</p>\n");
    }
    html.push_str(&more(machine.identities.len(), MOST_APPS, "managed identities"));
    html.push_str("</section>\n");
    html
}

pub(super) fn apis(state: &State) -> String {
    let mut html = start("apis", "APIs");
    let (known, own) = state.directory.apis.split_at(state.directory.own_api);
    let all = own.iter().chain(known);
    let rows: Vec<[String; 5]> = all.take(MOST_APIS).map(api).collect();
    html.push_str(&table(
        "apis",
        "APIs that tokens are issued for",
        [
            "API",
            "Identifiers",
            "Tokens",
            "Application permissions",
            "Delegated permissions",
        ],
        &rows,
    ));
    html.push_str(&more(state.directory.apis.len(), MOST_APIS, "APIs"));
    html.push_str("</section>\n");
    html
}

fn start(id: &str, title: &str) -> String {
    format!("<section id=\"{id}\" aria-labelledby=\"{id}-title\" data-live>\n<h2 id=\"{id}-title\">{title}</h2>\n")
}

fn api(api: &Api) -> [String; 5] {
    let version = match api.token_version {
        TokenVersion::V1 => "v1",
        TokenVersion::V2 => "v2",
    };
    [
        format!("{}<br>{}", escape(&api.name), dim(&api.app_id)),
        list(api.identifiers.iter(), MOST_NAMES),
        escape(version),
        list(api.roles.iter(), MOST_NAMES),
        list(api.all_scopes(), MOST_NAMES),
    ]
}

fn kind(app: &App) -> &'static str {
    match (app.disabled, app.public_client, app.multi_tenant) {
        (true, ..) => "disabled",
        _ if app.agent_of.is_some() => "agent identity",
        _ if app.blueprint => "blueprint of agent identities",
        (_, true, true) => "public client, multi-tenant",
        (_, true, false) => "public client",
        (_, false, true) => "multi-tenant",
        (_, false, false) => "confidential client",
    }
}

/// Renders the kind of an app, with the blueprint of an agent identity.
fn kind_of(state: &State, app: &App) -> String {
    let blueprint = app.agent_of.as_deref().and_then(|id| state.directory.app(id));
    match blueprint {
        Some(blueprint) => format!("{} of {}", escape(kind(app)), escape(&blueprint.name)),
        None => escape(kind(app)),
    }
}

/// Renders credentials by kind, with IDs, thumbprints and dates, and never the value of a secret.
fn credentials(state: &State, app: &App) -> String {
    let now = state.clock.now();
    let until = |end: Option<SystemTime>, is_valid: bool| match (end, is_valid) {
        (_, false) => "not valid now".to_owned(),
        (Some(end), true) => format!("until {}", rfc3339(unix(end))),
        (None, true) => "without an end".to_owned(),
    };
    let secrets = app.secrets.iter().flatten().map(|secret| {
        let valid = until(secret.end, secret.is_valid_at(now));
        format!("<li>secret {}, {}</li>", dim(&secret.id), escape(&valid))
    });
    let certificates = state.directory.certificates(app).iter().map(|certificate| {
        let valid = until(Some(certificate.end), certificate.is_valid_at(now));
        format!(
            "<li>certificate {}, {}</li>",
            dim(&hex(&certificate.sha1)),
            escape(&valid)
        )
    });
    let federated = app.federated_credentials.iter().map(|credential| {
        let matched = match (&credential.subject, &credential.claims_matching_expression) {
            (Some(subject), _) => subject,
            (None, Some(matching)) => &matching.value,
            (None, None) => "",
        };
        let audience = credential.audiences.first().map_or("", String::as_str);
        format!(
            "<li>federated credential {}: issuer {}, {}, audience {}</li>",
            escape(&credential.name),
            code(&credential.issuer),
            code(matched),
            code(audience)
        )
    });
    let all = secrets.chain(certificates).chain(federated);
    let all: Vec<String> = all.take(MOST_CREDENTIALS).collect();
    match all.as_slice() {
        [] => dim("none"),
        all => format!("<ul>{}</ul>", all.concat()),
    }
}

fn presence(state: &State, app: &App) -> String {
    let tenants = state.directory.tenants.iter().take(MOST_TENANTS);
    let domains: Vec<&String> = tenants
        .filter(|tenant| state.is_present(app, tenant))
        .map(|tenant| &tenant.domain)
        .collect();
    if domains.is_empty() {
        return dim("no tenant, until a user consents");
    }
    list(domains.into_iter(), MOST_TENANTS)
}

/// Returns the permissions that an application requests, and where they are granted.
fn permissions(state: &State, app: &App, requested: &BTreeSet<RequestedPermission>) -> Vec<[String; 4]> {
    let rows = requested.iter().take(MOST_PERMISSIONS).map(|requested| {
        let api = state.directory.api(&requested.api);
        let kind = match requested.kind {
            Kind::Application => "application",
            Kind::Delegated => "delegated",
        };
        [
            api.map_or_else(|| escape(&requested.api), named),
            code(&requested.name),
            escape(kind),
            status(state, app, requested),
        ]
    });
    rows.collect()
}

/// Renders an API by its name, which may be generated, and by the identifier that is requested.
fn named(api: &Api) -> String {
    let identifier = api.identifiers.first().unwrap_or(&api.app_id);
    format!("{}<br>{}", escape(&api.name), dim(identifier))
}

fn status(state: &State, app: &App, requested: &RequestedPermission) -> String {
    let tenants = state.directory.tenants.iter().take(MOST_TENANTS);
    let granted: Vec<(&Tenant, Granted)> = tenants
        .map(|tenant| (tenant, state.granted(app, tenant, requested)))
        .filter(|(_, granted)| *granted != Granted::No)
        .collect();
    if granted.is_empty() {
        return dim("requested, not granted");
    }
    let is_one = state.directory.tenants.len() == 1;
    let said = granted.iter().map(|(tenant, granted)| {
        let place = if is_one {
            String::new()
        } else {
            format!(" in {}", tenant.domain)
        };
        match granted {
            Granted::ByUsers(1) => format!("granted by one user{place}"),
            Granted::ByUsers(count) => format!("granted by {count} users{place}"),
            _ if requested.kind == Kind::Delegated => format!("granted for all users{place}"),
            _ => format!("granted{place}"),
        }
    });
    escape(&said.collect::<Vec<_>>().join(", "))
}

// The number of items that are shown of a large configuration.
const MOST_TENANTS: usize = 5;
const MOST_USERS: usize = 10;
const MOST_GROUPS: usize = 10;
const MOST_DEVICES: usize = 10;
const MOST_APPS: usize = 20;
const MOST_APIS: usize = 20;
const MOST_PERMISSIONS: usize = 20;
const MOST_CREDENTIALS: usize = 30;
const MOST_URIS: usize = 10;
const MOST_NAMES: usize = 12;
