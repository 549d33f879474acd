//! Continuous access evaluation: a revoked token is rejected with a challenge, and a token that
//! satisfies the challenge is accepted.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entra_emulator::{App, Emulator, EmulatorBuilder};
use http::Request;
use serde_json::{Value, json};

use crate::support::{Response, claims, encode, get_as, json_body, token};

const SCOPE: &str = "https://graph.microsoft.com/.default";
const RESOURCE: &str = "https://graph.microsoft.com";
const CP1: &str = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;
const NOW: u64 = 1_767_225_600;

fn builder() -> EmulatorBuilder {
    let app = |name: &str| App::new(name).grant(Emulator::GRAPH, "User.Read.All");
    Emulator::builder()
        .frozen_at(UNIX_EPOCH + Duration::from_secs(NOW))
        .app(app("first"))
        .app(app("second"))
}

fn emulator() -> Emulator {
    builder().build()
}

/// Returns the response to a token request of this application for Graph, with these claims.
fn send(emulator: &Emulator, app: &str, claims: &str) -> Value {
    let app = emulator.app(app).unwrap();
    let secret = &app.secrets.as_ref().unwrap()[0].value;
    let body = encode(&[
        ("grant_type", "client_credentials"),
        ("client_id", &app.client_id),
        ("client_secret", secret),
        ("scope", SCOPE),
        ("claims", claims),
    ]);
    json_body(&token(emulator, "v2.0/token", &body))
}

fn users(emulator: &Emulator, token: &Value) -> Response {
    get_as(
        emulator,
        "/v1.0/users",
        token["access_token"].as_str().expect("a token"),
    )
}

fn is_accepted(emulator: &Emulator, token: &Value) -> bool {
    users(emulator, token).status() == 200
}

fn challenge(response: &Response) -> &str {
    assert_eq!(response.status(), 401);
    response.headers()["www-authenticate"].to_str().unwrap()
}

