//! Successful token responses and their tokens, byte for byte.

use std::time::{Duration, UNIX_EPOCH};

use entra_emulator::{Api, App, Emulator, Tenant, TokenVersion};
use serde_json::{Value, json};

use crate::support::{claims, error_code, form, header, json_body, token};

const SQL: &str = "https://database.windows.net/";

fn frozen() -> Emulator {
    Emulator::builder()
        .seed(7)
        .frozen_at(UNIX_EPOCH + Duration::from_secs(1_431_655_494))
        .build()
}

#[test]
fn v2_bodies_have_exactly_four_members_with_numbers() {
    let emulator = frozen();
    let response = token(
        &emulator,
        "v2.0/token",
        &form(&emulator, &[("scope", "https://graph.microsoft.com/.default")]),
    );
    assert_eq!(response.status(), 200);
    let text = String::from_utf8(response.body().clone()).unwrap();
    let start = r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"eyJ"#;
    assert!(text.starts_with(start), "{text}");
    assert_eq!(json_body(&response).as_object().unwrap().len(), 4);
    assert_eq!(response.headers()["content-type"], "application/json; charset=utf-8");
    assert!(
        response.headers()["cache-control"]
            .to_str()
            .unwrap()
            .contains("no-store")
    );
    assert_eq!(response.headers()["pragma"], "no-cache");
    assert_eq!(response.headers()["x-ms-request-id"].len(), 36);
    assert_eq!(response.headers()["date"], "Fri, 15 May 2015 02:04:54 GMT");
}

#[test]
fn v1_bodies_have_strings_and_echo_the_resource() {
    let emulator = frozen();
    let response = token(&emulator, "token", &form(&emulator, &[("resource", SQL)]));
    assert_eq!(response.status(), 200);
    let text = String::from_utf8(response.body().clone()).unwrap();
    let start = concat!(
        r#"{"token_type":"Bearer","expires_in":"3599","ext_expires_in":"3599","expires_on":"1431659094","#,
        r#""not_before":"1431655194","resource":"https://database.windows.net/","access_token":"eyJ"#,
    );
    assert!(text.starts_with(start), "{text}");
    assert_eq!(json_body(&response).as_object().unwrap().len(), 7);
}

#[test]
fn refresh_in_is_sent_if_configured() {
    let emulator = Emulator::builder()
        .token_lifetime(Duration::from_secs(86_400))
        .refresh_in(Duration::from_secs(43_200))
        .build();
    let body = |endpoint, target| json_body(&token(&emulator, endpoint, &form(&emulator, &[target])));
    let v2 = body("v2.0/token", ("scope", "https://graph.microsoft.com/.default"));
    assert_eq!((&v2["expires_in"], &v2["refresh_in"]), (&json!(86_399), &json!(43_200)));
    let v1 = body("token", ("resource", SQL));
    assert_eq!(
        (&v1["expires_in"], &v1["refresh_in"]),
        (&json!("86399"), &json!("43200"))
    );
}

#[test]
fn v1_tokens_carry_the_claims_of_the_documents() {
    let emulator = frozen();
    let response = token(
        &emulator,
        "token",
        &form(&emulator, &[("resource", "https://manage.office.com")]),
    );
    let body = json_body(&response);
    let tid = emulator.tenant_id();
    let mut claims = claims(&body);
    for opaque in ["aio", "rh", "uti"] {
        assert!(claims.as_object_mut().unwrap().remove(opaque).is_some(), "{opaque}");
    }
    let principal = &emulator.apps()[0].service_principal_id;
    assert_eq!(
        claims,
        json!({
            "aud": "https://manage.office.com",
            "iss": format!("https://sts.windows.net/{tid}/"),
            "iat": 1_431_655_194, "nbf": 1_431_655_194, "exp": 1_431_659_094,
            "appid": emulator.client_id(), "appidacr": "1",
            "idp": format!("https://sts.windows.net/{tid}/"),
            "oid": principal, "sub": principal,
            "roles": ["ActivityFeed.Read", "ServiceHealth.Read"],
            "tid": tid, "ver": "1.0",
        })
    );
    let header = header(&body);
    assert_eq!((&header["alg"], &header["typ"]), (&json!("RS256"), &json!("JWT")));
    assert_eq!(header["kid"], header["x5t"]);
}

