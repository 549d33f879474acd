//! The control API: faults, clock, recorded requests, revocations, approvals and reset for programs
//! in any language.
//!
//! Like the emulator itself, it is a function from request to response. `contract.md` documents it
//! for users.

mod assertions;
mod call;
mod faults;
mod members;
mod operations;
mod problem;
mod requests;
mod tokens;

use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::control::call::{Call, Reply};
use crate::control::problem::Problem;
use crate::state::State;

/// Handles a request to the control API.
pub(crate) fn handle(state: &State, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
    respond(dispatch(state, request))
}

/// Returns the response to a request with an oversized body.
pub(crate) fn too_large() -> Response<Vec<u8>> {
    let message = "the body is longer than 256 KiB";
    respond(Err(Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "payload_too_large",
        message,
    )))
}

fn respond(reply: Reply) -> Response<Vec<u8>> {
    let (status, body, allow) = match reply {
        Ok((status, body)) => (status, body, None),
        Err(problem) => (problem.status, problem.body(), problem.allow),
    };
    let mut text = body.to_string().into_bytes();
    text.push(b'\n');
    let mut response = Response::new(text);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(allow) = allow.and_then(|allow| HeaderValue::from_str(&allow).ok()) {
        headers.insert(http::header::ALLOW, allow);
    }
    response
}

/// An operation. `about` is its description in the index and in `contract.md`.
struct Operation {
    method: &'static str,
    path: &'static str,
    about: &'static str,
    /// True if the operation reads a body.
    has_body: bool,
    /// The known query parameters.
    query: &'static [&'static str],
    run: fn(&Call<'_>) -> Reply,
}

impl Operation {
    const fn get(path: &'static str, about: &'static str, run: fn(&Call<'_>) -> Reply) -> Self {
        Self {
            method: "GET",
            path,
            about,
            has_body: false,
            query: &[],
            run,
        }
    }

    const fn delete(path: &'static str, about: &'static str, run: fn(&Call<'_>) -> Reply) -> Self {
        Self {
            method: "DELETE",
            ..Self::get(path, about, run)
        }
    }

    const fn post(path: &'static str, about: &'static str, run: fn(&Call<'_>) -> Reply) -> Self {
        Self {
            method: "POST",
            has_body: true,
            ..Self::get(path, about, run)
        }
    }

    const fn with_query(self, query: &'static [&'static str]) -> Self {
        Self { query, ..self }
    }
}

const OPERATIONS: &[Operation] = &[
    Operation::get("/v1", "this index", index),
    Operation::get(
        "/v1/requests",
        "lists the recorded requests, oldest first; ?after=N lists those after number N",
        requests::list,
    )
    .with_query(&["after"]),
    Operation::delete(
        "/v1/requests",
        "deletes the recorded requests; the count continues",
        requests::clear,
    ),
    Operation::get("/v1/faults", "lists the pending faults", faults::list),
    Operation::post(
        "/v1/faults",
        "adds a fault: status, aadsts, body, redirect, reset, latency_ms and more",
        faults::add,
    ),
    Operation::delete("/v1/faults", "deletes all faults", faults::clear),
    Operation::get(
        "/v1/clock",
        "returns the emulator's time, and whether it is frozen",
        operations::clock,
    ),
    Operation::post(
        "/v1/clock",
        "sets (set), advances (advance_seconds), freezes or resumes (frozen) the clock",
        operations::set_clock,
    ),
    Operation::post(
        "/v1/revocations",
        "revokes access tokens (all, or of an app), a user's sessions, or a consent",
        operations::revoke,
    ),
    Operation::post(
        "/v1/approvals",
        "accepts or declines an authorize URL or a device's user code, as a user",
        operations::approve,
    ),
    Operation::get(
        "/v1/signing-keys",
        "lists the IDs of the signing keys",
        operations::keys,
    ),
    Operation::post(
        "/v1/signing-keys",
        "rotates, replaces or retires signing keys (action)",
        operations::change_keys,
    ),
    Operation::get(
        "/v1/tokens",
        "lists the defects that a forged token can have",
        tokens::defects,
    ),
    Operation::post(
        "/v1/tokens",
        "forges an access token: any claims, signed by any key, with a defect",
        tokens::forge,
    ),
    Operation::post(
        "/v1/assertions",
        "issues an assertion of the second issuer: any subject, audience and claims",
        assertions::issue,
    ),
    Operation::post(
        "/v1/activity",
        "publishes content in the activity feed of a tenant",
        operations::publish_activity,
    ),
    Operation::post(
        "/v1/reset",
        "restores the state at the start, except the configuration",
        operations::reset,
    ),
];

/// Checks host, key, path, method, query and body, in this order, then runs the operation.
fn dispatch(state: &State, request: &Request<Vec<u8>>) -> Reply {
    check_host(state, request)?;
    check_key(state, request)?;
    let path = request.uri().path();
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut of_path = OPERATIONS.iter().filter(|operation| operation.path == path).peekable();
    if of_path.peek().is_none() {
        let problem = Problem::new(StatusCode::NOT_FOUND, "not_found", "no such path");
        return Err(problem.with("operations", operations_list()));
    }
    let allowed: Vec<&str> = of_path.clone().map(|operation| operation.method).collect();
    let Some(operation) = of_path.find(|operation| operation.method == request.method().as_str()) else {
        let allow = allowed.join(", ");
        let message = format!("{path} takes {allow}");
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message);
        return Err(problem.allow(allow));
    };
    let query = request.uri().query().unwrap_or_default();
    for (name, _) in form_urlencoded::parse(query.as_bytes()) {
        if !operation.query.contains(&&*name) {
            return Err(Problem::query(&name, "is unknown here", operation.query));
        }
    }
    if !operation.has_body && !request.body().is_empty() {
        let message = format!("{} {path} takes no body", operation.method);
        return Err(Problem::new(StatusCode::BAD_REQUEST, "unexpected_body", message));
    }
    (operation.run)(&Call { state, request })
}

/// Rejects requests of web pages whose host name was made to resolve to this machine (DNS
/// rebinding).
fn check_host(state: &State, request: &Request<Vec<u8>>) -> Result<(), Problem> {
    let named = request.headers().get_all(HOST).iter();
    let named = named.map(|host| host.to_str().unwrap_or_default());
    let mut hosts = named.chain(request.uri().authority().map(|authority| authority.as_str()));
    if state.control_is_open || hosts.all(is_loopback) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "forbidden_host",
        "the control API accepts only the hosts localhost, 127.0.0.1 and [::1]",
    ))
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok_and(|ip| ip.is_loopback()),
        None => {
            name.eq_ignore_ascii_case("localhost")
                || name.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        }
    }
}

