//! Requests that hold secrets, and judgements of what came of them.

use entra_transport::{Body, Request, Response, TransportError, TransportErrorKind};
use http::Uri;

use crate::bench::{CANARY, Outcome, QUERY};

/// A token request: every part of it that may hold a secret holds a canary.
pub(crate) fn post(uri: &str) -> Request {
    let uri: Uri = format!("{uri}?code={QUERY}").parse().expect("the case gives a URI");
    http::Request::post(uri)
        .header("authorization", format!("Basic {CANARY}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(format!(
            "client_secret={CANARY}&grant_type=client_credentials"
        )))
        .expect("the case gives a request")
}

/// An answer of status 200 with its length declared, after which the connection may be used again.
pub(crate) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

pub(crate) fn check(holds: bool, seen: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(seen()) }
}

pub(crate) fn got(answer: Result<Response, TransportError>) -> Result<Response, String> {
    answer.map_err(|error| format!("an error instead of an answer: {error:?}"))
}

/// The answer has to be an error of this kind that says this about trying again.
pub(crate) fn fails(answer: Result<Response, TransportError>, kind: TransportErrorKind, retryable: bool) -> Outcome {
    match answer {
        Ok(answer) => Err(format!("an answer of status {} instead of an error", answer.status())),
        Err(error) => check(error.kind() == kind && error.is_retryable() == retryable, || {
            format!("expected {kind:?} with is_retryable() {retryable}, not {error:?}")
        }),
    }
}