#[test]
fn v2_tokens_carry_the_captured_claims() {
    let emulator = frozen();
    let api = emulator.api().clone();
    let scope = format!("{}/.default", api.identifiers[0]);
    let body = json_body(&token(&emulator, "v2.0/token", &form(&emulator, &[("scope", &scope)])));
    let claims = claims(&body);
    let mut names: Vec<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    let captured = "aio aud azp azpacr exp iat iss nbf oid rh roles sub tid uti ver xms_ftd";
    assert_eq!(names.join(" "), captured);
    assert_eq!(claims["aud"], json!(api.app_id));
    assert_eq!(
        claims["iss"],
        json!(format!(
            "https://login.microsoftonline.com/{}/v2.0",
            emulator.tenant_id()
        ))
    );
    assert_eq!((&claims["azpacr"], &claims["ver"]), (&json!("1"), &json!("2.0")));
    assert_eq!(claims["oid"], claims["sub"]);
    let names: Vec<String> = header(&body).as_object().unwrap().keys().cloned().collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn token_version_is_that_of_the_api() {
    let emulator = frozen();
    let api = emulator.api().identifiers[0].clone();
    let v2_from_v1 = json_body(&token(&emulator, "token", &form(&emulator, &[("resource", &api)])));
    assert_eq!(claims(&v2_from_v1)["ver"], "2.0");
    let scope = "https://graph.microsoft.com/.default";
    let v1_from_v2 = json_body(&token(&emulator, "v2.0/token", &form(&emulator, &[("scope", scope)])));
    assert_eq!(claims(&v1_from_v2)["ver"], "1.0");
}

#[test]
fn audience_is_the_requested_resource_exactly() {
    let emulator = frozen();
    let guid = "00000003-0000-0000-c000-000000000000";
    for (scope, audience) in [
        ("https://database.windows.net//.default", SQL),
        ("https://database.windows.net/.default", "https://database.windows.net"),
        ("https://graph.microsoft.com/.default", "https://graph.microsoft.com"),
        ("https://graph.microsoft.com//.default", "https://graph.microsoft.com/"),
        (
            "https://graph.microsoft.com///.default",
            "https://graph.microsoft.com//",
        ),
        ("00000003-0000-0000-c000-000000000000/.default", guid),
        (
            "spn:00000003-0000-0000-c000-000000000000/.default",
            "spn:00000003-0000-0000-c000-000000000000",
        ),
        (".default", guid),
        (
            "openid https://graph.microsoft.com/.default offline_access profile email",
            "https://graph.microsoft.com",
        ),
    ] {
        let response = token(&emulator, "v2.0/token", &form(&emulator, &[("scope", scope)]));
        assert_eq!(claims(&json_body(&response))["aud"], audience, "{scope}");
    }
}

#[test]
fn roles_are_those_granted_in_the_tenant() {
    let graph = Emulator::GRAPH;
    let emulator = Emulator::builder()
        .tenant(Tenant::new("one.example"))
        .tenant(Tenant::new("two.example"))
        .app(App::new("asks").request(graph, "User.Read.All"))
        .app(
            App::new("has")
                .grant(graph, "User.Read.All")
                .grant_in("two.example", graph, "Application.Read.All"),
        )
        .build();
    let roles = |app: &App, tenant: &str| {
        let secret = &app.secrets.as_ref().unwrap()[0].value;
        let body = [
            ("grant_type", "client_credentials"),
            ("client_id", &app.client_id),
            ("client_secret", secret),
            ("scope", "https://graph.microsoft.com/.default"),
        ];
        let response = crate::support::post(&emulator, &format!("/{tenant}/oauth2/v2.0/token"), &body);
        claims(&json_body(&response)).get("roles").cloned()
    };
    assert_eq!(roles(emulator.app("asks").unwrap(), "one.example"), None);
    assert_eq!(
        roles(emulator.app("has").unwrap(), "one.example"),
        Some(json!(["User.Read.All"]))
    );
    let both = Some(json!(["Application.Read.All", "User.Read.All"]));
    assert_eq!(roles(emulator.app("has").unwrap(), "two.example"), both);
}

#[test]
fn optional_claims_need_api_and_client_support() {
    let claims_parameter = r#"{"access_token":{"xms_cc":{"values":["CP1"]}}}"#;
    let emulator = Emulator::builder()
        .api(
            Api::new("api://with")
                .token_version(TokenVersion::V2)
                .optional_claim("idtyp")
                .optional_claim("xms_cc"),
        )
        .api(Api::new("api://without"))
        .build();
    let send = |scope: &str, more: &[(&str, &str)]| {
        let mut fields = vec![("scope", scope)];
        fields.extend_from_slice(more);
        claims(&json_body(&token(&emulator, "v2.0/token", &form(&emulator, &fields))))
    };
    let with = send("api://with/.default", &[("claims", claims_parameter)]);
    assert_eq!((&with["idtyp"], &with["xms_cc"]), (&json!("app"), &json!(["CP1"])));
    assert_eq!(send("api://with/.default", &[]).get("xms_cc"), None::<&Value>);
    let without = send("api://without/.default", &[("claims", claims_parameter)]);
    assert_eq!((without.get("idtyp"), without.get("xms_cc")), (None, None));
}

/// The Azure services that most daemons call, in every spelling: each is a separate audience,
/// including the slash.
#[test]
fn azure_audiences_are_built_in() {
    let emulator = Emulator::builder().build();
    let arm = "797f4846-ba00-4fd7-ba43-dac1f8f63013";
    let vault = "cfa8b339-82a2-471a-a3c9-0fc0be7a4093";
    let storage = "e406a681-f3d4-42a8-90b6-c2b029497af1";
    let sql = "022907d3-0f1b-48f7-badc-1ba6abab6d66";
    for (app_id, names) in [
        (
            arm,
            &["https://management.azure.com", "https://management.core.windows.net"][..],
        ),
        (vault, &["https://vault.azure.net"]),
        (storage, &["https://storage.azure.com"]),
        (sql, &["https://database.windows.net"]),
    ] {
        let mut audiences = vec![app_id.to_owned(), app_id.to_uppercase(), format!("spn:{app_id}")];
        for name in names {
            audiences.extend([(*name).to_owned(), format!("{name}/"), format!("{name}//")]);
        }
        for audience in audiences {
            let scope = format!("{audience}/.default");
            for (endpoint, target) in [
                ("token", ("resource", audience.as_str())),
                ("v2.0/token", ("scope", &scope)),
            ] {
                let body = json_body(&token(&emulator, endpoint, &form(&emulator, &[target])));
                let claims = claims(&body);
                assert_eq!((&claims["aud"], &claims["ver"]), (&json!(audience), &json!("1.0")));
                assert_eq!((claims.get("roles"), claims.get("scp")), (None, None), "{claims}");
                if endpoint == "token" {
                    assert_eq!(body["resource"], audience);
                }
            }
        }
        let api = emulator.apis().iter().find(|api| api.app_id == app_id).unwrap();
        assert_eq!(
            (&api.roles[..], &api.scopes[..]),
            (&[][..], &["user_impersonation".to_owned()][..])
        );
    }
    for unknown in [
        "https://management.azure.co",
        "https://vault.azure.net/x",
        "https://blob.storage.azure.com",
    ] {
        let scope = format!("{unknown}/.default");
        assert_eq!(
            error_code(&token(&emulator, "v2.0/token", &form(&emulator, &[("scope", &scope)]))),
            500011
        );
    }
}

/// A storage account and a vault are separate audiences under any name, because Entra has no list
/// of them.
#[test]
fn accounts_and_vaults_are_audiences() {
    let emulator = Emulator::builder().build();
    let send = |audience: &str| {
        let scope = format!("{audience}/.default");
        token(&emulator, "v2.0/token", &form(&emulator, &[("scope", &scope)]))
    };
    for audience in [
        "https://account1.blob.core.windows.net",
        "https://account1.blob.core.windows.net/",
        "https://account1-secondary.queue.core.windows.net",
        "https://account1.dfs.core.windows.net",
        "https://account1.file.core.windows.net/",
        "https://account1.table.core.windows.net",
        "https://my-vault.vault.azure.net",
        "https://My-Vault.Vault.Azure.net/",
    ] {
        let claims = claims(&json_body(&send(audience)));
        assert_eq!((&claims["aud"], &claims["ver"]), (&json!(audience), &json!("1.0")));
    }
    for unknown in [
        "https://.blob.core.windows.net",
        "https://blob.core.windows.net",
        "https://a.b.blob.core.windows.net",
        "https://account1.blob.core.windows.net/container",
        "https://account1.blob.core.windows.net:443",
        "https://account1.blob.core.windows.net.evil.example",
        "https://user@account1.blob.core.windows.net",
        "http://account1.blob.core.windows.net",
        "account1.blob.core.windows.net",
        "https://account1.blob.core.chinacloudapi.cn",
        "https://account_1.vault.azure.net",
        &format!("https://{}.vault.azure.net", "a".repeat(64)),
    ] {
        assert_eq!(error_code(&send(unknown)), 500011, "{unknown}");
    }

    // An API of the same name has its own rules.
    let own = "https://account1.blob.core.windows.net";
    let storage = Api::new(own).token_version(TokenVersion::V2);
    let emulator = Emulator::builder().api(storage).build();
    let body = token(
        &emulator,
        "v2.0/token",
        &form(&emulator, &[("scope", &format!("{own}/.default"))]),
    );
    assert_eq!(claims(&json_body(&body))["ver"], "2.0");
}

#[test]
fn users_can_consent_to_azure_for_default_apps() {
    let emulator = Emulator::builder().build();
    for app in ["daemon", "cli"] {
        let id = emulator.app(app).unwrap().client_id.clone();
        for audience in [
            "https://management.azure.com/",
            Emulator::AZURE_KEY_VAULT,
            Emulator::AZURE_STORAGE,
            "https://account1.blob.core.windows.net",
        ] {
            let scope = format!("{audience}/user_impersonation");
            for (version, target) in [("v2.0/", ("scope", scope.as_str())), ("", ("resource", audience))] {
                let start = [("client_id", id.as_str()), target];
                let start = json_body(&crate::support::post(
                    &emulator,
                    &format!("/common/oauth2/{version}devicecode"),
                    &start,
                ));
                let device_code = start["device_code"].as_str().unwrap_or_else(|| panic!("{start}"));
                emulator
                    .approve_device(start["user_code"].as_str().unwrap(), "Adele Vance")
                    .unwrap();
                let mut poll = vec![
                    ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
                    ("client_id", &id),
                    ("device_code", device_code),
                ];
                if app == "daemon" {
                    poll.push(("client_secret", emulator.client_secret()));
                }
                let body = json_body(&crate::support::post(
                    &emulator,
                    &format!("/common/oauth2/{version}token"),
                    &poll,
                ));
                let claims = claims(&body);
                assert_eq!(
                    (&claims["aud"], &claims["scp"]),
                    (&json!(audience), &json!("user_impersonation")),
                    "{app} {version}"
                );
            }
        }
    }
}

/// A configuration from before these APIs were built in keeps its meaning.
#[test]
fn configured_api_replaces_a_well_known_one() {
    let by_name = Api::new("https://Vault.azure.net")
        .role("Secrets.Read")
        .token_version(TokenVersion::V2);
    let by_id = Api::new("api://arm").app_id("797f4846-ba00-4fd7-ba43-dac1f8f63013");
    let emulator = Emulator::builder().api(by_name).api(by_id).build();
    let send = |resource: &str| {
        let response = token(&emulator, "token", &form(&emulator, &[("resource", resource)]));
        (error_code(&response), json_body(&response))
    };
    let claims = claims(&send("https://Vault.azure.net").1);
    assert_eq!(
        (&claims["ver"], &claims["roles"]),
        (&json!("2.0"), &json!(["Secrets.Read"]))
    );
    assert_eq!(send("cfa8b339-82a2-471a-a3c9-0fc0be7a4093").0, 500011);
    assert_eq!(send("https://management.azure.com").0, 500011);
    assert_eq!(send("api://arm").0, 0);
    assert_eq!(send("https://storage.azure.com").0, 0);
    for known in [Emulator::GRAPH, Emulator::OFFICE_MANAGEMENT] {
        let error = Emulator::builder().api(Api::new(known)).try_build().unwrap_err();
        assert!(error.to_string().contains("given twice"), "{error}");
    }
}

#[test]
fn seed_yields_identical_responses() {
    let responses = |seed| {
        let emulator = Emulator::builder()
            .seed(seed)
            .frozen_at(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
            .build();
        let response = token(
            &emulator,
            "v2.0/token",
            &form(&emulator, &[("scope", "https://graph.microsoft.com/.default")]),
        );
        let keys = crate::support::get(&emulator, "/common/discovery/v2.0/keys");
        (
            format!("{emulator:?}"),
            emulator.client_secret().to_owned(),
            response.body().clone(),
            keys.body().clone(),
        )
    };
    assert_eq!(responses(7), responses(7));
    let (one, other) = (responses(7), responses(8));
    assert!(one.0 != other.0 && one.1 != other.1 && one.2 != other.2 && one.3 != other.3);
}

#[test]
fn defaults_of_a_seed_are_stable() {
    let emulator = Emulator::builder().seed(7).build();
    let shown = [
        emulator.tenant_id(),
        emulator.domain(),
        emulator.client_id(),
        emulator.client_secret(),
    ]
    .join("\n");
    assert_eq!(shown, include_str!("../seed7.txt").trim_end());
}
