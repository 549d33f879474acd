//! The instance metadata.

use entra_emulator::{Emulator, Fault, Machine, Purpose};
use http::Request;
use serde_json::json;

use crate::support::{Response, json_body};

fn ask(emulator: &Emulator, path_and_query: &str) -> Response {
    let request = Request::get(format!("/metadata/{path_and_query}")).header("metadata", "true");
    emulator.handle(request.body(Vec::new()).unwrap())
}

#[test]
fn compute_document_has_the_region() {
    let machine = Machine::new("vm1").region("northeurope");
    let emulator = Emulator::builder().machine(machine).build();
    for path in ["instance/compute", "instance/compute/"] {
        let body = json_body(&ask(&emulator, &format!("{path}?api-version=2021-02-01")));
        assert_eq!(
            (&body["location"], &body["name"]),
            (&json!("northeurope"), &json!("vm1"))
        );
        assert!(
            body["resourceId"].as_str().unwrap().ends_with("/virtualMachines/vm1"),
            "{body}"
        );
    }
    let whole = json_body(&ask(&emulator, "instance?api-version=2018-02-01"));
    assert_eq!(whole["compute"]["location"], "northeurope");
    let event = emulator.requests().pop().unwrap();
    assert_eq!(event.purpose, Some(Purpose::InstanceMetadata));
    let identity = &emulator.managed_identities()[0];
    assert_eq!(whole["compute"]["resourceId"], identity.resource_id);
}

#[test]
fn single_values_are_text() {
    let emulator = Emulator::builder().build();
    let text = ask(
        &emulator,
        "instance/compute/location?api-version=2021-02-01&format=text",
    );
    assert_eq!(text.body(), b"westeurope");
    for wrong in [
        "instance/compute/location?api-version=2021-02-01",
        "instance/compute?api-version=2021-02-01&format=text",
    ] {
        assert_eq!(ask(&emulator, wrong).status(), 400, "{wrong}");
    }
    for unknown in [
        "instance/compute/zone?api-version=2021-02-01",
        "instance/x?api-version=2021-02-01",
    ] {
        assert_eq!(ask(&emulator, unknown).status(), 404, "{unknown}");
    }
    let rejected = emulator.requests().split_off(1);
    assert!(rejected.iter().all(|event| event.problem.is_some()), "{rejected:?}");
}

#[test]
fn wrong_version_is_answered_with_the_newest_ones() {
    let emulator = Emulator::builder().build();
    for query in ["", "?api-version=", "?api-version=2099-01-01"] {
        let response = ask(&emulator, &format!("instance/compute{query}"));
        assert_eq!(response.status(), 400, "{query}");
        let body = json_body(&response);
        let newest = body["newest-versions"][0].as_str().unwrap();
        let again = ask(&emulator, &format!("instance/compute?api-version={newest}"));
        assert_eq!(again.status(), 200, "{newest}");
    }
}

#[test]
fn metadata_header_is_required() {
    let emulator = Emulator::builder().build();
    let path = "/metadata/instance/compute?api-version=2021-02-01";
    let without = emulator.handle(Request::get(path).body(Vec::new()).unwrap());
    assert_eq!(without.status(), 400);
    let forwarded = Request::get(path)
        .header("metadata", "true")
        .header("x-forwarded-for", "203.0.113.7");
    assert_eq!(emulator.handle(forwarded.body(Vec::new()).unwrap()).status(), 403);
}

#[test]
fn faults_reach_the_document() {
    let emulator = Emulator::builder().build();
    emulator.fault(Fault::body("{\"location\":\"evil.com/\"}").on("/metadata/instance"));
    let body = json_body(&ask(&emulator, "instance/compute?api-version=2021-02-01"));
    assert_eq!(body["location"], "evil.com/");
}
