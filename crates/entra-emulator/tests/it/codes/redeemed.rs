//! The tokens of a code.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_emulator::Lint;
use serde_json::{Value, json};

use crate::codes::{GRAPH, SCOPE, code, emulator, v1, v2};
use crate::support::{authorize_url, claims, error_code, json_body, post};

#[test]
fn v2_code_yields_all_tokens() {
    let emulator = emulator();
    let code = code(
        &emulator,
        "v2.0/authorize",
        &[SCOPE, ("nonce", "n"), ("client_info", "1")],
    );
    let body = json_body(&v2(&emulator, &code, &[("client_info", "1")]));
    assert_eq!(
        (&body["token_type"], &body["expires_in"], &body["ext_expires_in"]),
        (&json!("Bearer"), &json!(3599), &json!(3599))
    );
    assert_eq!(body["scope"], "User.Read openid profile");
    assert!(body["resource"].is_null() && body["expires_on"].is_null() && body["refresh_token"].is_string());
    let adele = &emulator.tenants()[0].users.as_ref().unwrap()[0];
    let info: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body["client_info"].as_str().unwrap()).unwrap()).unwrap();
    assert_eq!(info, json!({"uid": adele.id, "utid": emulator.tenant_id()}));
    let token = claims(&body);
    // Graph is requested by its short name, so the audience is its application ID. The token has
    // all consented scopes, and those that UserInfo requires.
    assert_eq!(
        (&token["aud"], &token["scp"]),
        (
            &json!("00000003-0000-0000-c000-000000000000"),
            &json!("Mail.Read User.Read openid profile")
        )
    );
    assert_eq!(
        (&token["oid"], &token["name"]),
        (&json!(adele.id), &json!("Adele Vance"))
    );
    let id = claims(&json!({"access_token": body["id_token"]}));
    assert_eq!(
        (&id["nonce"], &id["aud"], &id["ver"]),
        (&json!("n"), &json!(emulator.client_id()), &json!("2.0"))
    );
    assert_eq!(
        id["iss"],
        format!("https://login.microsoftonline.com/{}/v2.0", emulator.tenant_id())
    );
    assert_eq!(
        (&id["preferred_username"], &id["auth_time"]),
        (&json!(adele.user_principal_name), &Value::Null)
    );
    assert_ne!(id["sub"], token["sub"]);
}

#[test]
fn plain_scope_yields_only_an_access_token() {
    let emulator = emulator();
    let code = code(&emulator, "v2.0/authorize", &[("scope", "api://orders/read")]);
    let body = json_body(&v2(&emulator, &code, &[]));
    let mut names: Vec<&String> = body.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(
        names,
        ["access_token", "expires_in", "ext_expires_in", "scope", "token_type"]
    );
    let token = claims(&body);
    let (api, adele) = (emulator.api(), &emulator.tenants()[0].users.as_ref().unwrap()[0]);
    assert_eq!(
        (&token["ver"], &token["aud"], &token["azpacr"]),
        (&json!("2.0"), &json!(api.app_id), &json!("1"))
    );
    assert_eq!(
        (&token["preferred_username"], &token["upn"]),
        (&json!(adele.user_principal_name), &Value::Null)
    );
    assert_eq!(body["scope"], "api://orders/read");
}

#[test]
fn default_scope_is_all_consented_scopes() {
    let emulator = emulator();
    let code = code(
        &emulator,
        "v2.0/authorize",
        &[("scope", "https://graph.microsoft.com/.default")],
    );
    let body = json_body(&v2(&emulator, &code, &[]));
    assert_eq!(
        body["scope"],
        "https://graph.microsoft.com/Mail.Read https://graph.microsoft.com/User.Read"
    );
    assert_eq!(claims(&body)["aud"], GRAPH);
}

#[test]
fn v1_resource_is_in_one_of_the_two_requests() {
    let emulator = emulator();
    let resource = ("resource", GRAPH);
    let with = code(&emulator, "authorize", &[resource]);
    assert_eq!(
        error_code(&v1(&emulator, &with, &[("resource", "api://orders")])),
        70000
    );
    let body = json_body(&v1(&emulator, &with, &[]));
    assert_eq!(
        (&body["resource"], &body["scope"]),
        (&json!(GRAPH), &json!("Mail.Read User.Read"))
    );
    let id = claims(&json!({"access_token": body["id_token"]}));
    assert_eq!(
        (&id["ver"], &id["upn"]),
        (&json!("1.0"), &json!("adele@contoso.onmicrosoft.com"))
    );
    let without = code(&emulator, "authorize", &[]);
    assert_eq!(error_code(&v1(&emulator, &without, &[])), 900144);
    assert_eq!(
        error_code(&v1(&emulator, &without, &[("resource", "https://manage.office.com")])),
        650057
    );
    assert_eq!(
        error_code(&v1(&emulator, &without, &[("resource", "https://nowhere.example")])),
        500011
    );
    assert_eq!(error_code(&v1(&emulator, &without, &[resource])), 0);
    // A request without a redirect URI need not repeat it.
    let url = authorize_url(&emulator, "authorize", &[resource]);
    let code = emulator
        .approve(&url, "Adele Vance")
        .unwrap()
        .parameter("code")
        .unwrap();
    assert_eq!(error_code(&v1(&emulator, &code, &[("redirect_uri", "-")])), 0);
}

