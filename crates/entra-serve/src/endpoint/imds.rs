//! The protocol of the instance metadata service (IMDS) of virtual machines: `GET` with `resource`,
//! `api-version` and an ID of the identity.
//!
//! It has no key. The header `Metadata: true`, which a web page cannot add without a preflight,
//! keeps browsers out, together with the guard of all protocols.

use bytes::Bytes;
use entra_proto::error::ErrorClass;
use http::{Method, Response, StatusCode};
use serde_json::json;

use super::answer::{Reply, of_json};
use super::exchange::Exchange;
use super::wanted::{Versions, managed_ask};
use crate::tokens::Refusal;

/// Returns true if this is the path of a token. The service compares its first part without case,
/// and MSAL for Node writes a slash at the end.
pub(super) fn is_path(path: &str) -> bool {
    let Some((first, rest)) = path.get(1..).and_then(|path| path.split_once('/')) else {
        return false;
    };
    path.starts_with('/')
        && first.eq_ignore_ascii_case("metadata")
        && matches!(rest, "identity/oauth2/token" | "identity/oauth2/token/")
}

/// Responds to a request.
///
/// # Errors
/// Returns the reason if the request gets no token.
pub(super) async fn respond(exchange: &mut Exchange<'_>) -> Result<Response<Bytes>, Refusal> {
    if exchange.request.method() != Method::GET {
        return Err(Refusal::Method("GET"));
    }
    let mut sent = exchange.request.headers().get_all("metadata").iter();
    let is_true = sent
        .next()
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
    if !is_true || sent.next().is_some() {
        return Err(Refusal::WrongKey(
            "Required metadata header not specified: send Metadata: true, once",
        ));
    }
    let ask = managed_ask(exchange.request.uri(), &VERSIONS)?;
    let issued = exchange.issue(ask).await?;
    Ok(Reply::new(&issued, &exchange.resource()).response())
}

/// Returns the response to a request that gets no token.
///
/// Clients take a `400` as "this machine has no such identity", and a chain of credentials goes on
/// to its next member. So a failure of the identity itself has another status, as in the service;
/// that of a resource which does not exist is `400` there, too.
pub(super) fn refuse(refusal: &Refusal) -> Response<Bytes> {
    let (status, code) = match refusal {
        Refusal::Malformed(_) | Refusal::UnknownIdentity => (StatusCode::BAD_REQUEST, "invalid_request"),
        Refusal::TooLong => (StatusCode::PAYLOAD_TOO_LARGE, "invalid_request"),
        Refusal::WrongKey(_) => (StatusCode::BAD_REQUEST, "bad_request_102"),
        Refusal::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
        Refusal::Untrusted(_) | Refusal::NotAllowed | Refusal::OtherTenant => (StatusCode::FORBIDDEN, "access_denied"),
        Refusal::TooSlow => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
        Refusal::Failed(error) if error.is_retryable() => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
        Refusal::Failed(error) => {
            let code = error.service().map_or("unauthorized_client", |service| &service.error);
            let status = match error.class() {
                ErrorClass::Scope => StatusCode::BAD_REQUEST,
                _ => StatusCode::UNAUTHORIZED,
            };
            (status, code)
        }
    };
    let body = json!({ "error": code, "error_description": refusal.message() });
    of_json(status, &body)
}

const VERSIONS: Versions = Versions::Since("2018-02-01");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_part_of_the_path_has_any_case() {
        for (path, is_token) in [
            ("/metadata/identity/oauth2/token", true),
            ("/Metadata/identity/oauth2/token", true),
            ("/metadata/Identity/oauth2/token", false),
            ("/metadata/identity/oauth2/token/", true),
            ("/metadata/identity/oauth2/token//", false),
            ("metadata/identity/oauth2/token", false),
            ("//metadata/identity/oauth2/token", false),
            ("/metadata", false),
            ("/", false),
            ("", false),
            ("é/metadata/identity/oauth2/token", false),
        ] {
            assert_eq!(is_path(path), is_token, "{path}");
        }
    }
}
