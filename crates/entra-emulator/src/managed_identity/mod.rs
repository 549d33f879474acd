//! The services of the platform that issue tokens for managed identities, and the instance
//! metadata.
//!
//! Each source checks its requests in its own way and has its own bodies and errors. They share the
//! choice of the identity (`request`) and the token (`token`). IMDS is at the path of the real
//! service, because clients replace only its origin; the other sources are below
//! `/managed-identity/`.

mod app_service;
mod arc;
mod azure_ml;
mod cloud_shell;
mod imds;
mod instance;
mod request;
mod service_fabric;
mod token;

use http::{Response, StatusCode};
use serde_json::json;

use crate::exchange::{Exchange, shown};

/// Handles a request below `/metadata/`: IMDS. The first segment of the path is matched without
/// case, the others with.
pub(crate) fn metadata(exchange: &mut Exchange<'_>, rest: &[&str]) -> Response<Vec<u8>> {
    match rest {
        ["identity", "oauth2", "token"] => imds::handle(exchange),
        ["instance", path @ ..] => instance::handle(exchange, path),
        _ => not_found(exchange, rest),
    }
}

/// Handles a request below `/managed-identity/`: any other source.
pub(crate) fn handle(exchange: &mut Exchange<'_>, rest: &[&str]) -> Response<Vec<u8>> {
    match rest {
        ["app-service", "msi", "token"] => app_service::handle(exchange),
        ["app-service-2017", "msi", "token"] => azure_ml::app_service(exchange),
        ["azure-ml", "msi", "token"] => azure_ml::handle(exchange),
        ["cloud-shell", "oauth2", "token"] => cloud_shell::handle(exchange),
        ["arc", "metadata", "identity", "oauth2", "token"] => arc::handle(exchange),
        ["service-fabric", "metadata", "identity", "oauth2", "token"] => service_fabric::handle(exchange),
        _ => not_found(exchange, rest),
    }
}

fn not_found(exchange: &Exchange<'_>, rest: &[&str]) -> Response<Vec<u8>> {
    let description = format!(
        "no source of managed identities has the path '{}'",
        shown(&rest.join("/"))
    );
    exchange.json(
        StatusCode::NOT_FOUND,
        &json!({"error": "not_found", "error_description": description}),
    )
}
