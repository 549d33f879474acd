//! The service principals of a tenant and their app roles: `/servicePrincipals`.

use serde_json::{Value, json};

use crate::api::graph::applications::{self, app_roles, key_credentials, role_id, scopes};
use crate::api::graph::bearer::Caller;
use crate::api::graph::body::CREATED;
use crate::api::graph::collection;
use crate::api::graph::denial::Denial;
use crate::api::graph::key::Key;
use crate::api::graph::property::{Kind, Property, Support};
use crate::config::{Api, App, ManagedIdentity, Tenant};
use crate::exchange::Exchange;
use crate::seed::Generator;

/// The service principal of an application, a managed identity or an API in a tenant.
pub(super) struct ServicePrincipal {
    pub(super) id: String,
    app_id: String,
    kind: &'static str,
    /// The resource ID of a managed identity, and whether it is user-assigned.
    alternative_names: Vec<String>,
    display_name: String,
    is_enabled: bool,
    needs_assignment: bool,
    /// The ID of the tenant that owns the registration, if there is one.
    owner: Option<String>,
    audience: Option<&'static str>,
    names: Vec<String>,
    reply_urls: Vec<String>,
    app_roles: Value,
    scopes: Value,
    key_credentials: Value,
}

/// An app role that an application holds.
struct Assignment {
    id: String,
    role: String,
    principal: (String, String),
    resource: (String, String),
}

