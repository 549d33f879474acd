//! App Service, in both versions.

use std::time::{Duration, UNIX_EPOCH};

use entra_emulator::{Emulator, Lint, Machine, ManagedIdentitySource};
use serde_json::{Value, json};

use crate::managed_identity::{
    Asked, CLIENT_ID, OBJECT_ID, RESOURCE_ID, VAULT, check_identity_parameters, emulator, emulator_with, identities,
};
use crate::support::{claims, json_body};

const NEW: ManagedIdentitySource = ManagedIdentitySource::AppService;
const OLD: ManagedIdentitySource = ManagedIdentitySource::AppService2017;

#[test]
fn response_has_its_end_and_no_lifetime() {
    let machine = identities().into_iter().fold(Machine::default(), Machine::identity);
    let client_id = "abcdefab-2222-3333-4444-555555555555";
    let machine = machine.identity(entra_emulator::ManagedIdentity::user_assigned("x").client_id(client_id));
    let emulator = Emulator::builder()
        .machine(machine)
        .frozen_at(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
        .build();
    let mut body = Asked::new(&emulator, NEW).with("client_id", client_id).body();
    body["access_token"].take();
    assert_eq!(
        body,
        json!({
            "access_token": null,
            "expires_on": "1700086400",
            "resource": VAULT,
            "token_type": "Bearer",
            "client_id": client_id.to_uppercase(),
        })
    );
}

#[test]
fn identity_parameters_are_those_of_app_service() {
    let table = [
        ("client_id", CLIENT_ID),
        ("object_id", OBJECT_ID),
        ("principal_id", OBJECT_ID),
        ("mi_res_id", RESOURCE_ID),
    ];
    check_identity_parameters(NEW, &table);
    check_identity_parameters(OLD, &[("clientid", CLIENT_ID)]);
}

#[test]
fn endpoint_with_a_trailing_slash_is_the_same() {
    let emulator = emulator();
    let mut asked = Asked::new(&emulator, NEW);
    asked.url.push('/');
    asked.body();
}

#[test]
fn secret_must_be_in_the_header_of_its_version() {
    let emulator = emulator();
    for (source, own, other) in [
        (NEW, "x-identity-header", "secret"),
        (OLD, "secret", "x-identity-header"),
    ] {
        let environment = emulator.managed_identity_environment(source);
        let secret = &environment.last().unwrap().1;
        let asked = || Asked::new(&emulator, source);
        for asked in [
            asked().header(own, "-"),
            asked().header(own, ""),
            asked().header(own, &secret.to_lowercase()),
            asked().header(own, "-").header(other, secret),
            asked().header(own, "-").with(other, secret),
        ] {
            assert_eq!(asked.send().status(), 401, "{source:?} {:?}", asked.headers);
        }
        assert!(emulator.requests().pop().unwrap().lints.contains(&Lint::SecretInUrl));
        assert_eq!(asked().send().status(), 200);
    }
    // The recorder shows no secret.
    let secrets = [NEW, OLD].map(|source| emulator.managed_identity_environment(source).pop().unwrap().1);
    let shown = format!("{emulator:?} {:?}", emulator.requests());
    let lines: String = emulator.requests().iter().map(|event| format!("{event}\n")).collect();
    for secret in secrets {
        assert!(!shown.contains(&secret) && !lines.contains(&secret), "{shown}");
    }
}

#[test]
fn errors_have_the_shape_of_the_platform() {
    let emulator = emulator();
    let asked = || Asked::new(&emulator, NEW);
    for (asked, status) in [
        (asked().header("x-identity-header", "-"), 401),
        (asked().method("POST"), 405),
        (asked().with("resource", "-"), 400),
        (asked().with("client_id", OBJECT_ID), 400),
        (asked().with("client_id", CLIENT_ID).with("mi_res_id", RESOURCE_ID), 400),
        (asked().with("resource", "https://nowhere.example"), 500),
    ] {
        assert_eq!(asked.error("/statusCode"), (status, json!(status)), "{:?}", asked.query);
        let body = json_body(&asked.send());
        assert!(
            body["message"].is_string() && body["correlationId"].is_string(),
            "{body}"
        );
        let event = emulator.requests().pop().unwrap();
        assert!(event.problem.is_some(), "{event}");
    }
    let event = emulator.requests().pop().unwrap();
    assert_eq!(event.aadsts, Some(500_011), "only the recorder knows the reason");
    for version in ["2017-09-01", "2020-01-01", "-"] {
        let error = asked().with("api-version", version).error("/error/code");
        assert_eq!(error, (400, json!("UnsupportedApiVersion")), "{version}");
    }
    let error = Asked::new(&emulator, OLD)
        .with("api-version", "2019-08-01")
        .error("/error/code");
    assert_eq!(error, (400, json!("UnsupportedApiVersion")));
}

#[test]
fn old_version_writes_dates() {
    for (machine, date) in [
        (Machine::default(), "11/15/2023 22:13:20 +00:00"),
        (
            Machine::default().app_service_on_windows(),
            "11/15/2023 10:13:20 PM +00:00",
        ),
    ] {
        let emulator = emulator_with(machine);
        emulator.clock().set(UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        emulator.clock().freeze();
        let body = Asked::new(&emulator, OLD).body();
        let end = body["expires_on"].as_str().unwrap();
        assert!(end.starts_with(&date[..15]), "{end}");
        assert_eq!(end.ends_with("PM +00:00"), date.ends_with("PM +00:00"), "{end}");
        let members: Vec<&String> = body.as_object().unwrap().keys().collect();
        assert_eq!(members, ["access_token", "expires_on", "resource", "token_type"]);
    }
}

#[test]
fn missing_metadata_header_is_only_a_lint() {
    let emulator = emulator();
    let body: Value = Asked::new(&emulator, NEW).header("metadata", "-").body();
    assert_eq!(claims(&body)["idtyp"], "app");
    assert_eq!(emulator.requests()[0].lints, [Lint::MissingMetadata]);
}
