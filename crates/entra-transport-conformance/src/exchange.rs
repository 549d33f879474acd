//! Requests that contain secrets, and checks of their outcomes.

use entra_transport::{Body, Request, Response, TransportError, TransportErrorKind};
use http::Uri;

use crate::bench::{CANARY, Outcome, QUERY};

/// Creates a token request with a canary in each part that can contain a secret.
pub(crate) fn post(uri: &str) -> Request {
    let uri: Uri = format!("{uri}?code={QUERY}").parse().expect("the case has a URI");
    http::Request::post(uri)
        .header("authorization", format!("Basic {CANARY}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(format!(
            "client_secret={CANARY}&grant_type=client_credentials"
        )))
        .expect("the case has a request")
}

/// Creates a response with status 200 and a declared length, after which the connection can be
/// reused.
pub(crate) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

pub(crate) fn check(holds: bool, seen: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(seen()) }
}

pub(crate) fn got(outcome: Result<Response, TransportError>) -> Result<Response, String> {
    outcome.map_err(|error| format!("an error instead of a response: {error:?}"))
}

/// Checks that the outcome is an error of this kind that is retryable or not.
pub(crate) fn fails(outcome: Result<Response, TransportError>, kind: TransportErrorKind, retryable: bool) -> Outcome {
    match outcome {
        Ok(response) => Err(format!(
            "a response of status {} instead of an error",
            response.status()
        )),
        Err(error) => check(error.kind() == kind && error.is_retryable() == retryable, || {
            format!("expected {kind:?} with is_retryable() {retryable}, not {error:?}")
        }),
    }
}
