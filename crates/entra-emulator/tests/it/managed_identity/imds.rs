//! The Azure Instance Metadata Service.

use std::time::{Duration, UNIX_EPOCH};

use entra_emulator::{Emulator, Fault, Lint, Machine, ManagedIdentity, ManagedIdentitySource, Purpose};
use serde_json::json;

use crate::managed_identity::{
    Asked, CLIENT_ID, OBJECT_ID, RESOURCE_ID, VAULT, check_identity_parameters, emulator, identities,
};
use crate::support::{claims, json_body};

const IMDS: ManagedIdentitySource = ManagedIdentitySource::Imds;

#[test]
fn response_has_every_number_as_a_string() {
    let machine = identities().into_iter().fold(Machine::default(), Machine::identity);
    let emulator = Emulator::builder()
        .machine(machine)
        .frozen_at(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
        .build();
    let mut body = Asked::new(&emulator, IMDS).with("client_id", CLIENT_ID).body();
    let token = body["access_token"].take();
    assert!(token.as_str().is_some_and(|token| token.split('.').count() == 3));
    assert_eq!(
        body,
        json!({
            "access_token": null,
            "refresh_token": "",
            "expires_in": "86399",
            "expires_on": "1700086400",
            "not_before": "1699999700",
            "resource": VAULT,
            "token_type": "Bearer",
            "client_id": CLIENT_ID,
            "ext_expires_in": "86399",
        })
    );
}

#[test]
fn identity_parameters_are_those_of_imds() {
    let table = [
        ("client_id", CLIENT_ID),
        ("object_id", OBJECT_ID),
        ("msi_res_id", RESOURCE_ID),
    ];
    check_identity_parameters(IMDS, &table);
}

#[test]
fn only_the_first_segment_ignores_case() {
    let emulator = emulator();
    let with_path = |path: &str| {
        let mut asked = Asked::new(&emulator, IMDS);
        asked.url = format!("{}{path}", emulator.base_url());
        asked.send().status().as_u16()
    };
    assert_eq!(with_path("/Metadata/identity/oauth2/token"), 200);
    assert_eq!(with_path("/METADATA/identity/oauth2/token/"), 200);
    assert_eq!(with_path("/metadata/Identity/oauth2/token"), 404);
    assert_eq!(with_path("/metadata/identity/OAuth2/token"), 404);
    assert_eq!(with_path("/metadata/identity/getplatformmetadata"), 404);
}

#[test]
fn requests_without_the_metadata_header_are_rejected() {
    let emulator = emulator();
    for value in ["-", "false", "1", ""] {
        let error = Asked::new(&emulator, IMDS).header("metadata", value).error("/error");
        assert_eq!(error, (400, json!("bad_request_102")), "{value}");
        let event = emulator.requests().pop().unwrap();
        assert_eq!(event.purpose, Some(Purpose::ManagedIdentity));
        assert!(event.lints.contains(&Lint::MissingMetadata));
        assert!(event.problem.is_some_and(|problem| problem.contains("metadata header")));
    }
    let accepted = Asked::new(&emulator, IMDS).header("metadata", "True").send();
    assert_eq!(accepted.status(), 200);
}

#[test]
fn forwarded_requests_are_rejected() {
    let emulator = emulator();
    let asked = Asked::new(&emulator, IMDS).header("x-forwarded-for", "203.0.113.7");
    assert_eq!(asked.error("/error"), (403, json!("access_denied")));
    assert!(emulator.requests()[0].lints.contains(&Lint::ForwardedRequest));
}

#[test]
fn errors_name_the_problem_of_the_request() {
    let emulator = emulator();
    let asked = || Asked::new(&emulator, IMDS);
    for (asked, status, error) in [
        (asked().with("api-version", "-"), 400, "invalid_request"),
        (asked().with("api-version", "2017-08-01"), 400, "invalid_request"),
        (asked().with("api-version", "latest"), 400, "invalid_request"),
        (asked().with("resource", "-"), 400, "invalid_request"),
        (asked().with("resource", ""), 400, "invalid_request"),
        (asked().with("client_id", OBJECT_ID), 400, "invalid_request"),
        (asked().with("client_id", "collector"), 400, "invalid_request"),
        (asked().with("object_id", CLIENT_ID), 400, "invalid_request"),
        (asked().with("msi_res_id", "/subscriptions/S/x"), 400, "invalid_request"),
        (
            asked().with("client_id", CLIENT_ID).with("object_id", OBJECT_ID),
            400,
            "invalid_request",
        ),
        (asked().method("POST"), 405, "invalid_request"),
        (
            asked().with("resource", "https://nowhere.example"),
            400,
            "invalid_resource",
        ),
    ] {
        assert_eq!(asked.error("/error"), (status, json!(error)), "{:?}", asked.query);
        let described = json_body(&asked.send())["error_description"].as_str().map(str::len);
        assert!(described > Some(10), "{:?}", asked.query);
    }
    for version in ["2018-02-01", "2019-08-01", "2021-02-01"] {
        assert_eq!(asked().with("api-version", version).send().status(), 200, "{version}");
    }
}

#[test]
fn unknown_resource_gets_the_body_of_the_token_service() {
    let emulator = emulator();
    let response = Asked::new(&emulator, IMDS)
        .with("resource", "https://nowhere.example")
        .send();
    let body = json_body(&response);
    assert_eq!(body["error_codes"], json!([500_011]));
    for member in ["timestamp", "trace_id", "correlation_id", "error_uri"] {
        assert!(body[member].is_string(), "{member}: {body}");
    }
    assert_eq!(emulator.requests()[0].aadsts, Some(500_011));
}

#[test]
fn only_identity_is_used_without_a_name_if_configured() {
    let user = || ManagedIdentity::user_assigned("only").object_id(OBJECT_ID);
    let other = || ManagedIdentity::user_assigned("other");
    for (machine, expected) in [
        (Machine::default().identity(user()), None),
        (Machine::default().implicit_identity().identity(user()), Some(OBJECT_ID)),
        (
            Machine::default()
                .implicit_identity()
                .identity(user())
                .identity(other()),
            None,
        ),
        (Machine::default().implicit_identity().without_identities(), None),
    ] {
        let emulator = Emulator::builder().machine(machine).build();
        let response = Asked::new(&emulator, IMDS).send();
        let body = json_body(&response);
        match expected {
            Some(oid) => assert_eq!(claims(&body)["oid"], oid),
            None => assert_eq!(
                (response.status().as_u16(), &body["error"]),
                (400, &json!("invalid_request"))
            ),
        }
    }
}

#[test]
fn scopes_and_slashes_are_linted() {
    let emulator = emulator();
    for (resource, lint) in [
        ("https://vault.azure.net/.default", Some(Lint::ScopeAsResource)),
        (
            "https://vault.azure.net https://graph.microsoft.com",
            Some(Lint::SeveralScopes),
        ),
        ("https://vault.azure.net/", Some(Lint::TrailingSlash)),
        ("https://database.windows.net/", None),
        ("https://vault.azure.net", None),
    ] {
        Asked::new(&emulator, IMDS).with("resource", resource).send();
        let lints = emulator.requests().pop().unwrap().lints;
        assert_eq!(lints, lint.into_iter().collect::<Vec<_>>(), "{resource}");
    }
    Asked::new(&emulator, IMDS).and("resource", VAULT).send();
    let lints = emulator.requests().pop().unwrap().lints;
    assert_eq!(lints, [Lint::DuplicateParameter("resource".to_owned())]);
}

#[test]
fn faults_reach_the_endpoint_in_order() {
    let emulator = emulator();
    emulator.fault(Fault::status(410).on("/metadata/identity").times(2));
    emulator.fault(Fault::status(404).on("/metadata/identity"));
    emulator.fault(Fault::body("{\"access_token\":").on("/metadata/identity"));
    let statuses: Vec<u16> = (0..5)
        .map(|_| Asked::new(&emulator, IMDS).send().status().as_u16())
        .collect();
    assert_eq!(statuses, [410, 410, 404, 200, 200]);
    let faults: Vec<_> = emulator.requests().iter().map(|event| event.fault).collect();
    assert_eq!(
        faults,
        [Some("status"), Some("status"), Some("status"), Some("body"), None]
    );
}