/// Returns the claims of a challenge.
fn challenged_claims(response: &Response) -> Value {
    let (_, rest) = challenge(response)
        .split_once(", claims=\"")
        .expect("a claims challenge");
    let text = STANDARD.decode(rest.strip_suffix('"').unwrap()).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// Returns the claims that a client sends after a challenge: the challenge's, and its capabilities.
fn claims_after(mut claims: Value) -> String {
    claims["access_token"]["xms_cc"] = json!({"values": ["cp1"]});
    claims.to_string()
}

#[test]
fn capable_client_gets_a_claims_challenge() {
    let emulator = emulator();
    let old = send(&emulator, "first", CP1);
    assert!(is_accepted(&emulator, &old));
    emulator.clock().advance(Duration::from_secs(10));
    emulator.revoke_tokens();
    emulator.clock().advance(Duration::from_secs(10));
    let rejected = users(&emulator, &old);
    assert_eq!(
        challenged_claims(&rejected),
        json!({"access_token": {"nbf": {"essential": true, "value": (NOW + 10).to_string()}}})
    );
    let says = "Continuous access evaluation resulted in challenge with result: InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp";
    let start = format!(
        "Bearer realm=\"\", authorization_uri=\"{}/common/oauth2/authorize\", client_id=\"00000003-0000-0000-c000-000000000000\", error_description=\"{says}\", error=\"insufficient_claims\", claims=\"",
        emulator.base_url()
    );
    assert!(challenge(&rejected).starts_with(&start), "{}", challenge(&rejected));
    let body = json_body(&rejected);
    assert_eq!(
        (&body["error"]["code"], &body["error"]["message"]),
        (&json!("InvalidAuthenticationToken"), &json!(says))
    );
}

#[test]
fn challenged_claims_work_within_the_same_second() {
    for capability in ["cp1", "CP1"] {
        let emulator = emulator();
        let said = CP1.replace("cp1", capability);
        let old = send(&emulator, "first", &said);
        emulator.revoke_tokens();
        let new = send(
            &emulator,
            "first",
            &claims_after(challenged_claims(&users(&emulator, &old))),
        );
        assert!(is_accepted(&emulator, &new));
        assert!(!is_accepted(&emulator, &old));
        assert_eq!(claims(&new)["nbf"], NOW, "as late as the challenge requires");
        assert_eq!(claims(&old)["nbf"], NOW - 300);
    }
}

#[test]
fn tokens_issued_after_revocation_are_accepted() {
    let emulator = emulator();
    emulator.revoke_tokens();
    for claims in ["", "{}", CP1] {
        assert!(is_accepted(&emulator, &send(&emulator, "first", claims)), "{claims}");
    }
}

#[test]
fn incapable_client_gets_invalid_token() {
    for claims in ["", r#"{"access_token":{"xms_cc":{"values":["cp2"]}}}"#] {
        let emulator = emulator();
        let old = send(&emulator, "first", claims);
        emulator.revoke_tokens();
        let rejected = users(&emulator, &old);
        let expected = format!(
            "Bearer realm=\"\", authorization_uri=\"{}/common/oauth2/authorize\", client_id=\"00000003-0000-0000-c000-000000000000\", error_description=\"Access token validation failure. The token was revoked.\", error=\"invalid_token\"",
            emulator.base_url()
        );
        assert_eq!(challenge(&rejected), expected);
        assert_eq!(json_body(&rejected)["error"]["code"], "InvalidAuthenticationToken");
        assert!(is_accepted(&emulator, &send(&emulator, "first", claims)));
    }
}

#[test]
fn revocation_can_be_limited_to_an_app() {
    let emulator = emulator();
    for by_name in [true, false] {
        let [first, second] = ["first", "second"].map(|app| send(&emulator, app, CP1));
        let app = emulator.app("first").unwrap();
        emulator.revoke_tokens_of(if by_name { &app.name } else { &app.client_id });
        assert!(!is_accepted(&emulator, &first));
        assert!(is_accepted(&emulator, &second));
        assert!(is_accepted(&emulator, &send(&emulator, "first", CP1)));
        emulator.revoke_tokens();
        assert!(!is_accepted(&emulator, &second));
    }
}

#[test]
#[should_panic = "no application or managed identity has the name or the client ID \"frist\""]
fn misspelt_app_panics() {
    emulator().revoke_tokens_of("frist");
}

#[test]
fn each_revocation_applies_to_newer_tokens() {
    let emulator = emulator();
    let mut latest = send(&emulator, "first", CP1);
    for _ in 0..3 {
        emulator.revoke_tokens();
        emulator.revoke_tokens();
        let new = send(
            &emulator,
            "first",
            &claims_after(challenged_claims(&users(&emulator, &latest))),
        );
        assert!(!is_accepted(&emulator, &latest));
        assert!(is_accepted(&emulator, &new));
        latest = new;
    }
}

#[test]
fn issue_order_does_not_depend_on_the_clock() {
    let emulator = emulator();
    let old = send(&emulator, "first", CP1);
    emulator.revoke_tokens();
    emulator.clock().set(UNIX_EPOCH + Duration::from_secs(NOW - 200));
    let new = send(
        &emulator,
        "first",
        &claims_after(challenged_claims(&users(&emulator, &old))),
    );
    assert_eq!(claims(&new)["nbf"], NOW - 200, "no token is valid only in the future");
    assert!(is_accepted(&emulator, &new));
    assert!(!is_accepted(&emulator, &old));
    emulator.clock().advance(Duration::from_secs(10_000));
    assert!(
        !challenge(&users(&emulator, &old)).contains("insufficient_claims"),
        "the token has expired, too"
    );
}

#[test]
fn requested_not_before_is_honored() {
    let emulator = emulator();
    for (value, expected) in [
        (json!((NOW - 100).to_string()), NOW - 100),
        (json!(NOW - 100), NOW - 100),
        (json!((NOW - 1_000).to_string()), NOW - 300),
        (json!(u64::MAX), NOW),
        (json!("soon"), NOW - 300),
        (json!(-1), NOW - 300),
        (Value::Null, NOW - 300),
    ] {
        let wanted = json!({"access_token": {"nbf": {"essential": true, "value": value}}}).to_string();
        assert_eq!(claims(&send(&emulator, "first", &wanted))["nbf"], expected, "{wanted}");
        let body = crate::support::form(&emulator, &[("resource", RESOURCE), ("claims", &wanted)]);
        let v1 = json_body(&token(&emulator, "token", &body));
        assert_eq!(v1["not_before"], expected.to_string(), "{wanted}");
    }
}

#[test]
fn challenge_names_the_origin_of_the_request() {
    let emulator = builder().build();
    let old = send(&emulator, "first", CP1);
    emulator.revoke_tokens();
    for (url, login) in [
        ("http://127.0.0.1:8400/v1.0/users", "http://127.0.0.1:8400"),
        ("https://entra.test/v1.0/users", "https://entra.test"),
        (
            "https://graph.microsoft.com/v1.0/users",
            "https://login.microsoftonline.com",
        ),
    ] {
        let bearer = format!("Bearer {}", old["access_token"].as_str().unwrap());
        let request = Request::get(url).header("authorization", bearer);
        let response = emulator.handle(request.body(Vec::new()).unwrap());
        let expected = format!("authorization_uri=\"{login}/common/oauth2/authorize\"");
        assert!(challenge(&response).contains(&expected), "{}", challenge(&response));
    }
}

#[test]
fn only_the_revoked_user_is_challenged() {
    let emulator = emulator();
    let user = "adele@contoso.onmicrosoft.com";
    let forge = || emulator.forge().api(RESOURCE).claim("xms_cc", json!(["cp1"]));
    let status = |token: &str| get_as(&emulator, "/v1.0/users", token).status().as_u16();
    for by_control in [false, true] {
        let (of_user, of_app) = (forge().user(user).token(), forge().token());
        let of_another = forge().user("Alex Wilber").token();
        assert_eq!(
            (status(&of_user), status(&of_app), status(&of_another)),
            (200, 200, 200)
        );
        if by_control {
            crate::support::control::post_ok(&emulator, "/v1/revocations", json!({"user": user}));
        } else {
            emulator.revoke_sessions_of(user);
        }
        assert_eq!((status(&of_app), status(&of_another)), (200, 200));
        let response = get_as(&emulator, "/v1.0/me", &of_user);
        let wanted = json!({"nbf": {"essential": true, "value": NOW.to_string()}});
        assert_eq!(challenged_claims(&response)["access_token"], wanted);
        assert_eq!(status(&forge().user(user).token()), 200);
    }
}
