//! Tokens of the version 2017-09-01: those of Azure Machine Learning, and those of an App Service
//! without a newer version.

use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::config::ManagedIdentitySource;
use crate::exchange::{Exchange, SECRET, no_store};
use crate::managed_identity::app_service::{NOT_FOUND, unsupported_version};
use crate::managed_identity::request::{self, Key, Parameters};
use crate::managed_identity::token;
use crate::time::{us_date, us_date_on_windows};

/// Responds to a request for a token of Azure Machine Learning, whose `expires_on` is an integer.
pub(super) fn handle(exchange: &mut Exchange<'_>) -> Response<Vec<u8>> {
    respond(exchange, ManagedIdentitySource::AzureMl, |expires_on| json!(expires_on))
}

/// Responds to a request for a token of App Service, whose `expires_on` is a date.
pub(super) fn app_service(exchange: &mut Exchange<'_>) -> Response<Vec<u8>> {
    let date = match exchange.state.directory.machine.config.app_service_on_windows {
        true => us_date_on_windows,
        false => us_date,
    };
    respond(exchange, ManagedIdentitySource::AppService2017, |expires_on| {
        json!(date(expires_on))
    })
}

fn respond(
    exchange: &mut Exchange<'_>,
    source: ManagedIdentitySource,
    expires_on: impl Fn(u64) -> Value,
) -> Response<Vec<u8>> {
    let query = exchange.query.clone();
    request::inspect(exchange, &query, &PARAMETERS);
    if !request::has_secret(exchange, SECRET, source) {
        let message = "the header 'secret' is missing, or is not the value of MSI_SECRET";
        return refuse(exchange, StatusCode::UNAUTHORIZED, "Unauthorized", message);
    }
    if !request::is_get(exchange) {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return refuse(exchange, status, "MethodNotAllowed", "the method is not GET");
    }
    let version = query.value("api-version").unwrap_or_default();
    if version != VERSION {
        return unsupported_version(exchange, version);
    }
    let Some(resource) = query.value("resource") else {
        let message = "the parameter 'resource' is missing";
        return refuse(exchange, StatusCode::BAD_REQUEST, "BadRequest", message);
    };
    let named = request::named(&query, &PARAMETERS);
    let machine = &exchange.state.directory.machine;
    // Only one parameter names an identity.
    let Ok(identity) = named.and_then(|named| request::identity(machine, named.as_ref())) else {
        return refuse(exchange, StatusCode::BAD_REQUEST, "BadRequest", NOT_FOUND);
    };
    match token::issue(exchange, identity, resource, Vec::new()) {
        Ok(token) => {
            let body = json!({
                "access_token": token.text,
                "expires_on": expires_on(token.expires_on),
                "resource": resource,
                "token_type": "Bearer",
            });
            no_store(exchange.json(StatusCode::OK, &body))
        }
        Err(rejection) => {
            exchange.record(&rejection);
            let message = "the token service rejected the request";
            refuse(
                exchange,
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalServerError",
                message,
            )
        }
    }
}

fn refuse(exchange: &Exchange<'_>, status: StatusCode, code: &str, message: &str) -> Response<Vec<u8>> {
    exchange.json(status, &json!({"error": {"code": code, "message": message}}))
}

const VERSION: &str = "2017-09-01";

const PARAMETERS: Parameters = Parameters {
    metadata: true,
    identity: &[("clientid", Key::Client)],
    others: &["api-version", "resource"],
};
