//! The instance metadata of the machine, from which programs learn their region.

use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::exchange::{Exchange, no_store};
use crate::managed_identity::imds::{VERSIONS, head_problem};

/// Responds to a request below `/metadata/instance`.
pub(super) fn handle(exchange: &Exchange<'_>, path: &[&str]) -> Response<Vec<u8>> {
    if let Some(problem) = head_problem(exchange) {
        return problem;
    }
    let version = exchange.query.value("api-version");
    if !version.is_some_and(|version| VERSIONS.contains(&version)) {
        let problem = match version {
            None => "Bad request. api-version was not specified in the request.",
            Some(_) => "Bad request. api-version is invalid.",
        };
        let newest: Vec<&str> = VERSIONS.iter().rev().take(3).copied().collect();
        let body = json!({"error": problem, "newest-versions": newest});
        return exchange.json(StatusCode::BAD_REQUEST, &body);
    }
    let document = document(exchange);
    let found = path.iter().try_fold(&document, |value, name| value.get(name));
    let is_text = exchange.query.value("format") == Some("text");
    match found {
        None => {
            let body = json!({"error": "Not found"});
            exchange.json(StatusCode::NOT_FOUND, &body)
        }
        Some(Value::String(text)) if is_text => {
            let text = text.clone().into_bytes();
            no_store(exchange.response(StatusCode::OK, "text/plain; charset=utf-8", text))
        }
        // A value alone is no JSON document, and a document is no text.
        Some(found) if found.is_string() || is_text => {
            let body = json!({"error": "Bad request. The format does not fit the path."});
            exchange.json(StatusCode::BAD_REQUEST, &body)
        }
        Some(found) => no_store(exchange.json(StatusCode::OK, found)),
    }
}

fn document(exchange: &Exchange<'_>) -> Value {
    let machine = &exchange.state.directory.machine;
    let config = &machine.config;
    json!({
        "compute": {
            "azEnvironment": "AzurePublicCloud",
            "location": config.region,
            "name": config.name,
            "osType": "Linux",
            "provider": "Microsoft.Compute",
            "resourceGroupName": config.resource_group,
            "resourceId": machine.resource_id(),
            "subscriptionId": config.subscription_id,
        },
        "network": {},
    })
}
