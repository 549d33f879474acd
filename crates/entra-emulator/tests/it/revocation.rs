//! Continuous access evaluation: a revoked token is refused with a challenge, and a token got in answer to it is accepted.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entra_emulator::{App, Emulator, EmulatorBuilder};
use http::Request;
use serde_json::{Value, json};

use crate::support::{Answer, claims, encode, get_as, json_body, token};

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

/// The answer to a request for a token of Graph by that app, with these claims.
fn ask(emulator: &Emulator, app: &str, claims: &str) -> Value {
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

fn users(emulator: &Emulator, token: &Value) -> Answer {
    get_as(
        emulator,
        "/v1.0/users",
        token["access_token"].as_str().expect("a token"),
    )
}

fn is_accepted(emulator: &Emulator, token: &Value) -> bool {
    users(emulator, token).status() == 200
}

fn challenge(answer: &Answer) -> &str {
    assert_eq!(answer.status(), 401);
    answer.headers()["www-authenticate"].to_str().unwrap()
}

/// The claims of a challenge.
fn asked(answer: &Answer) -> Value {
    let (_, rest) = challenge(answer).split_once(", claims=\"").expect("a claims challenge");
    let text = STANDARD.decode(rest.strip_suffix('"').unwrap()).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// What a client sends in answer to it: the claims, and what it can handle.
fn answering(mut claims: Value) -> String {
    claims["access_token"]["xms_cc"] = json!({"values": ["cp1"]});
    claims.to_string()
}

#[test]
fn a_client_that_can_answer_is_challenged() {
    let emulator = emulator();
    let old = ask(&emulator, "first", CP1);
    assert!(is_accepted(&emulator, &old));
    emulator.clock().advance(Duration::from_secs(10));
    emulator.revoke_tokens();
    emulator.clock().advance(Duration::from_secs(10));
    let refused = users(&emulator, &old);
    assert_eq!(
        asked(&refused),
        json!({"access_token": {"nbf": {"essential": true, "value": (NOW + 10).to_string()}}})
    );
    let says = "Continuous access evaluation resulted in challenge with result: InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp";
    let start = format!(
        "Bearer realm=\"\", authorization_uri=\"{}/common/oauth2/authorize\", client_id=\"00000003-0000-0000-c000-000000000000\", error_description=\"{says}\", error=\"insufficient_claims\", claims=\"",
        emulator.base_url()
    );
    assert!(challenge(&refused).starts_with(&start), "{}", challenge(&refused));
    let body = json_body(&refused);
    assert_eq!(
        (&body["error"]["code"], &body["error"]["message"]),
        (&json!("InvalidAuthenticationToken"), &json!(says))
    );
}

#[test]
fn the_answer_to_a_challenge_is_accepted_in_the_very_same_second() {
    for capability in ["cp1", "CP1"] {
        let emulator = emulator();
        let said = CP1.replace("cp1", capability);
        let old = ask(&emulator, "first", &said);
        emulator.revoke_tokens();
        let new = ask(&emulator, "first", &answering(asked(&users(&emulator, &old))));
        assert!(is_accepted(&emulator, &new));
        assert!(!is_accepted(&emulator, &old));
        assert_eq!(claims(&new)["nbf"], NOW, "as late as the challenge wants it");
        assert_eq!(claims(&old)["nbf"], NOW - 300);
    }
}

#[test]
fn any_token_of_after_is_accepted() {
    let emulator = emulator();
    emulator.revoke_tokens();
    for claims in ["", "{}", CP1] {
        assert!(is_accepted(&emulator, &ask(&emulator, "first", claims)), "{claims}");
    }
}

#[test]
fn a_client_that_cannot_answer_is_told_that_its_token_is_no_good() {
    for claims in ["", r#"{"access_token":{"xms_cc":{"values":["cp2"]}}}"#] {
        let emulator = emulator();
        let old = ask(&emulator, "first", claims);
        emulator.revoke_tokens();
        let refused = users(&emulator, &old);
        let expected = format!(
            "Bearer realm=\"\", authorization_uri=\"{}/common/oauth2/authorize\", client_id=\"00000003-0000-0000-c000-000000000000\", error_description=\"Access token validation failure. The token was revoked.\", error=\"invalid_token\"",
            emulator.base_url()
        );
        assert_eq!(challenge(&refused), expected);
        assert_eq!(json_body(&refused)["error"]["code"], "InvalidAuthenticationToken");
        assert!(is_accepted(&emulator, &ask(&emulator, "first", claims)));
    }
}

#[test]
fn one_app_is_revoked_and_another_is_not() {
    let emulator = emulator();
    for by_name in [true, false] {
        let [first, second] = ["first", "second"].map(|app| ask(&emulator, app, CP1));
        let app = emulator.app("first").unwrap();
        emulator.revoke_tokens_of(if by_name { &app.name } else { &app.client_id });
        assert!(!is_accepted(&emulator, &first));
        assert!(is_accepted(&emulator, &second));
        assert!(is_accepted(&emulator, &ask(&emulator, "first", CP1)));
        emulator.revoke_tokens();
        assert!(!is_accepted(&emulator, &second));
    }
}

#[test]
#[should_panic = "no app is called \"frist\""]
fn a_misspelt_app_is_noticed() {
    emulator().revoke_tokens_of("frist");
}

#[test]
fn each_revocation_hits_what_was_issued_since_the_one_before() {
    let emulator = emulator();
    let mut latest = ask(&emulator, "first", CP1);
    for _ in 0..3 {
        emulator.revoke_tokens();
        emulator.revoke_tokens();
        let new = ask(&emulator, "first", &answering(asked(&users(&emulator, &latest))));
        assert!(!is_accepted(&emulator, &latest));
        assert!(is_accepted(&emulator, &new));
        latest = new;
    }
}

#[test]
fn the_clock_does_not_decide_which_token_came_first() {
    let emulator = emulator();
    let old = ask(&emulator, "first", CP1);
    emulator.revoke_tokens();
    emulator.clock().set(UNIX_EPOCH + Duration::from_secs(NOW - 200));
    let new = ask(&emulator, "first", &answering(asked(&users(&emulator, &old))));
    assert_eq!(claims(&new)["nbf"], NOW - 200, "no token is valid only later");
    assert!(is_accepted(&emulator, &new));
    assert!(!is_accepted(&emulator, &old));
    emulator.clock().advance(Duration::from_secs(10_000));
    assert!(
        !challenge(&users(&emulator, &old)).contains("insufficient_claims"),
        "it has expired, too"
    );
}

#[test]
fn the_not_before_that_is_asked_for_is_kept() {
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
        assert_eq!(claims(&ask(&emulator, "first", &wanted))["nbf"], expected, "{wanted}");
        let body = crate::support::form(&emulator, &[("resource", RESOURCE), ("claims", &wanted)]);
        let v1 = json_body(&token(&emulator, "token", &body));
        assert_eq!(v1["not_before"], expected.to_string(), "{wanted}");
    }
}

#[test]
fn a_challenge_names_the_address_by_which_the_client_knows_the_emulator() {
    let emulator = builder().build();
    let old = ask(&emulator, "first", CP1);
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
        let answer = emulator.handle(request.body(Vec::new()).unwrap());
        let expected = format!("authorization_uri=\"{login}/common/oauth2/authorize\"");
        assert!(challenge(&answer).contains(&expected), "{}", challenge(&answer));
    }
}

#[test]
fn revoked_user_is_challenged_and_the_app_is_not() {
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
            crate::support::control::told(&emulator, "/v1/revocations", json!({"user": user}));
        } else {
            emulator.revoke_sessions_of(user);
        }
        assert_eq!((status(&of_app), status(&of_another)), (200, 200));
        let answer = get_as(&emulator, "/v1.0/me", &of_user);
        let wanted = json!({"nbf": {"essential": true, "value": NOW.to_string()}});
        assert_eq!(asked(&answer)["access_token"], wanted);
        assert_eq!(status(&forge().user(user).token()), 200);
    }
}
