//! Refresh tokens.

use std::time::Duration;

use entra_emulator::{Api, App, Emulator, Tenant};
use serde_json::{Value, json};

use crate::support::{REDIRECT, Response, claims, error_code, json_body, merge, post, sign_in};

const GRAPH: &str = "https://graph.microsoft.com";

fn emulator() -> Emulator {
    let emulator = Emulator::builder()
        .tenant(Tenant::new("contoso.onmicrosoft.com"))
        .tenant(Tenant::new("other.example"))
        .api(Api::new("api://orders").scope("read").scope("write"))
        .app(
            App::new("web")
                .secret("s3cret")
                .redirect_uri(REDIRECT)
                .grant_scope(GRAPH, "User.Read")
                .grant_scope("api://orders", "read"),
        )
        .app(App::new("other").secret("other-secret").redirect_uri(REDIRECT))
        .build();
    emulator.clock().freeze();
    emulator
}

/// Returns the response to the redemption of an authorization code.
fn first(emulator: &Emulator, version: &str, more: (&str, &str)) -> Value {
    sign_in(emulator, version, "Adele Vance", &[("nonce", "n"), more])
}

fn refresh(emulator: &Emulator, path: &str, token: &str, more: &[(&str, &str)]) -> Response {
    let mut fields = vec![
        ("grant_type", "refresh_token"),
        ("client_id", emulator.client_id()),
        ("client_secret", "s3cret"),
        ("refresh_token", token),
    ];
    merge(&mut fields, more);
    post(emulator, path, &fields)
}

const SCOPE: (&str, &str) = ("scope", "openid offline_access User.Read");

#[test]
fn each_response_has_a_new_refresh_token() {
    let emulator = emulator();
    let body = first(&emulator, "v2.0/", SCOPE);
    let old = body["refresh_token"].as_str().unwrap();
    let next = json_body(&refresh(&emulator, &emulator.token_url_v2(), old, &[]));
    assert_ne!(next["refresh_token"], body["refresh_token"]);
    assert_eq!(
        (&next["scope"], claims(&next)["scp"].as_str()),
        (&body["scope"], Some("User.Read openid"))
    );
    // The nonce of the first request is not repeated.
    assert_eq!(claims(&json!({"access_token": body["id_token"]}))["nonce"], "n");
    assert!(claims(&json!({"access_token": next["id_token"]}))["nonce"].is_null());
    for token in [old, next["refresh_token"].as_str().unwrap()] {
        assert_eq!(
            error_code(&refresh(&emulator, "/common/oauth2/v2.0/token", token, &[])),
            0
        );
    }
}

#[test]
fn consented_resource_can_be_requested() {
    let emulator = emulator();
    let body = first(&emulator, "v2.0/", SCOPE);
    let token = body["refresh_token"].as_str().unwrap();
    let orders = json_body(&refresh(
        &emulator,
        &emulator.token_url_v2(),
        token,
        &[("scope", "api://orders/read")],
    ));
    assert_eq!(
        (&claims(&orders)["aud"], &orders["scope"]),
        (&json!("api://orders"), &json!("api://orders/read openid"))
    );
    // Of several resources, the first one counts.
    let both = json_body(&refresh(
        &emulator,
        &emulator.token_url_v2(),
        token,
        &[("scope", "api://orders/read User.Read")],
    ));
    assert_eq!(claims(&both)["aud"], "api://orders");
    let body = refresh(
        &emulator,
        &emulator.token_url_v2(),
        token,
        &[("scope", "api://orders/write")],
    );
    assert_eq!(
        (error_code(&body), &json_body(&body)["suberror"]),
        (65001, &json!("consent_required"))
    );
    assert_eq!(
        error_code(&refresh(
            &emulator,
            &emulator.token_url_v2(),
            token,
            &[("scope", "api://nowhere/x")]
        )),
        500011
    );
}

