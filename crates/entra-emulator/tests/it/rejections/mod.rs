//! Rejected requests, each with the AADSTS code of Entra.

mod bodies;
mod clients;
mod parameters;

use entra_emulator::{Aadsts, Emulator};
use serde_json::{Value, json};

use crate::support::{Response, form, json_body, token};

pub(super) const SCOPE: (&str, &str) = ("scope", "https://graph.microsoft.com/.default");
pub(super) const RESOURCE: (&str, &str) = ("resource", "https://graph.microsoft.com");

/// Checks an error response against its row: status, error code, AADSTS code, text, and the members
/// that all error responses share.
#[track_caller]
pub(super) fn rejected(response: &Response, code: u32) -> Value {
    let body = json_body(response);
    let row = Aadsts::find(code).expect("a row");
    assert_eq!(body["error_codes"], json!([code]), "{body}");
    assert_eq!(response.status(), row.status);
    assert_eq!(body["error"], row.error);
    let description = body["error_description"].as_str().unwrap();
    assert!(description.starts_with(&format!("AADSTS{code}: ")), "{description}");
    for (label, member) in [
        ("Trace ID", "trace_id"),
        ("Correlation ID", "correlation_id"),
        ("Timestamp", "timestamp"),
    ] {
        let repeated = format!(" {label}: {}", body[member].as_str().unwrap());
        assert!(description.contains(&repeated), "{description}");
    }
    let uri = format!("https://login.microsoftonline.com/error?code={code}");
    assert_eq!(
        body.get("error_uri").map(|uri| uri.as_str().unwrap()),
        row.error_uri.then_some(uri.as_str())
    );
    assert!(
        response.headers()["cache-control"]
            .to_str()
            .unwrap()
            .contains("no-store")
    );
    body
}

#[track_caller]
pub(super) fn v2_rejects(more: &[(&str, &str)], code: u32) -> Value {
    let emulator = Emulator::builder().build();
    let mut fields = vec![SCOPE];
    fields.extend_from_slice(more);
    rejected(&token(&emulator, "v2.0/token", &form(&emulator, &fields)), code)
}

#[track_caller]
pub(super) fn raw_rejects(emulator: &Emulator, request: http::request::Builder, body: &str, code: u32) -> Response {
    let response = emulator.handle(request.body(body.as_bytes().to_vec()).unwrap());
    rejected(&response, code);
    response
}
