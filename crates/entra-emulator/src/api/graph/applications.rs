//! The applications that are present in a tenant: `/applications`.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::api::graph::bearer::Caller;
use crate::api::graph::body::CREATED;
use crate::api::graph::collection;
use crate::api::graph::denial::Denial;
use crate::api::graph::key::Key;
use crate::api::graph::property::{Kind, Property, Support};
use crate::config::{Api, App, FederatedCredential, Tenant};
use crate::exchange::Exchange;
use crate::seed::Generator;
use crate::time::{graph_time, unix};

/// An application with the values that other parts of the configuration add to it.
struct Registration {
    app: App,
    publisher_domain: Option<String>,
    identifier_uris: Vec<String>,
    app_roles: Value,
    scopes: Value,
    key_credentials: Value,
    required_access: Value,
}

pub(super) fn list(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Result<Vec<u8>, Denial> {
    caller.needs(READ_APPLICATIONS)?;
    let all = all(exchange, caller);
    collection::list(exchange, &APPLICATIONS, all.iter().collect())
}

pub(super) fn count(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Result<usize, Denial> {
    caller.needs(READ_APPLICATIONS)?;
    let all = all(exchange, caller);
    collection::count(exchange, &APPLICATIONS, all.iter().collect())
}

/// Returns one application. An application may read itself without any permission.
pub(super) fn one(exchange: &Exchange<'_>, caller: &Caller<'_>, key: &Key<'_>) -> Result<Vec<u8>, Denial> {
    let app = find(exchange, caller, key)?;
    collection::entity(exchange, &APPLICATIONS, &Registration::of(exchange, app))
}

/// Lists the federated credentials of one application. An application may read its own without any
/// permission.
pub(super) fn federated(exchange: &Exchange<'_>, caller: &Caller<'_>, key: &Key<'_>) -> Result<Vec<u8>, Denial> {
    let app = find(exchange, caller, key)?;
    collection::list(exchange, &FEDERATED, app.federated_credentials.iter().collect())
}

/// Returns one application if the caller may read it.
fn find<'a>(exchange: &Exchange<'a>, caller: &Caller<'_>, key: &Key<'_>) -> Result<&'a App, Denial> {
    let present = registered(exchange, caller.tenant);
    let found = present.iter().find(|app| key.is(&app.object_id, &app.client_id));
    if !found.is_some_and(|app| app.client_id.eq_ignore_ascii_case(&caller.client_id)) {
        // Checked first, so that a caller does not learn which IDs exist.
        caller.needs(READ_APPLICATIONS)?;
    }
    found.copied().ok_or_else(|| key.not_found())
}

fn all(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Vec<Registration> {
    let present = registered(exchange, caller.tenant).into_iter();
    present.map(|app| Registration::of(exchange, app)).collect()
}

/// Returns the applications with a registration that are present in a tenant: all but agent
/// identities, which are service principals only.
fn registered<'a>(exchange: &Exchange<'a>, tenant: &Tenant) -> Vec<&'a App> {
    let mut present = present(exchange, tenant);
    present.retain(|app| app.agent_of.is_none());
    present
}

/// Returns the applications that are present in a tenant.
pub(super) fn present<'a>(exchange: &Exchange<'a>, tenant: &Tenant) -> Vec<&'a App> {
    let state = exchange.state;
    let apps = state.directory.apps.iter();
    apps.filter(|app| state.is_present(app, tenant)).collect()
}

impl Registration {
    fn of(exchange: &Exchange<'_>, app: &App) -> Self {
        let state = exchange.state;
        let api = state.directory.apis.iter().find(|api| api.app_id == app.client_id);
        Self {
            app: app.clone(),
            publisher_domain: state.directory.home(app).map(|home| home.domain.clone()),
            identifier_uris: api.map(|api| api.identifiers.clone()).unwrap_or_default(),
            app_roles: app_roles(state.seed, api),
            scopes: scopes(state.seed, api),
            key_credentials: key_credentials(exchange, app),
            required_access: required_access(exchange, app),
        }
    }

