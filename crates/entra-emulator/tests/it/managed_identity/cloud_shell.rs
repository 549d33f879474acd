//! Cloud Shell.

use entra_emulator::{Emulator, Lint, Machine, ManagedIdentitySource};
use http::Request;
use serde_json::{Value, json};

use crate::managed_identity::{CLIENT_ID, VAULT, emulator, emulator_with};
use crate::support::{Response, claims, encode, get_as, json_body, post};

/// Posts a form to the source, with the header `Metadata: true`.
fn ask(emulator: &Emulator, fields: &[(&str, &str)]) -> Response {
    send(emulator, "POST", Some("true"), fields)
}

fn send(emulator: &Emulator, method: &str, metadata: Option<&str>, fields: &[(&str, &str)]) -> Response {
    let environment = emulator.managed_identity_environment(ManagedIdentitySource::CloudShell);
    let mut request = Request::builder()
        .method(method)
        .uri(&environment[0].1)
        .header("content-type", "application/x-www-form-urlencoded");
    if let Some(metadata) = metadata {
        request = request.header("metadata", metadata);
    }
    emulator.handle(request.body(encode(fields).into_bytes()).unwrap())
}

fn code(response: &Response) -> (u16, Value) {
    (response.status().as_u16(), json_body(response)["error"]["code"].clone())
}

#[test]
fn token_belongs_to_the_user() {
    let emulator = emulator();
    let body = json_body(&ask(&emulator, &[("resource", VAULT)]));
    let token = claims(&body);
    let user = &emulator.tenants()[0].users.as_deref().unwrap()[0];
    assert_eq!(
        (&token["oid"], &token["upn"]),
        (&json!(user.id), &json!(user.user_principal_name))
    );
    assert_eq!(
        (&token["scp"], &token["aud"]),
        (&json!("user_impersonation"), &json!(VAULT))
    );
    assert!(token["idtyp"].is_null() && token["roles"].is_null(), "{token}");
    let members: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(
        members,
        [
            "access_token",
            "refresh_token",
            "expires_in",
            "expires_on",
            "not_before",
            "resource",
            "token_type"
        ]
    );
    assert!(body.as_object().unwrap().values().all(Value::is_string), "{body}");
    assert!(body["refresh_token"].as_str().is_some_and(|token| token.len() > 30));
}

#[test]
fn refresh_token_is_not_redeemable() {
    let emulator = emulator();
    let body = json_body(&ask(&emulator, &[("resource", VAULT)]));
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", "c44b4083-3bb0-49c1-b47d-974e53cbdf3c"),
        ("refresh_token", body["refresh_token"].as_str().unwrap()),
    ];
    assert_eq!(post(&emulator, &emulator.token_url_v2(), &fields).status(), 400);
}

#[test]
fn configured_user_signs_in() {
    let emulator = emulator_with(Machine::default().cloud_shell_user("alex@contoso.onmicrosoft.com"));
    let body = json_body(&ask(&emulator, &[("resource", Emulator::GRAPH)]));
    let me = get_as(&emulator, "/v1.0/me", body["access_token"].as_str().unwrap());
    assert_eq!(json_body(&me)["displayName"], "Alex Wilber");
}

#[test]
fn only_listed_audiences_are_supported() {
    let emulator = emulator();
    let own = emulator.api().identifiers[0].clone();
    for resource in [&own, "https://nowhere.example", Emulator::MANAGED_DESKTOP] {
        let response = ask(&emulator, &[("resource", resource)]);
        assert_eq!(code(&response), (400, json!("AudienceNotSupported")), "{resource}");
    }
    for resource in [Emulator::AZURE_RESOURCE_MANAGER, Emulator::AZURE_SQL, Emulator::GRAPH] {
        assert_eq!(ask(&emulator, &[("resource", resource)]).status(), 200, "{resource}");
    }
}

#[test]
fn wrong_requests_are_rejected() {
    let emulator = emulator();
    let resource = ("resource", VAULT);
    for (response, expected) in [
        (
            send(&emulator, "GET", Some("true"), &[resource]),
            (405, "MethodNotAllowed"),
        ),
        (send(&emulator, "POST", None, &[resource]), (400, "BadRequest")),
        (send(&emulator, "POST", Some("false"), &[resource]), (400, "BadRequest")),
        (ask(&emulator, &[]), (400, "InvalidRequest")),
        (
            ask(&emulator, &[resource, ("client_id", CLIENT_ID)]),
            (400, "BadRequest"),
        ),
        (ask(&emulator, &[resource, ("msi_res_id", "/x")]), (400, "BadRequest")),
    ] {
        assert_eq!(code(&response), (expected.0, json!(expected.1)));
    }
    ask(&emulator, &[("resource", "a b"), ("secret", "x")]);
    let lints = emulator.requests().pop().unwrap().lints;
    assert_eq!(
        lints,
        [Lint::UnknownParameter("secret".to_owned()), Lint::SeveralScopes]
    );
}
