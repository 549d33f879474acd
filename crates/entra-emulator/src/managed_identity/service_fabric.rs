//! Tokens of Service Fabric, which listens with TLS only.

use aws_lc_rs::digest::{SHA256, digest};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::config::ManagedIdentitySource;
use crate::exchange::{Exchange, SECRET, no_store};
use crate::managed_identity::request::{self, Key, Parameters, Unnamed};
use crate::managed_identity::token;
use crate::state::recorder::Channel;
use crate::state::token_cache::Cached;
use crate::time::unix;

/// Responds to a request for a token.
pub(super) fn handle(exchange: &mut Exchange<'_>) -> Response<Vec<u8>> {
    let query = exchange.query.clone();
    request::inspect(exchange, &query, &PARAMETERS);
    if exchange.event.channel == Channel::Http {
        let message = "Service Fabric listens with TLS only";
        return refuse(exchange, StatusCode::NOT_FOUND, "NotFound", message);
    }
    if !request::is_get(exchange) {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return refuse(exchange, status, "MethodNotAllowed", "the method is not GET");
    }
    if !exchange.headers.contains_key(SECRET) {
        let message = "the header 'Secret' is not found in the request";
        return refuse(exchange, StatusCode::BAD_REQUEST, "SecretHeaderNotFound", message);
    }
    // The secret says which application asks.
    if !request::has_secret(exchange, SECRET, ManagedIdentitySource::ServiceFabric) {
        return not_found(exchange);
    }
    let version = query.value("api-version").unwrap_or_default();
    if !VERSIONS.contains(&version) {
        let message =
            "the api-version is missing or not supported; the supported ones are 2019-07-01-preview and 2020-05-01";
        return refuse(exchange, StatusCode::BAD_REQUEST, "InvalidApiVersion", message);
    }
    let Some(resource) = query.value("resource") else {
        let message = "the parameter 'resource' must not be empty";
        return refuse(exchange, StatusCode::BAD_REQUEST, "ArgumentNullOrEmpty", message);
    };
    let machine = &exchange.state.directory.machine;
    let named = request::named(&query, &PARAMETERS);
    let identity = match named.and_then(|named| request::identity(machine, named.as_ref())) {
        Ok(identity) => identity,
        // Only one parameter names an identity.
        Err(Unnamed::Several | Unnamed::Unknown | Unnamed::NoDefault) => return not_found(exchange),
    };
    if request::has_surplus_slash(exchange, resource) {
        let message = "the token service rejected the resource";
        return refuse(
            exchange,
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalServerError",
            message,
        );
    }
    let client_id = &identity.0.client_id;
    let cached = exchange.state.token_cache.get(client_id, resource);
    let cached = cached.filter(|cached| is_good(exchange, cached, query.value(REJECTED)));
    let token = match cached {
        Some(cached) => {
            exchange.event.client_id = Some(client_id.clone());
            exchange.event.tenant.clone_from(&identity.0.tenant);
            cached
        }
        None => {
            let capabilities = query.value("xms_cc").unwrap_or_default().split(',');
            let capabilities = capabilities.filter(|capability| !capability.is_empty()).take(16);
            let capabilities = capabilities.map(str::to_owned).collect();
            match token::issue(exchange, identity, resource, capabilities) {
                Ok(token) => {
                    let cached = Cached {
                        text: token.text,
                        expires_on: token.expires_on,
                    };
                    exchange.state.token_cache.put(client_id, resource, cached.clone());
                    cached
                }
                Err(rejection) => {
                    exchange.record(&rejection);
                    let message = "the token service rejected the request";
                    return refuse(
                        exchange,
                        StatusCode::INTERNAL_SERVER_ERROR,
                        "InternalServerError",
                        message,
                    );
                }
            }
        }
    };
    let body = json!({
        "token_type": "Bearer",
        "access_token": token.text,
        "expires_on": token.expires_on.to_string(),
        "resource": resource,
    });
    no_store(exchange.json(StatusCode::OK, &body))
}

/// Returns whether a cached token still has at least half of its lifetime, and is not the one that
/// an API has rejected.
fn is_good(exchange: &Exchange<'_>, cached: &Cached, rejected: Option<&str>) -> bool {
    let left = cached.expires_on.saturating_sub(unix(exchange.now));
    let hash = || -> String {
        let hash = digest(&SHA256, cached.text.as_bytes());
        hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    };
    left > exchange.state.identity_lifetime / 2 && rejected.is_none_or(|rejected| rejected != hash())
}

fn not_found(exchange: &Exchange<'_>) -> Response<Vec<u8>> {
    let message = "no managed identity is found for the application";
    refuse(exchange, StatusCode::NOT_FOUND, "ManagedIdentityNotFound", message)
}

fn refuse(exchange: &Exchange<'_>, status: StatusCode, code: &str, message: &str) -> Response<Vec<u8>> {
    let error: Value = json!({"correlationId": exchange.state.guid(), "code": code, "message": message});
    exchange.json(status, &json!({"error": error}))
}

const PARAMETERS: Parameters = Parameters {
    metadata: false,
    identity: &[("principalId", Key::Object)],
    others: &["api-version", "resource", REJECTED, "xms_cc"],
};

/// The parameter with the SHA-256 of a token that an API has rejected.
const REJECTED: &str = "token_sha256_to_refresh";
const VERSIONS: &[&str] = &["2019-07-01-preview", "2020-05-01"];
