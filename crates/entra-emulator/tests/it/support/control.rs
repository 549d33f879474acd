//! Calls to the control API.

use std::time::{Duration, UNIX_EPOCH};

use entra_emulator::Emulator;
use http::Request;
use serde_json::Value;

use crate::support::{Answer, form, json_body, token};

pub(crate) const SCOPE: (&str, &str) = ("scope", "https://graph.microsoft.com/.default");

pub(crate) fn emulator() -> Emulator {
    Emulator::builder()
        .frozen_at(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
        .build()
}

/// A request with the key, and with a body if it is one.
pub(crate) fn call(emulator: &Emulator, method: &str, path: &str, body: Option<&str>) -> Answer {
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

/// The response to a POST of this JSON, which must be a success.
#[track_caller]
pub(crate) fn told(emulator: &Emulator, path: &str, body: Value) -> Value {
    let answer = call(emulator, "POST", path, Some(&body.to_string()));
    assert!(answer.status().is_success(), "{}", json_body(&answer));
    json_body(&answer)
}

/// Status and body of a POST of this text, which must be refused.
#[track_caller]
pub(crate) fn refused(emulator: &Emulator, path: &str, body: &str) -> (u16, Value) {
    let answer = call(emulator, "POST", path, Some(body));
    let body = json_body(&answer);
    assert!(!answer.status().is_success(), "{body}");
    assert!(body["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    (answer.status().as_u16(), body)
}

pub(crate) fn shown(emulator: &Emulator, path: &str) -> Value {
    let answer = call(emulator, "GET", path, None);
    assert_eq!(answer.status(), 200, "{}", json_body(&answer));
    json_body(&answer)
}

pub(crate) fn ask(emulator: &Emulator) -> Answer {
    token(emulator, "v2.0/token", &form(emulator, &[SCOPE]))
}
