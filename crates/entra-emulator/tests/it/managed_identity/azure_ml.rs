//! Azure Machine Learning.

use std::time::{Duration, UNIX_EPOCH};

use entra_emulator::ManagedIdentitySource;
use serde_json::json;

use crate::managed_identity::{Asked, CLIENT_ID, OBJECT_ID, check_identity_parameters, emulator};
use crate::support::claims;

const ML: ManagedIdentitySource = ManagedIdentitySource::AzureMl;

#[test]
fn end_of_the_token_is_an_integer() {
    let emulator = emulator();
    emulator.clock().set(UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    emulator.clock().freeze();
    let mut body = Asked::new(&emulator, ML).body();
    body["access_token"].take();
    assert_eq!(
        body,
        json!({
            "access_token": null,
            "expires_on": 1_700_086_400,
            "resource": "https://vault.azure.net",
            "token_type": "Bearer",
        })
    );
}

#[test]
fn only_client_ids_name_an_identity() {
    check_identity_parameters(ML, &[("clientid", CLIENT_ID)]);
}

#[test]
fn default_identity_is_the_system_assigned_one() {
    let emulator = emulator();
    let environment = emulator.managed_identity_environment(ML);
    let (name, default) = environment.last().unwrap();
    assert_eq!(*name, "DEFAULT_IDENTITY_CLIENT_ID");
    let system = &emulator.managed_identities()[0].object_id;
    for client_id in [default.as_str(), "", "-"] {
        let body = Asked::new(&emulator, ML).with("clientid", client_id).body();
        assert_eq!(claims(&body)["oid"], *system, "{client_id:?}");
    }
}

#[test]
fn errors_have_a_code() {
    let emulator = emulator();
    let asked = || Asked::new(&emulator, ML);
    for (asked, status, code) in [
        (asked().header("secret", "-"), 401, "Unauthorized"),
        (asked().header("secret", "x"), 401, "Unauthorized"),
        (asked().method("POST"), 405, "MethodNotAllowed"),
        (asked().with("api-version", "-"), 400, "UnsupportedApiVersion"),
        (asked().with("resource", "-"), 400, "BadRequest"),
        (asked().with("clientid", OBJECT_ID), 400, "BadRequest"),
        (
            asked().with("resource", "https://nowhere.example"),
            500,
            "InternalServerError",
        ),
    ] {
        assert_eq!(asked.error("/error/code"), (status, json!(code)), "{:?}", asked.query);
    }
}