pub(super) fn list(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Result<Vec<u8>, Denial> {
    caller.needs(READ_PRINCIPALS)?;
    let all = all(exchange, caller);
    collection::list(exchange, &SERVICE_PRINCIPALS, all.iter().collect())
}

pub(super) fn count(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Result<usize, Denial> {
    caller.needs(READ_PRINCIPALS)?;
    let all = all(exchange, caller);
    collection::count(exchange, &SERVICE_PRINCIPALS, all.iter().collect())
}

/// Returns one service principal. An application may read its own without any permission.
pub(super) fn one(exchange: &Exchange<'_>, caller: &Caller<'_>, key: &Key<'_>) -> Result<Vec<u8>, Denial> {
    let found = find(exchange, caller, key);
    let is_own = |principal: &ServicePrincipal| principal.app_id.eq_ignore_ascii_case(&caller.client_id);
    if !found.as_ref().is_some_and(is_own) {
        // Checked first, so that a caller does not learn which IDs exist.
        caller.needs(READ_PRINCIPALS)?;
    }
    collection::entity(exchange, &SERVICE_PRINCIPALS, &found.ok_or_else(|| key.not_found())?)
}

/// Returns the app roles that a service principal holds.
pub(super) fn assignments(exchange: &Exchange<'_>, caller: &Caller<'_>, key: &Key<'_>) -> Result<Vec<u8>, Denial> {
    caller.needs(READ_ASSIGNMENTS)?;
    let principal = find(exchange, caller, key).ok_or_else(|| key.not_found())?;
    let all = all_assignments(exchange, caller);
    let own = all.iter().filter(|assignment| assignment.principal.0 == principal.id);
    collection::list(exchange, &ASSIGNMENTS, own.collect())
}

/// Returns the app roles of an API that service principals hold.
pub(super) fn assigned_to(exchange: &Exchange<'_>, caller: &Caller<'_>, key: &Key<'_>) -> Result<Vec<u8>, Denial> {
    caller.needs(READ_ASSIGNMENTS)?;
    let resource = find(exchange, caller, key).ok_or_else(|| key.not_found())?;
    let all = all_assignments(exchange, caller);
    let own = all.iter().filter(|assignment| assignment.resource.0 == resource.id);
    collection::list(exchange, &ASSIGNMENTS, own.collect())
}

fn find(exchange: &Exchange<'_>, caller: &Caller<'_>, key: &Key<'_>) -> Option<ServicePrincipal> {
    let mut all = all(exchange, caller).into_iter();
    all.find(|principal| key.is(&principal.id, &principal.app_id))
}

/// Returns every service principal of the caller's tenant: those of the present applications, then
/// those of the managed identities and of the APIs.
pub(super) fn all(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Vec<ServicePrincipal> {
    let tenant = caller.tenant;
    let directory = &exchange.state.directory;
    let present = applications::present(exchange, tenant);
    let apis = directory.apis.iter();
    // An API whose application is present shares the application's service principal.
    let apis = apis.filter(|api| present.iter().all(|app| app.client_id != api.app_id));
    let of_apis = apis.map(|api| of_api(exchange, tenant, api));
    let of_apps = present.iter().map(|app| of_app(exchange, app));
    let identities = managed_identities(exchange, tenant).into_iter();
    let of_identities = identities.map(|(identity, principal)| ServicePrincipal {
        kind: "ManagedIdentity",
        alternative_names: vec![
            match identity.system_assigned {
                true => "isExplicit=False".to_owned(),
                false => "isExplicit=True".to_owned(),
            },
            identity.resource_id.clone(),
        ],
        owner: None,
        audience: None,
        ..of_app(exchange, principal)
    });
    of_apps.chain(of_identities).chain(of_apis).collect()
}

/// Returns the managed identities of a tenant with their service principals.
fn managed_identities<'a>(exchange: &Exchange<'a>, tenant: &Tenant) -> Vec<(&'a ManagedIdentity, &'a App)> {
    let state = exchange.state;
    let all = state.directory.machine.principals();
    all.filter(|(_, principal)| state.is_present(principal, tenant))
        .collect()
}

fn of_app(exchange: &Exchange<'_>, app: &App) -> ServicePrincipal {
    let directory = &exchange.state.directory;
    let api = directory.apis.iter().find(|api| api.app_id == app.client_id);
    let mut names = vec![app.client_id.clone()];
    names.extend(api.iter().flat_map(|api| api.identifiers.iter().cloned()));
    ServicePrincipal {
        id: app.service_principal_id.clone(),
        app_id: app.client_id.clone(),
        kind: match app.agent_of {
            Some(_) => "ServiceIdentity",
            None => APPLICATION,
        },
        alternative_names: Vec::new(),
        display_name: app.name.clone(),
        is_enabled: !app.disabled,
        needs_assignment: api.is_some_and(|api| api.assignment_required),
        owner: directory.home(app).map(|home| home.id.clone()),
        audience: Some(applications::audience(app)),
        names,
        reply_urls: app.redirect_uris.clone(),
        app_roles: app_roles(exchange.state.seed, api),
        scopes: scopes(exchange.state.seed, api),
        key_credentials: key_credentials(exchange, app),
    }
}

fn of_api(exchange: &Exchange<'_>, tenant: &Tenant, api: &Api) -> ServicePrincipal {
    let state = exchange.state;
    let known = state.directory.apis.split_at(state.directory.own_api).0;
    let is_microsoft = known.iter().any(|known| known.app_id == api.app_id);
    let mut names = vec![api.app_id.clone()];
    names.extend(api.identifiers.iter().cloned());
    ServicePrincipal {
        id: Generator::named(state.seed, &format!("service principal {} {}", tenant.id, api.app_id)).guid(),
        app_id: api.app_id.clone(),
        kind: APPLICATION,
        alternative_names: Vec::new(),
        display_name: api.name.clone(),
        is_enabled: true,
        needs_assignment: api.assignment_required,
        owner: Some(if is_microsoft {
            MICROSOFT.to_owned()
        } else {
            state.first_tenant().id.clone()
        }),
        audience: Some(if is_microsoft {
            "AzureADMultipleOrgs"
        } else {
            "AzureADMyOrg"
        }),
        names,
        reply_urls: Vec::new(),
        app_roles: app_roles(state.seed, Some(api)),
        scopes: scopes(state.seed, Some(api)),
        key_credentials: json!([]),
    }
}

fn all_assignments(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Vec<Assignment> {
    let state = exchange.state;
    let principals = all(exchange, caller);
    let named = |app_id: &str| {
        let found = principals.iter().find(|principal| principal.app_id == app_id);
        found.map(|principal| (principal.id.clone(), principal.display_name.clone()))
    };
    let mut present = applications::present(exchange, caller.tenant);
    let identities = managed_identities(exchange, caller.tenant).into_iter();
    present.extend(identities.map(|(_, principal)| principal));
    let held = present
        .iter()
        .flat_map(|app| state.directory.apis.iter().map(move |api| (*app, api)));
    let assignments = held.flat_map(|(app, api)| {
        let roles = state.roles(app, api, caller.tenant).into_iter();
        roles.filter_map(|role| {
            Some(Assignment {
                id: Generator::named(state.seed, &format!("assignment {} {role}", app.client_id)).opaque(43),
                role: role_id(state.seed, api, &role),
                principal: named(&app.client_id)?,
                resource: named(&api.app_id)?,
            })
        })
    });
    assignments.collect()
}

pub(super) static SERVICE_PRINCIPALS: Kind<ServicePrincipal> = Kind {
    set: "servicePrincipals",
    entity: "servicePrincipal",
    resource: "ServicePrincipal",
    properties: &[
        Property::text("id", |it| json!(it.id), YES, NO, NO),
        Property::new("deletedDateTime", |_| Value::Null),
        Property::boolean("accountEnabled", |it| json!(it.is_enabled)),
        Property::texts("alternativeNames", |it| json!(it.alternative_names)),
        Property::new("appDisplayName", |it| json!(it.display_name)),
        Property::new("appDescription", |_| Value::Null),
        Property::text("appId", |it| json!(it.app_id), YES, NO, NO),
        Property::new("applicationTemplateId", |_| Value::Null),
        Property::new("appOwnerOrganizationId", |it| json!(it.owner)),
        Property::new("appRoleAssignmentRequired", |it| json!(it.needs_assignment)),
        Property::new("createdDateTime", |_| json!(CREATED)),
        Property::new("description", |_| Value::Null),
        Property::new("disabledByMicrosoftStatus", |_| Value::Null),
        Property::text(
            "displayName",
            |it: &ServicePrincipal| json!(it.display_name),
            YES,
            YES,
            YES,
        )
        .order(Support::Advanced),
        Property::new("homepage", |_| Value::Null),
        Property::new("loginUrl", |_| Value::Null),
        Property::new("logoutUrl", |_| Value::Null),
        Property::new("notes", |_| Value::Null),
        Property::new("notificationEmailAddresses", |_| json!([])),
        Property::new("preferredSingleSignOnMode", |_| Value::Null),
        Property::new("preferredTokenSigningKeyThumbprint", |_| Value::Null),
        Property::texts("replyUrls", |it| json!(it.reply_urls)),
        Property::texts("servicePrincipalNames", |it| json!(it.names)),
        Property::text("servicePrincipalType", |it| json!(it.kind), YES, NO, NO),
        Property::new("signInAudience", |it| json!(it.audience)),
        Property::texts("tags", |_| json!([])),
        Property::new("tokenEncryptionKeyId", |_| Value::Null),
        Property::new("addIns", |_| json!([])),
        Property::new("appRoles", |it| it.app_roles.clone()),
        Property::new("keyCredentials", |it| it.key_credentials.clone()),
        Property::new("oauth2PermissionScopes", |it| it.scopes.clone()),
        Property::new("passwordCredentials", |_| json!([])),
        Property::new("resourceSpecificApplicationPermissions", |_| json!([])),
    ],
    own_fields: None,
    absent: &[
        "appmanagementpolicies",
        "approleassignedto",
        "approleassignments",
        "claimsmappingpolicies",
        "createdobjects",
        "customsecurityattributes",
        "delegatedpermissionclassifications",
        "endpoints",
        "errorurl",
        "federatedidentitycredentials",
        "homerealmdiscoverypolicies",
        "info",
        "memberof",
        "oauth2permissiongrants",
        "ownedobjects",
        "owners",
        "remotedesktopsecurityconfiguration",
        "samlmetadataurl",
        "samlsinglesignonsettings",
        "synchronization",
        "tokenissuancepolicies",
        "tokenlifetimepolicies",
        "transitivememberof",
        "verifiedpublisher",
    ],
};

static ASSIGNMENTS: Kind<Assignment> = Kind {
    set: "appRoleAssignments",
    entity: "appRoleAssignment",
    resource: "AppRoleAssignment",
    properties: &[
        Property::new("id", |it| json!(it.id)),
        Property::new("deletedDateTime", |_| Value::Null),
        Property::new("appRoleId", |it| json!(it.role)),
        Property::new("createdDateTime", |_| json!(CREATED)),
        Property::new("principalDisplayName", |it| json!(it.principal.1)),
        Property::new("principalId", |it| json!(it.principal.0)),
        Property::new("principalType", |_| json!("ServicePrincipal")),
        Property::new("resourceDisplayName", |it| json!(it.resource.1)),
        Property::new("resourceId", |it| json!(it.resource.0)),
    ],
    own_fields: None,
    absent: &[],
};

const YES: Support = Support::Yes;
const NO: Support = Support::No;
const APPLICATION: &str = "Application";
/// The tenant in which Microsoft registers its own services.
const MICROSOFT: &str = "f8cdef31-a31e-4b4a-93e4-5f571e91255a";

pub(super) const READ_PRINCIPALS: &[&str] = &[
    "Application.Read.All",
    "Application.ReadWrite.All",
    "Application.ReadWrite.OwnedBy",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const READ_ASSIGNMENTS: &[&str] = &[
    "Application.Read.All",
    "Application.ReadWrite.All",
    "AppRoleAssignment.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
