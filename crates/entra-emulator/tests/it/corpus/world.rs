//! The tenants, applications and APIs of the corpus.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use entra_emulator::{Api, App, Emulator, Forge, Tenant, TokenVersion, User};
use serde_json::{Value, json};

use crate::corpus::{API, EXTERNAL, HOME, LOGIN, NOW, PARTNER, STRANGER, USER};
use crate::support::document;

const DAEMON: &str = "22223333-cccc-4444-8555-5555eeee6666";
const OTHER: &str = "33334444-dddd-4555-8666-6666ffff7777";

pub(super) fn emulator() -> Emulator {
    let api = Api::new(format!("api://{API}"))
        .app_id(API)
        .token_version(TokenVersion::V2);
    let api = api.optional_claim("idtyp").role("Tasks.Read.All").scope("Tasks.Read");
    let user = User::new("Alex Wilber")
        .id(USER)
        .user_principal_name("alex@contoso.example");
    let emulator = Emulator::builder()
        .seed(3)
        .frozen_at(UNIX_EPOCH + Duration::from_secs(NOW))
        .tenant(Tenant::new("contoso.example").id(HOME).user(user))
        .tenant(Tenant::new("fabrikam.example").id(PARTNER))
        .tenant(Tenant::new("stranger.example").id(STRANGER))
        .tenant(Tenant::new("external.example").id(EXTERNAL).external())
        .api(api)
        .app(App::new("daemon").client_id(DAEMON))
        .app(App::new("other").client_id(OTHER))
        .build();
    for _ in 0..4 {
        emulator.rotate_signing_key();
    }
    emulator
}

/// Returns the IDs of the five keys: an old one, that of the home tenant, that of another cloud,
/// that for encryption, and the one that signs.
pub(super) fn kids(emulator: &Emulator) -> [String; 5] {
    let keys = document(emulator, "/common/discovery/v2.0/keys");
    let kids: Vec<String> = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].as_str().unwrap().into())
        .collect();
    kids.try_into().expect("five keys")
}

pub(super) fn documents(emulator: &Emulator) -> BTreeMap<String, Value> {
    let mut documents = BTreeMap::new();
    let external = format!("https://{EXTERNAL}.ciamlogin.com/{EXTERNAL}/v2.0");
    let mut metadata = vec![format!("{external}/.well-known/openid-configuration")];
    for tenant in [HOME, PARTNER, "common"] {
        metadata.push(format!("{LOGIN}/{tenant}/.well-known/openid-configuration"));
        metadata.push(format!("{LOGIN}/{tenant}/v2.0/.well-known/openid-configuration"));
    }
    let [_, of_tenant, of_cloud, of_encryption, _] = kids(emulator);
    for url in metadata {
        let metadata = document(emulator, &url);
        let address = metadata["jwks_uri"].as_str().unwrap().to_owned();
        let is_v1 = !address.contains("/v2.0/");
        let mut keys = document(emulator, &address);
        for key in keys["keys"].as_array_mut().unwrap() {
            let kid = key["kid"].clone();
            if kid == of_tenant && !is_v1 {
                key["issuer"] = json!(format!("{LOGIN}/{HOME}/v2.0"));
            } else if kid == of_cloud {
                key["cloud_instance_name"] = json!("microsoftonline.us");
            } else if kid == of_encryption {
                key["use"] = json!("enc");
            }
            // Removed because it is long, and validators use modulus and exponent.
            key.as_object_mut().unwrap().remove("x5c");
        }
        keys["keys"]
            .as_array_mut()
            .unwrap()
            .push(json!({"kty": "EC", "use": "sig", "kid": "curve", "crv": "P-256"}));
        documents.insert(url, metadata);
        documents.insert(address, keys);
    }
    documents
}

pub(super) fn apis() -> BTreeMap<String, Value> {
    let api = |tenants: Value, at: &str, scopes: &[&str], roles: &[&str], callers: Value| {
        json!({
            "audiences": [API, format!("api://{API}")],
            "tenants": tenants,
            "callers": callers,
            "scopes": scopes,
            "roles": roles,
            "metadata": {
                "1.0": format!("{at}/.well-known/openid-configuration"),
                "2.0": format!("{at}/v2.0/.well-known/openid-configuration"),
            },
        })
    };
    let (home, common) = (format!("{LOGIN}/{HOME}"), format!("{LOGIN}/common"));
    let (scopes, roles): (&[&str], &[&str]) = (&["Tasks.Read", "Tasks.ReadWrite"], &["Tasks.Read.All"]);
    let any = Value::Null;
    let mut external = api(
        json!([EXTERNAL]),
        &format!("https://{EXTERNAL}.ciamlogin.com/{EXTERNAL}"),
        scopes,
        roles,
        any.clone(),
    );
    // An external tenant issues no v1 tokens.
    external["metadata"].as_object_mut().unwrap().remove("1.0");
    BTreeMap::from([
        (
            "one_tenant".to_owned(),
            api(json!([HOME]), &home, scopes, roles, any.clone()),
        ),
        (
            "some_tenants".to_owned(),
            api(json!([HOME, PARTNER]), &common, scopes, roles, any.clone()),
        ),
        (
            "any_tenant".to_owned(),
            api(any.clone(), &common, scopes, roles, any.clone()),
        ),
        ("external_tenant".to_owned(), external),
        (
            "users_only".to_owned(),
            api(json!([HOME]), &home, scopes, &[], any.clone()),
        ),
        (
            "applications_only".to_owned(),
            api(json!([HOME]), &home, &[], roles, any),
        ),
        (
            "listed_callers".to_owned(),
            api(json!([HOME]), &home, scopes, roles, json!([DAEMON])),
        ),
    ])
}

/// Returns a token without the claims that only the service can read, and with a fixed `uti`.
pub(super) fn forge(emulator: &Emulator, version: TokenVersion) -> Forge<'_> {
    let forge = emulator.forge().version(version).claim("uti", "AAAAAAAAAAAAAAAAAAAAAA");
    forge.without_claim("aio").without_claim("rh").without_claim("xms_ftd")
}

/// Returns the principal of a token, according to its claims.
pub(super) fn principal(token: &str) -> Value {
    let claims = crate::support::claims(&json!({"access_token": token}));
    let is_user = claims.get("scp").is_some();
    let blueprint = claims.get("xms_par_app_azp");
    let kind = match (blueprint, is_user) {
        (Some(_), _) => "agent",
        (None, true) => "user",
        (None, false) => "application",
    };
    let scopes: Vec<&str> = claims["scp"]
        .as_str()
        .unwrap_or_default()
        .split(' ')
        .filter(|one| !one.is_empty())
        .collect();
    json!({
        "kind": kind,
        "tenant": claims["tid"],
        "object": claims["oid"],
        "application": claims.get("azp").or_else(|| claims.get("appid")),
        "blueprint": blueprint,
        "scopes": scopes,
        "roles": claims.get("roles").cloned().unwrap_or_else(|| json!([])),
    })
}
