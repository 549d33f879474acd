//! The body of an error response.

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use entra_emulator::{Aadsts, Emulator, Fault};
use http::Request;
use serde_json::{Value, json};

use crate::rejections::rejected;
use crate::support::{json_body, token};

#[test]
fn correlation_id_is_the_clients_guid() {
    let emulator = Emulator::builder()
        .frozen_at(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
        .build();
    let send = |id: &str, back: &str| {
        let request = Request::post(emulator.token_url_v2())
            .header("client-request-id", id)
            .header("return-client-request-id", back);
        emulator.handle(request.body(Vec::new()).unwrap())
    };
    let id = "0F0E0D0C-0b0a-4908-8706-050403020100";
    let response = send(id, "true");
    let body = json_body(&response);
    assert_eq!(
        (&body["correlation_id"], &body["timestamp"]),
        (&json!(id), &json!("2023-11-14 22:13:20Z"))
    );
    assert_eq!(response.headers()["client-request-id"], id);
    assert_eq!(
        response.headers()["x-ms-request-id"],
        body["trace_id"].as_str().unwrap()
    );
    assert!(!send(id, "false").headers().contains_key("client-request-id"));
    let other = send("not a guid", "true");
    assert!(!other.headers().contains_key("client-request-id"));
    assert_eq!(json_body(&other)["correlation_id"].as_str().unwrap().len(), 36);
}

#[test]
fn error_uri_names_a_regional_host() {
    let emulator = Emulator::builder().build();
    let request = Request::post(format!(
        "https://westus2.login.microsoft.com/{}/oauth2/v2.0/token/",
        emulator.tenant_id()
    ));
    let body = json_body(&emulator.handle(request.body(Vec::new()).unwrap()));
    assert_eq!(
        body["error_uri"],
        "https://westus2.login.microsoft.com/error?code=900144"
    );
}

#[test]
fn every_row_works_as_a_fault() {
    let emulator = Emulator::builder().build();
    let mut words = BTreeSet::new();
    for row in Aadsts::table() {
        emulator.fault(Fault::aadsts(row.code));
        let body = rejected(&token(&emulator, "v2.0/token", ""), row.code);
        assert_eq!(body.get("suberror").and_then(Value::as_str), row.suberror);
        assert_eq!(body.get("claims").and_then(Value::as_str), row.claims);
        assert!(
            row.claims
                .is_none_or(|claims| serde_json::from_str::<Value>(claims).is_ok_and(|claims| claims.is_object()))
        );
        assert_eq!(emulator.requests().last().unwrap().aadsts, Some(row.code));
        words.insert(row.error);
    }
    assert!(words.contains("invalid_client") && words.len() >= 8);
    emulator.fault(Fault::aadsts(1));
    assert_eq!(token(&emulator, "v2.0/token", "").status(), 500);
}

#[test]
fn unknown_endpoints_get_404_or_501() {
    let emulator = Emulator::builder().build();
    for (path, status) in [
        ("/nothing", 404),
        ("/common", 404),
        ("/common/oauth2/logout", 501),
        ("/common/oauth2/v2.0/logout", 501),
    ] {
        assert_eq!(crate::support::get(&emulator, path).status(), status, "{path}");
    }
}
