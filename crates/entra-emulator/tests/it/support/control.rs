//! Calls of the control API.

use std::time::{Duration, UNIX_EPOCH};

use entra_emulator::Emulator;
use http::Request;
use serde_json::Value;

use crate::support::{Response, form, json_body, token};

pub(crate) const SCOPE: (&str, &str) = ("scope", "https://graph.microsoft.com/.default");

pub(crate) fn emulator() -> Emulator {
    Emulator::builder()
        .frozen_at(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
        .build()
}

/// Sends a request with the key and an optional body.
pub(crate) fn call(emulator: &Emulator, method: &str, path: &str, body: Option<&str>) -> Response {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {}", emulator.control_key()));
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    let body = body.unwrap_or_default().as_bytes().to_vec();
    emulator.handle_control(request.body(body).unwrap())
}

/// Posts JSON and returns the response, which must be a success.
#[track_caller]
pub(crate) fn post_ok(emulator: &Emulator, path: &str, body: Value) -> Value {
    let response = call(emulator, "POST", path, Some(&body.to_string()));
    assert!(response.status().is_success(), "{}", json_body(&response));
    json_body(&response)
}

/// Posts a text and returns status and body, which must be an error.
#[track_caller]
pub(crate) fn post_error(emulator: &Emulator, path: &str, body: &str) -> (u16, Value) {
    let response = call(emulator, "POST", path, Some(body));
    let body = json_body(&response);
    assert!(!response.status().is_success(), "{body}");
    assert!(body["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    (response.status().as_u16(), body)
}

pub(crate) fn get_ok(emulator: &Emulator, path: &str) -> Value {
    let response = call(emulator, "GET", path, None);
    assert_eq!(response.status(), 200, "{}", json_body(&response));
    json_body(&response)
}

pub(crate) fn request_token(emulator: &Emulator) -> Response {
    token(emulator, "v2.0/token", &form(emulator, &[SCOPE]))
}
