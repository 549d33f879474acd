//! The registrations that are present in a tenant: `/applications`.

use serde_json::{Value, json};

use crate::config::App;
use crate::exchange::Exchange;
use crate::graph::bearer::Caller;
use crate::graph::property::{Kind, Property, Support};
use crate::graph::{CREATED, Denial, collection};

pub(super) fn list(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Result<Value, Denial> {
    caller.needs(READ_APPLICATIONS)?;
    collection::list(exchange, &APPLICATIONS, present(exchange, caller))
}

pub(super) fn count(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Result<usize, Denial> {
    caller.needs(READ_APPLICATIONS)?;
    collection::count(exchange, &APPLICATIONS, present(exchange, caller))
}

/// One registration by object id or app id. An app may read its own without any permission.
pub(super) fn one(exchange: &Exchange<'_>, caller: &Caller<'_>, id: &str) -> Result<Value, Denial> {
    let found = present(exchange, caller)
        .into_iter()
        .find(|app| app.object_id.eq_ignore_ascii_case(id) || app.client_id.eq_ignore_ascii_case(id));
    if !found.is_some_and(|app| app.client_id.eq_ignore_ascii_case(&caller.client_id)) {
        // Checked first, so that a caller does not learn which ids exist.
        caller.needs(READ_APPLICATIONS)?;
    }
    collection::entity(exchange, &APPLICATIONS, found.ok_or_else(|| Denial::not_found(id))?)
}

fn present<'a>(exchange: &Exchange<'a>, caller: &Caller<'_>) -> Vec<&'a App> {
    let core = exchange.core;
    let apps = core.directory.apps.iter();
    apps.filter(|app| core.is_present(app, caller.tenant)).collect()
}

fn secrets(app: &App) -> Value {
    let secrets = app.secrets.iter().flatten().map(|secret| {
        // Graph shows the first three characters of a secret and no more.
        let hint: String = secret.value.chars().take(3).collect();
        json!({"keyId": secret.id, "hint": hint, "secretText": null})
    });
    Value::Array(secrets.collect())
}

static APPLICATIONS: Kind<App> = Kind {
    set: "applications",
    entity: "application",
    resource: "Application",
    properties: &[
        Property::text("id", |app| json!(app.object_id), YES, NO, NO),
        Property::new("deletedDateTime", |_| Value::Null),
        Property::text("appId", |app| json!(app.client_id), YES, NO, NO),
        Property::new("applicationTemplateId", |_| Value::Null),
        Property::new("disabledByMicrosoftStatus", |_| Value::Null),
        Property::new("createdDateTime", |_| json!(CREATED)),
        Property::text("displayName", |app: &App| json!(app.name), YES, NO, YES).order(Support::Advanced),
        Property::new("description", |_| Value::Null),
        Property::new("groupMembershipClaims", |_| Value::Null),
        Property::new("identifierUris", |_| json!([])),
        Property::new("keyCredentials", |_| json!([])),
        Property::new("passwordCredentials", secrets),
        Property::new("requiredResourceAccess", |_| json!([])),
        Property::new("signInAudience", |_| json!("AzureADMyOrg")),
    ],
    absent: &[
        "addins",
        "api",
        "appmanagementpolicies",
        "approles",
        "authenticationbehaviors",
        "certification",
        "createdonbehalfof",
        "defaultredirecturi",
        "extensionproperties",
        "federatedidentitycredentials",
        "hometenantid",
        "homerealmdiscoverypolicies",
        "info",
        "isdevicesonlyauthsupported",
        "isfallbackpublicclient",
        "logo",
        "nativeauthenticationapisenabled",
        "notes",
        "optionalclaims",
        "owners",
        "parentalcontrolsettings",
        "publicclient",
        "publisherdomain",
        "requestsignatureverification",
        "samlmetadataurl",
        "servicemanagementreference",
        "serviceprincipallockconfiguration",
        "spa",
        "synchronization",
        "tags",
        "tokenencryptionkeyid",
        "tokenissuancepolicies",
        "tokenlifetimepolicies",
        "uniquename",
        "verifiedpublisher",
        "web",
    ],
};

const YES: Support = Support::Yes;
const NO: Support = Support::No;

const READ_APPLICATIONS: &[&str] = &[
    "Application.Read.All",
    "Application.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