#[test]
fn v1_refresh_names_the_resource() {
    let emulator = emulator();
    let body = first(&emulator, "", ("resource", GRAPH));
    let token = body["refresh_token"].as_str().unwrap();
    let again = json_body(&refresh(&emulator, &emulator.token_url_v1(), token, &[]));
    assert_eq!(
        (&again["resource"], &again["expires_in"]),
        (&json!(GRAPH), &json!("3599"))
    );
    let orders = json_body(&refresh(
        &emulator,
        &emulator.token_url_v1(),
        token,
        &[("resource", "api://orders")],
    ));
    assert_eq!(
        (&orders["resource"], &orders["scope"]),
        (&json!("api://orders"), &json!("read"))
    );
    let unlisted = refresh(
        &emulator,
        &emulator.token_url_v1(),
        token,
        &[("resource", "https://manage.office.com")],
    );
    assert_eq!(error_code(&unlisted), 650057);
}

#[test]
fn invalid_refresh_requests_are_rejected() {
    let emulator = emulator();
    let body = first(&emulator, "v2.0/", SCOPE);
    let token = body["refresh_token"].as_str().unwrap();
    let other = emulator.app("other").unwrap();
    for (more, code) in [
        (
            &[
                ("client_id", other.client_id.as_str()),
                ("client_secret", "other-secret"),
            ][..],
            700007,
        ),
        (&[("refresh_token", "made up")], 9002313),
        (&[("refresh_token", "-")], 900144),
        (&[("client_secret", "-")], 7000218),
        (&[("client_secret", "wrong")], 7000215),
        (&[("resource", GRAPH)], 901002),
    ] {
        assert_eq!(
            error_code(&refresh(&emulator, &emulator.token_url_v2(), token, more)),
            code,
            "{more:?}"
        );
    }
    assert_eq!(
        error_code(&refresh(&emulator, "/other.example/oauth2/v2.0/token", token, &[])),
        7000012
    );
    emulator.clock().advance(Duration::from_secs(90 * 24 * 3_600 - 1));
    assert_eq!(error_code(&refresh(&emulator, &emulator.token_url_v2(), token, &[])), 0);
    emulator.clock().advance(Duration::from_secs(1));
    assert_eq!(
        error_code(&refresh(&emulator, &emulator.token_url_v2(), token, &[])),
        700082
    );
}

#[test]
fn revoked_session_needs_a_new_sign_in() {
    let emulator = emulator();
    let body = first(&emulator, "v2.0/", SCOPE);
    let token = body["refresh_token"].as_str().unwrap();
    emulator.revoke_sessions_of("Alex Wilber");
    assert_eq!(error_code(&refresh(&emulator, &emulator.token_url_v2(), token, &[])), 0);
    emulator.revoke_sessions_of("adele@contoso.onmicrosoft.com");
    assert_eq!(
        error_code(&refresh(&emulator, &emulator.token_url_v2(), token, &[])),
        50173
    );
    let body = first(&emulator, "v2.0/", SCOPE);
    let token = body["refresh_token"].as_str().unwrap();
    assert_eq!(error_code(&refresh(&emulator, &emulator.token_url_v2(), token, &[])), 0);
}

#[test]
fn requested_authentication_context_is_in_the_token() {
    let emulator = emulator();
    let body = first(&emulator, "v2.0/", SCOPE);
    assert_eq!(claims(&body)["acrs"], Value::Null);
    let token = body["refresh_token"].as_str().unwrap();
    for (acrs, expected) in [
        (json!({"essential": true, "value": "c1"}), json!(["c1"])),
        (json!({"essential": true, "values": ["c1", "c2"]}), json!(["c1", "c2"])),
        (json!({"essential": true}), Value::Null),
        (json!("c1"), Value::Null),
    ] {
        let wanted = json!({"access_token": {"acrs": acrs}}).to_string();
        let response = refresh(&emulator, &emulator.token_url_v2(), token, &[("claims", &wanted)]);
        assert_eq!(claims(&json_body(&response))["acrs"], expected, "{wanted}");
    }
}
