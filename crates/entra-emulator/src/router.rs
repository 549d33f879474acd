//! The router: the emulator without sockets, as a function from request to response.

use http::header::DATE;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::aadsts::{Aadsts, Rejection};
use crate::api::{activity, graph, managed_desktop};
use crate::exchange::{Exchange, shown};
use crate::landing;
use crate::managed_identity;
use crate::protocol::authorize::pages::Shown;
use crate::protocol::{authorize, device, discovery, token, user_realm};
use crate::redact::redacted;
use crate::second_issuer;
use crate::seed::is_guid;
use crate::state::State;
use crate::state::directory::ciam_subdomain;
use crate::state::recorder::{self, Channel, Endpoint, Purpose};
use crate::time::http_date;
use crate::well_known::{CONSUMERS, SHARED};

/// Handles a request: by a matching fault of the script, otherwise by the rules. Requests about the
/// emulator itself bypass both.
pub(crate) fn handle(state: &State, request: Request<Vec<u8>>, channel: Channel) -> Response<Vec<u8>> {
    if let Some(response) = landing::handle(state, &request, channel) {
        return response;
    }
    let mut exchange = Exchange::new(state, request, channel);
    (exchange.event.purpose, exchange.event.endpoint) = purpose(&exchange.segments);
    let fault = state.script.take(&exchange.event.path);
    let replacement = fault.as_ref().and_then(|fault| fault.replacement());
    let mut response = match replacement {
        Some(Ok(response)) => response,
        Some(Err(code)) if Aadsts::find(code).is_some() => exchange.error_response(&Rejection::new(code)),
        Some(Err(code)) => exchange.json(
            StatusCode::INTERNAL_SERVER_ERROR,
            &json!({"error": "server_error", "error_description": format!("AADSTS{code} is not in the table")}),
        ),
        None => route(&mut exchange),
    };
    if !response.headers().contains_key(DATE) {
        response.headers_mut().insert(DATE, http_date(exchange.now));
    }
    if let Some(fault) = fault {
        fault.touch(&mut response, exchange.now);
        exchange.event.fault = Some(fault.name());
    }
    let mut event = exchange.event;
    let problem = event
        .problem
        .take()
        .or_else(|| problem(&response).map(|text| redacted(&state.directory, &event, &text)));
    // A value that is not a GUID is not a client ID; it may be a secret that does not look like
    // one.
    let misplaced = event
        .client_id
        .as_deref()
        .filter(|id| !is_guid(id))
        .map(|id| format!("'{id}'"));
    event.problem = problem.map(|text| match &misplaced {
        Some(id) => text.replace(id, "'[not shown]'"),
        None => text,
    });
    event.shown = recorder::Shown {
        path: redacted(&state.directory, &event, &event.path),
        lints: event
            .lints
            .iter()
            .map(|lint| {
                lint.with_text(|text| redacted(&state.directory, &event, text))
                    .to_string()
            })
            .collect(),
    };
    event.status = response.status();
    event.took = state.clock.now().duration_since(event.at).unwrap_or_default();
    state.recorder.record(event);
    response
}

/// Returns the message of an error response of any endpoint.
fn problem(response: &Response<Vec<u8>>) -> Option<String> {
    if let Some(Shown::Error { message, .. }) = response.extensions().get() {
        return Some(message.clone());
    }
    if !response.status().is_client_error() && !response.status().is_server_error() {
        return None;
    }
    let body: Value = serde_json::from_slice(response.body()).ok()?;
    let message = body
        .get("error_description")
        .or_else(|| body.pointer("/error/message"))
        .or_else(|| body.get("message"))
        .or_else(|| body.get("error"))?;
    message.as_str().map(str::to_owned)
}

/// Returns the endpoint that a path ends with, whatever precedes it: faults apply to malformed
/// token URLs, too.
fn purpose(path: &[String]) -> (Option<Purpose>, Option<Endpoint>) {
    let path: Vec<String> = path.iter().map(|segment| segment.to_ascii_lowercase()).collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let (purpose, endpoint) = match path.as_slice() {
        ["signin"] => return (Some(Purpose::SignIn), None),
        ["devicelogin"] => return (Some(Purpose::DeviceLogin), None),
        ["metadata", "instance", ..] => return (Some(Purpose::InstanceMetadata), None),
        ["second-issuer", ..] | ["computemetadata", ..] => return (Some(Purpose::Assertion), None),
        ["metadata" | "managed-identity", ..] => return (Some(Purpose::ManagedIdentity), None),
        [.., "oauth2", "token"] => (Purpose::Token, Endpoint::V1),
        [.., "oauth2", "v2.0", "token"] => (Purpose::Token, Endpoint::V2),
        [.., "oauth2", "authorize"] => (Purpose::Authorize, Endpoint::V1),
        [.., "oauth2", "v2.0", "authorize"] => (Purpose::Authorize, Endpoint::V2),
        [.., "oauth2", "devicecode"] => (Purpose::DeviceCode, Endpoint::V1),
        [.., "oauth2", "v2.0", "devicecode"] => (Purpose::DeviceCode, Endpoint::V2),
        [.., "v2.0", "adminconsent"] => (Purpose::AdminConsent, Endpoint::V2),
        [.., "adminconsent"] => (Purpose::AdminConsent, Endpoint::V1),
        _ => return (None, None),
    };
    (Some(purpose), Some(endpoint))
}

