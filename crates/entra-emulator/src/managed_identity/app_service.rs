//! Tokens of App Service, Functions and Container Apps, with the version 2019-08-01.

use http::{Response, StatusCode};
use serde_json::json;

use crate::config::ManagedIdentitySource;
use crate::exchange::{Exchange, IDENTITY_HEADER, no_store, shown};
use crate::managed_identity::request::{self, Key, Parameters, Unnamed};
use crate::managed_identity::token;

/// Responds to a request for a token.
pub(super) fn handle(exchange: &mut Exchange<'_>) -> Response<Vec<u8>> {
    let query = exchange.query.clone();
    request::inspect(exchange, &query, &PARAMETERS);
    if !request::has_secret(exchange, IDENTITY_HEADER, ManagedIdentitySource::AppService) {
        let message = "X-IDENTITY-HEADER is missing, or is not the value of IDENTITY_HEADER";
        return refuse(exchange, StatusCode::UNAUTHORIZED, message);
    }
    if !request::is_get(exchange) {
        return refuse(exchange, StatusCode::METHOD_NOT_ALLOWED, "the method is not GET");
    }
    let version = query.value("api-version").unwrap_or_default();
    if version != VERSION {
        return unsupported_version(exchange, version);
    }
    let Some(resource) = query.value("resource") else {
        return refuse(exchange, StatusCode::BAD_REQUEST, "the parameter 'resource' is missing");
    };
    let named = request::named(&query, &PARAMETERS);
    let machine = &exchange.state.directory.machine;
    let identity = match named.and_then(|named| request::identity(machine, named.as_ref())) {
        Ok(identity) => identity,
        Err(Unnamed::Several) => {
            let message = "the request names more than one identity";
            return refuse(exchange, StatusCode::BAD_REQUEST, message);
        }
        Err(Unnamed::Unknown | Unnamed::NoDefault) => {
            return refuse(exchange, StatusCode::BAD_REQUEST, NOT_FOUND);
        }
    };
    match token::issue(exchange, identity, resource, Vec::new()) {
        Ok(token) => {
            let body = json!({
                "access_token": token.text,
                "expires_on": token.expires_on.to_string(),
                "resource": resource,
                "token_type": "Bearer",
                // As App Service writes it.
                "client_id": identity.0.client_id.to_ascii_uppercase(),
            });
            no_store(exchange.json(StatusCode::OK, &body))
        }
        Err(rejection) => {
            exchange.record(&rejection);
            // The platform does not pass the reason on.
            let message = "An unexpected error occurred while fetching the AAD Token.";
            refuse(exchange, StatusCode::INTERNAL_SERVER_ERROR, message)
        }
    }
}

fn refuse(exchange: &Exchange<'_>, status: StatusCode, message: &str) -> Response<Vec<u8>> {
    let body = json!({
        "statusCode": status.as_u16(),
        "message": message,
        "correlationId": exchange.state.guid(),
    });
    exchange.json(status, &body)
}

/// Returns the response to a version of the endpoint that this platform does not have.
pub(super) fn unsupported_version(exchange: &Exchange<'_>, version: &str) -> Response<Vec<u8>> {
    let message = format!(
        "the HTTP resource does not support the API version '{}'",
        shown(version)
    );
    let body = json!({"error": {"code": "UnsupportedApiVersion", "message": message, "innerError": null}});
    exchange.json(StatusCode::BAD_REQUEST, &body)
}

const VERSION: &str = "2019-08-01";
pub(super) const NOT_FOUND: &str =
    "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.";

const PARAMETERS: Parameters = Parameters {
    metadata: true,
    identity: &[
        ("client_id", Key::Client),
        ("object_id", Key::Object),
        ("principal_id", Key::Object),
        ("mi_res_id", Key::Resource),
    ],
    others: &["api-version", "resource"],
};