#[test]
fn public_clients_have_no_secret() {
    let emulator = emulator();
    let native = emulator.app("native").unwrap();
    let fields = [
        SCOPE,
        ("client_id", native.client_id.as_str()),
        ("redirect_uri", "http://localhost:8400"),
    ];
    let code = code(&emulator, "v2.0/authorize", &fields);
    let own = [
        ("client_id", native.client_id.as_str()),
        ("redirect_uri", "http://localhost:8400"),
    ];
    assert_eq!(error_code(&v2(&emulator, &code, &own)), 700025);
    let body = json_body(&v2(&emulator, &code, &[own[0], own[1], ("client_secret", "-")]));
    assert_eq!(claims(&body)["appidacr"], "0");
    let app_only = [
        ("grant_type", "client_credentials"),
        ("client_id", &native.client_id),
        ("scope", ".default"),
    ];
    assert_eq!(
        error_code(&post(&emulator, &emulator.token_url_v2(), &app_only)),
        7000218
    );
}

#[test]
fn auth_time_is_sent_on_request() {
    let emulator = emulator();
    for more in [
        ("max_age", "0"),
        ("claims", r#"{"id_token":{"auth_time":{"essential":true}}}"#),
    ] {
        let code = code(&emulator, "v2.0/authorize", &[SCOPE, more]);
        let body = json_body(&v2(&emulator, &code, &[]));
        assert!(claims(&json!({"access_token": body["id_token"]}))["auth_time"].is_u64());
    }
}

#[test]
fn v1_code_needs_a_scope_on_v2() {
    let emulator = emulator();
    let code = code(&emulator, "authorize", &[("resource", GRAPH)]);
    assert_eq!(error_code(&v2(&emulator, &code, &[])), 900144);
    let body = json_body(&v2(&emulator, &code, &[("scope", "openid api://orders/read")]));
    assert_eq!(body["scope"], "api://orders/read openid");
    assert_eq!(claims(&body)["aud"], emulator.api().app_id);
    assert!(body["id_token"].is_string() && body["refresh_token"].is_null());
}

#[test]
fn scopes_of_the_token_request_take_precedence() {
    let emulator = emulator();
    let redeem = |asked: &str, named: &str| {
        let code = code(&emulator, "v2.0/authorize", &[("scope", asked)]);
        let body = json_body(&v2(&emulator, &code, &[("scope", named)]));
        let has = |name: &str| body[name].is_string();
        let is_beyond = emulator
            .requests()
            .pop()
            .unwrap()
            .lints
            .contains(&Lint::ScopeBeyondCode);
        (
            body["scope"].as_str().unwrap_or_default().to_owned(),
            has("id_token"),
            has("refresh_token"),
            is_beyond,
        )
    };
    let is = |scope: &str, id_token, refresh_token, is_beyond| (scope.to_owned(), id_token, refresh_token, is_beyond);
    // Scopes beyond the authorization request are accepted, with a lint, alone and together with
    // others.
    assert_eq!(
        redeem("User.Read", "openid offline_access User.Read"),
        is("User.Read openid", true, true, true)
    );
    assert_eq!(
        redeem("User.Read", "openid offline_access"),
        is("User.Read openid", true, true, true)
    );
    assert_eq!(redeem("User.Read", "Mail.Read"), is("Mail.Read", false, false, true));
    assert!(redeem("User.Read", "https://graph.microsoft.com/.default").3);
    // The documents expect the same or fewer scopes.
    assert_eq!(
        redeem("openid offline_access User.Read", "openid"),
        is("User.Read openid", true, true, false)
    );
    let spelled = "https://graph.microsoft.com/user.read";
    assert_eq!(redeem("User.Read Mail.Read", spelled), is(spelled, false, false, false));
    assert!(!redeem("https://graph.microsoft.com/.default", "User.Read").3);
}