    fn secrets(&self) -> Value {
        let secrets = self.app.secrets.iter().flatten().map(|secret| {
            // Graph shows only the first three characters of a secret.
            let hint: String = secret.value.chars().take(3).collect();
            json!({
                "customKeyIdentifier": null,
                "displayName": null,
                "endDateTime": time(secret.end),
                "hint": hint,
                "keyId": secret.id,
                "secretText": null,
                "startDateTime": time(secret.start),
            })
        });
        Value::Array(secrets.collect())
    }

    /// Returns the redirect URIs if the application is of this kind (public or confidential), and
    /// an empty list otherwise.
    fn redirect_uris(&self, of_public_clients: bool) -> Value {
        if self.app.public_client == of_public_clients {
            json!(self.app.redirect_uris)
        } else {
            json!([])
        }
    }
}

/// Returns the accounts that can sign in to an application, in Graph's terms.
pub(super) fn audience(app: &App) -> &'static str {
    if app.multi_tenant {
        "AzureADMultipleOrgs"
    } else {
        "AzureADMyOrg"
    }
}

/// Returns the certificates of an application without their keys, which Graph returns only if a
/// query selects them.
pub(super) fn key_credentials(exchange: &Exchange<'_>, app: &App) -> Value {
    let certificates = exchange.state.directory.certificates(app).iter();
    let credentials = certificates.zip(&app.key_credentials).map(|(certificate, credential)| {
        json!({
            "customKeyIdentifier": STANDARD.encode(&certificate.sha1),
            "displayName": null,
            "endDateTime": time(Some(certificate.end)),
            "key": null,
            "keyId": credential.key_id,
            "startDateTime": time(Some(certificate.start)),
            "type": "AsymmetricX509Cert",
            "usage": "Verify",
        })
    });
    Value::Array(credentials.collect())
}

/// Returns the permissions that an application requests, by API.
fn required_access(exchange: &Exchange<'_>, app: &App) -> Value {
    let state = exchange.state;
    let asked = |api: &Api, name: &str| {
        state
            .directory
            .api(name)
            .is_some_and(|named| named.app_id == api.app_id)
    };
    let of_api = |api: &Api| {
        let roles = app.requested.iter().filter(|role| asked(api, &role.api));
        let roles = roles.map(|role| json!({"id": role_id(state.seed, api, &role.role), "type": "Role"}));
        let scopes = app.requested_scopes.iter().filter(|scope| asked(api, &scope.api));
        let scopes = scopes.map(|scope| json!({"id": scope_id(state.seed, api, &scope.scope), "type": "Scope"}));
        let access: Vec<Value> = roles.chain(scopes).collect();
        (!access.is_empty()).then(|| json!({"resourceAppId": api.app_id, "resourceAccess": access}))
    };
    Value::Array(state.directory.apis.iter().filter_map(of_api).collect())
}

/// Returns the application permissions that an API defines.
pub(super) fn app_roles(seed: u64, api: Option<&Api>) -> Value {
    let roles = api.iter().flat_map(|api| {
        api.roles.iter().map(|role| {
            json!({
                "allowedMemberTypes": ["Application"],
                "description": role,
                "displayName": role,
                "id": role_id(seed, api, role),
                "isEnabled": true,
                "origin": "Application",
                "value": role,
            })
        })
    });
    Value::Array(roles.collect())
}

/// Returns the delegated permissions that an API defines.
pub(super) fn scopes(seed: u64, api: Option<&Api>) -> Value {
    let scopes = api.iter().flat_map(|api| {
        api.all_scopes().map(|scope| {
            json!({
                "adminConsentDescription": scope,
                "adminConsentDisplayName": scope,
                "id": scope_id(seed, api, scope),
                "isEnabled": true,
                "type": if api.scopes.contains(scope) { "User" } else { "Admin" },
                "userConsentDescription": scope,
                "userConsentDisplayName": scope,
                "value": scope,
            })
        })
    });
    Value::Array(scopes.collect())
}

/// Returns the ID of an app role, derived from the seed. It differs from the IDs of Microsoft's own
/// APIs.
pub(super) fn role_id(seed: u64, api: &Api, role: &str) -> String {
    Generator::named(seed, &format!("role {} {role}", api.app_id)).guid()
}

