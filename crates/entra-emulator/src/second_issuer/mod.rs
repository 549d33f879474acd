//! The endpoints of the second issuer: its metadata, and the services from which jobs, pipelines
//! and machines get assertions.

mod azure_pipelines;
mod github_actions;
mod google;

use http::header::{ALLOW, AUTHORIZATION};
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::exchange::{Exchange, no_store, shown};
use crate::protocol::token::mint;
use crate::state::keys::EXPONENT;
use crate::state::second_issuer::SecondIssuer;
use crate::time::unix;

/// Handles a request below `/second-issuer/`.
pub(crate) fn handle(exchange: &Exchange<'_>, rest: &[&str]) -> Response<Vec<u8>> {
    let Some(issuer) = &exchange.state.second_issuer else {
        return not_enabled(exchange);
    };
    let is_read = exchange.method == Method::GET;
    match rest {
        [".well-known", "openid-configuration"] if is_read => configuration(exchange, issuer),
        [".well-known", "jwks"] if is_read => keys(exchange, issuer),
        ["github-actions", "token"] if is_read => github_actions::handle(exchange, issuer),
        [
            organization,
            project,
            "_apis",
            "distributedtask",
            "hubs",
            "build",
            "plans",
            _,
            "jobs",
            _,
            "oidctoken",
        ] => {
            let project = format!("{organization}/{project}");
            azure_pipelines::handle(exchange, issuer, &project)
        }
        [".well-known", "openid-configuration" | "jwks"] | ["github-actions", "token"] => wrong_method(exchange, "GET"),
        _ => not_found(exchange, rest),
    }
}

/// Handles a request below `/computeMetadata/v1/`: the metadata server of a Google machine.
pub(crate) fn google_metadata(exchange: &Exchange<'_>, rest: &[&str]) -> Response<Vec<u8>> {
    match &exchange.state.second_issuer {
        Some(issuer) => google::handle(exchange, issuer, rest),
        None => not_enabled(exchange),
    }
}

/// Returns the path of the endpoint of a GitHub Actions job. The job adds the audience.
pub(crate) fn github_actions_path() -> String {
    format!(
        "/{}/github-actions/token?api-version=2.0",
        crate::state::second_issuer::SEGMENT
    )
}

/// Returns the path of the endpoint of an Azure Pipelines job.
pub(crate) fn azure_pipelines_path() -> String {
    let ids = "plans/11111111-2222-3333-4444-555555555555/jobs/66666666-7777-8888-9999-aaaaaaaaaaaa";
    format!(
        "/{}/contoso/app/_apis/distributedtask/hubs/build/{ids}/oidctoken",
        crate::state::second_issuer::SEGMENT
    )
}

fn configuration(exchange: &Exchange<'_>, issuer: &SecondIssuer) -> Response<Vec<u8>> {
    let body = json!({
        "issuer": issuer.url,
        "jwks_uri": format!("{}/.well-known/jwks", issuer.url),
        "subject_types_supported": ["public", "pairwise"],
        "response_types_supported": ["id_token"],
        "claims_supported": ["sub", "aud", "exp", "iat", "iss", "jti", "nbf"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid"],
    });
    exchange.json(StatusCode::OK, &body)
}

fn keys(exchange: &Exchange<'_>, issuer: &SecondIssuer) -> Response<Vec<u8>> {
    let key = issuer.key();
    let body = json!({"keys": [{
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        "kid": key.kid,
        "x5t": key.kid,
        "n": key.n,
        "e": EXPONENT,
        "x5c": [key.x5c()],
    }]});
    exchange.json(StatusCode::OK, &body)
}

/// Issues an assertion with these claims beside the common ones, for a lifetime in seconds.
fn issue(
    exchange: &Exchange<'_>,
    issuer: &SecondIssuer,
    (subject, audience): (&str, &str),
    lifetime: u64,
    more: Map<String, Value>,
) -> String {
    let (now, id) = (unix(exchange.now), exchange.state.guid());
    let mut claims = issuer.claims(subject, &json!(audience), now, lifetime, &id);
    if let Some(claims) = claims.as_object_mut() {
        claims.extend(more);
    }
    mint::sign(issuer.key(), None, &claims)
}

/// Returns true if the request has the token of the job.
fn is_authorized(exchange: &Exchange<'_>, issuer: &SecondIssuer) -> bool {
    let token = exchange.header(AUTHORIZATION).and_then(|value| value.split_once(' '));
    token.is_some_and(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && token.trim() == issuer.request_token)
}

fn unauthorized(exchange: &Exchange<'_>, variable: &str) -> Response<Vec<u8>> {
    let message = format!("send the header Authorization: Bearer with the value of {variable}");
    failed(exchange, StatusCode::UNAUTHORIZED, "unauthorized", &message)
}

fn not_found(exchange: &Exchange<'_>, rest: &[&str]) -> Response<Vec<u8>> {
    let message = format!("the second issuer has no path '{}'", shown(&rest.join("/")));
    failed(exchange, StatusCode::NOT_FOUND, "not_found", &message)
}

fn not_enabled(exchange: &Exchange<'_>) -> Response<Vec<u8>> {
    let message = "the emulator has no second issuer: start it with --second-issuer";
    failed(exchange, StatusCode::NOT_FOUND, "not_found", message)
}

fn wrong_method(exchange: &Exchange<'_>, allowed: &'static str) -> Response<Vec<u8>> {
    let message = format!("this path accepts only {allowed}");
    let mut response = failed(exchange, StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", &message);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

fn failed(exchange: &Exchange<'_>, status: StatusCode, error: &str, message: &str) -> Response<Vec<u8>> {
    let body = json!({"error": error, "message": message});
    no_store(exchange.json(status, &body))
}