fn route(exchange: &mut Exchange<'_>) -> Response<Vec<u8>> {
    let segments = std::mem::take(&mut exchange.segments);
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    // Clients differ in letter case, and the service ignores it.
    let lower: Vec<String> = path.iter().map(|segment| segment.to_ascii_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    match (lower.as_slice(), path.as_slice()) {
        (["v1.0", ..], [_, rest @ ..]) => return graph::handle(exchange, rest),
        (["beta", ..], _) => return graph::beta(exchange),
        (["oidc", "userinfo"], _) => return graph::userinfo::handle(exchange),
        (["signin"], _) => return authorize::proceed(exchange),
        (["devicelogin"], _) => return authorize::device_login(exchange),
        (["metadata", ..], [_, rest @ ..]) => return managed_identity::metadata(exchange, rest),
        (["managed-identity", ..], [_, rest @ ..]) => return managed_identity::handle(exchange, rest),
        (["second-issuer", ..], [_, rest @ ..]) => return second_issuer::handle(exchange, rest),
        (["computemetadata", "v1", ..], ["computeMetadata", _, rest @ ..]) => {
            return second_issuer::google_metadata(exchange, rest);
        }
        (["api", "v1.0", _, "activity", "feed", ..], [_, _, tenant, _, _, rest @ ..]) => {
            return activity::handle(exchange, tenant, rest);
        }
        (["support", "odata", "v1", "tenants", _, ..], [_, _, _, _, tenant, rest @ ..]) => {
            return managed_desktop::handle(exchange, tenant, rest);
        }
        _ => {}
    }
    let (tenant, rest) = tenant_and_rest(exchange, &path);
    exchange.event.tenant = Some(tenant.clone());
    let (_, lower) = lower.split_at(path.len() - rest.len());
    match lower {
        ["oauth2", "token"] => token::handle(exchange, &tenant, Endpoint::V1),
        ["oauth2", "v2.0", "token"] => token::handle(exchange, &tenant, Endpoint::V2),
        [".well-known", "openid-configuration"] => discovery::configuration(exchange, &tenant, Endpoint::V1),
        ["v2.0", ".well-known", "openid-configuration"] => discovery::configuration(exchange, &tenant, Endpoint::V2),
        ["discovery", "keys"] => discovery::keys(exchange, &tenant, Endpoint::V1),
        ["discovery", "v2.0", "keys"] => discovery::keys(exchange, &tenant, Endpoint::V2),
        ["discovery", "instance"] => discovery::instance(exchange),
        ["userrealm"] => user_realm::handle(exchange, &tenant, None),
        ["userrealm", _] => user_realm::handle(exchange, &tenant, rest.last().copied()),
        ["oauth2", "authorize"] => authorize::authorize(exchange, &tenant, Endpoint::V1),
        ["oauth2", "v2.0", "authorize"] => authorize::authorize(exchange, &tenant, Endpoint::V2),
        ["oauth2", "devicecode"] => device::handle(exchange, &tenant, Endpoint::V1),
        ["oauth2", "v2.0", "devicecode"] => device::handle(exchange, &tenant, Endpoint::V2),
        ["openid", "userinfo"] => graph::userinfo::handle_v1(exchange, &tenant),
        ["adminconsent"] => authorize::admin_consent(exchange, &tenant, Endpoint::V1),
        ["v2.0", "adminconsent"] => authorize::admin_consent(exchange, &tenant, Endpoint::V2),
        _ => unknown(exchange, &tenant, rest),
    }
}

/// Responds to a path that the emulator does not have: 501 for a possible endpoint of Entra, all of
/// which are below a tenant, and 404 otherwise.
fn unknown(exchange: &mut Exchange<'_>, tenant: &str, rest: &[&str]) -> Response<Vec<u8>> {
    if exchange.state.directory.tenant(tenant).is_none() {
        exchange.event.tenant = None;
    }
    let (status, error, description) = if rest.is_empty() {
        let description = "no such endpoint".to_owned();
        (StatusCode::NOT_FOUND, "not_found", description)
    } else {
        let description = format!(
            "the emulator does not emulate the endpoint '/{}' of Entra",
            shown(&rest.join("/"))
        );
        (StatusCode::NOT_IMPLEMENTED, "not_emulated", description)
    };
    exchange.json(status, &json!({"error": error, "error_description": description}))
}

/// Splits a path into the tenant that it names and the rest.
///
/// The host can name an external tenant, with or without the tenant in the path as well, and that
/// host name can be the first segment of the path.
fn tenant_and_rest<'p>(exchange: &Exchange<'_>, path: &'p [&'p str]) -> (String, &'p [&'p str]) {
    let directory = &exchange.state.directory;
    let Some((&first, rest)) = path.split_first() else {
        return (String::new(), path);
    };
    let is_endpoint = |segment: &str| ENDPOINT_STARTS.iter().any(|start| start.eq_ignore_ascii_case(segment));
    if ciam_subdomain(exchange.host()).is_some() && is_endpoint(first) {
        return (exchange.host().to_owned(), path);
    }
    if ciam_subdomain(first).is_some()
        && let Some((&second, after)) = rest.split_first()
        && !is_endpoint(second)
        && directory.tenant(first).map(|tenant| &tenant.id) == directory.tenant(second).map(|tenant| &tenant.id)
    {
        return (second.to_owned(), after);
    }
    let first = if first.eq_ignore_ascii_case(CONSUMERS) {
        "consumers"
    } else {
        first
    };
    let shared = SHARED.iter().find(|shared| shared.eq_ignore_ascii_case(first));
    (shared.copied().unwrap_or(first).to_owned(), rest)
}

const ENDPOINT_STARTS: &[&str] = &["oauth2", "v2.0", ".well-known", "discovery", "adminconsent"];