fn scope_id(seed: u64, api: &Api, scope: &str) -> String {
    Generator::named(seed, &format!("scope {} {scope}", api.app_id)).guid()
}

fn time(time: Option<SystemTime>) -> Option<String> {
    time.map(|time| graph_time(unix(time)))
}

static APPLICATIONS: Kind<Registration> = Kind {
    set: "applications",
    entity: "application",
    resource: "Application",
    properties: &[
        Property::text("id", |it| json!(it.app.object_id), YES, NO, NO),
        Property::new("deletedDateTime", |_| Value::Null),
        Property::text("appId", |it| json!(it.app.client_id), YES, NO, NO),
        Property::new("applicationTemplateId", |_| Value::Null),
        Property::new("disabledByMicrosoftStatus", |_| Value::Null),
        Property::new("createdDateTime", |_| json!(CREATED)),
        Property::text("displayName", |it: &Registration| json!(it.app.name), YES, NO, YES).order(Support::Advanced),
        Property::new("description", |_| Value::Null),
        Property::new("groupMembershipClaims", |_| Value::Null),
        Property::texts("identifierUris", |it| json!(it.identifier_uris)),
        Property::new("isDeviceOnlyAuthSupported", |_| Value::Null),
        Property::new("isFallbackPublicClient", |it| {
            json!(it.app.public_client.then_some(true))
        }),
        Property::new("nativeAuthenticationApisEnabled", |_| Value::Null),
        Property::new("notes", |_| Value::Null),
        Property::new("publisherDomain", |it| json!(it.publisher_domain)),
        Property::new("serviceManagementReference", |_| Value::Null),
        Property::new("signInAudience", |it| json!(audience(&it.app))),
        Property::texts("tags", |_| json!([])),
        Property::new("tokenEncryptionKeyId", |_| Value::Null),
        Property::new("uniqueName", |_| Value::Null),
        Property::new("samlMetadataUrl", |_| Value::Null),
        Property::new("defaultRedirectUri", |_| Value::Null),
        Property::new("certification", |_| Value::Null),
        Property::new("optionalClaims", |_| Value::Null),
        Property::new("requestSignatureVerification", |_| Value::Null),
        Property::new("addIns", |_| json!([])),
        Property::new("api", |it| json!({"oauth2PermissionScopes": it.scopes})),
        Property::new("appRoles", |it| it.app_roles.clone()),
        Property::new("keyCredentials", |it| it.key_credentials.clone()),
        Property::new("passwordCredentials", Registration::secrets),
        Property::new("publicClient", |it| json!({"redirectUris": it.redirect_uris(true)})),
        Property::new("requiredResourceAccess", |it| it.required_access.clone()),
        Property::new("web", |it| json!({"redirectUris": it.redirect_uris(false)})),
        Property::new("spa", |_| json!({"redirectUris": []})),
    ],
    own_fields: None,
    absent: &[
        "appmanagementpolicies",
        "authenticationbehaviors",
        "createdonbehalfof",
        "extensionproperties",
        "federatedidentitycredentials",
        "homerealmdiscoverypolicies",
        "info",
        "logo",
        "owners",
        "parentalcontrolsettings",
        "serviceprincipallockconfiguration",
        "synchronization",
        "tokenissuancepolicies",
        "tokenlifetimepolicies",
        "verifiedpublisher",
    ],
};

static FEDERATED: Kind<FederatedCredential> = Kind {
    set: "federatedIdentityCredentials",
    entity: "federatedIdentityCredential",
    resource: "FederatedIdentityCredential",
    properties: &[
        Property::text("id", |it| json!(it.id), NO, NO, NO),
        Property::text("name", |it| json!(it.name), YES, NO, NO),
        Property::new("issuer", |it| json!(it.issuer)),
        Property::new("subject", |it| json!(it.subject)),
        Property::new("description", |it| json!(it.description)),
        Property::new("audiences", |it| json!(it.audiences)),
    ],
    own_fields: None,
    absent: &["claimsmatchingexpression"],
};

const YES: Support = Support::Yes;
const NO: Support = Support::No;

const READ_APPLICATIONS: &[&str] = &[
    "Application.Read.All",
    "Application.ReadWrite.All",
    "Application.ReadWrite.OwnedBy",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