fn check_key(state: &State, request: &Request<Vec<u8>>) -> Result<(), Problem> {
    let mut sent = request.headers().get_all(AUTHORIZATION).iter();
    let key = match (sent.next(), sent.next()) {
        (Some(value), None) => value.to_str().ok().and_then(|text| text.split_once(' ')),
        _ => None,
    };
    match key {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") && state.control_key.is(key.trim()) => Ok(()),
        _ => Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "invalid_key",
            "send the header Authorization: Bearer KEY, with the key that the emulator prints at its start",
        )),
    }
}

fn index(call: &Call<'_>) -> Reply {
    let body = json!({
        "api": "entra-emulator control",
        "version": "v1",
        "base_url": call.state.base_url,
        "tls_url": call.state.tls_url,
        "operations": operations_list(),
    });
    Ok((StatusCode::OK, body))
}

fn operations_list() -> Value {
    let shown = OPERATIONS
        .iter()
        .map(|operation| json!({"method": operation.method, "path": operation.path, "about": operation.about}));
    Value::Array(shown.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_in_the_contract() {
        let contract = include_str!("contract.md");
        for operation in OPERATIONS {
            let row = format!("| `{} {}` | {} |\n", operation.method, operation.path, operation.about);
            assert!(contract.contains(&row), "{row}");
        }
    }

    #[test]
    fn only_loopback_hosts_pass() {
        for host in [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1:8401",
            "127.8.9.1",
            "[::1]",
            "[::1]:8401",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example:8401",
            "127.0.0.1.evil.example",
            "0.0.0.0",
            "[::]",
            "::1",
            "localhost:80:80",
            "10.0.0.1",
            "127.0.0.1@evil.example",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
