//! What the emulator says about itself. These requests are neither recorded nor struck by faults, and draw no identifier: a
//! test sees the same with them and without.

use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, DATE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde_json::json;

use crate::core::Core;
use crate::exchange::no_store;
use crate::fault::http_date;

/// Answers a request about the emulator itself, and leaves all others alone.
pub(crate) fn answer(core: &Core, request: &Request<Vec<u8>>) -> Option<Response<Vec<u8>>> {
    let read: fn() -> Response<Vec<u8>> = match request.uri().path().trim_matches('/') {
        "healthz" => health,
        _ => return None,
    };
    let is_read = [Method::GET, Method::HEAD].contains(request.method());
    let mut response = if is_read { read() } else { wrong_method() };
    let length = response.body().len();
    let headers = response.headers_mut();
    headers.insert(DATE, http_date(core.clock.now()));
    if request.method() == Method::HEAD {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        response.body_mut().clear();
    }
    Some(no_store(response))
}

/// For probes that wait for the emulator's start.
fn health() -> Response<Vec<u8>> {
    let body = json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")});
    answered(
        StatusCode::OK,
        "application/json; charset=utf-8",
        body.to_string().into_bytes(),
    )
}

fn wrong_method() -> Response<Vec<u8>> {
    let body = json!({"error": "method_not_allowed", "error_description": "this address takes GET and HEAD"});
    let mut response = answered(
        StatusCode::METHOD_NOT_ALLOWED,
        "application/json; charset=utf-8",
        body.to_string().into_bytes(),
    );
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

fn answered(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Vec<u8>> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}
