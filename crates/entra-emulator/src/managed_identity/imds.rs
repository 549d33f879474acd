//! Tokens from the Azure Instance Metadata Service (IMDS).

use http::{Response, StatusCode};
use serde_json::json;

use crate::config::{App, ManagedIdentity};
use crate::exchange::{Exchange, no_store};
use crate::managed_identity::request::{self, Key, Named, Parameters, Unnamed};
use crate::managed_identity::token;

/// Responds to a request for a token.
pub(super) fn handle(exchange: &mut Exchange<'_>) -> Response<Vec<u8>> {
    let query = exchange.query.clone();
    request::inspect(exchange, &query, &PARAMETERS);
    if let Some(problem) = head_problem(exchange) {
        return problem;
    }
    let Some(version) = query.value("api-version") else {
        return refuse(
            exchange,
            "invalid_request",
            "Required query variable 'api-version' is missing",
        );
    };
    if !VERSIONS.contains(&version) {
        return refuse(exchange, "invalid_request", "the api-version is not supported");
    }
    let Some(resource) = query.value("resource") else {
        return refuse(
            exchange,
            "invalid_request",
            "Required query variable 'resource' is missing",
        );
    };
    let named = request::named(&query, &PARAMETERS);
    let identity = match named.and_then(|named| choose(exchange, named.as_ref())) {
        Ok(identity) => identity,
        Err(Unnamed::Several) => {
            return refuse(exchange, "invalid_request", "the request names more than one identity");
        }
        Err(Unnamed::Unknown | Unnamed::NoDefault) => {
            return refuse(exchange, "invalid_request", "Identity not found");
        }
    };
    match token::issue(exchange, identity, resource, Vec::new()) {
        Ok(token) => {
            let mut body = token::body(&token, resource);
            body.insert("client_id".to_owned(), json!(identity.0.client_id));
            body.insert("ext_expires_in".to_owned(), json!(token.expires_in.to_string()));
            no_store(exchange.json(StatusCode::OK, &body))
        }
        // The whole body of the token service.
        Err(rejection) => exchange.error_response(&rejection),
    }
}

/// Returns the response to a request that IMDS does not handle at all, whatever it asks for.
pub(super) fn head_problem(exchange: &Exchange<'_>) -> Option<Response<Vec<u8>>> {
    if exchange.headers.contains_key(request::FORWARDED) {
        let body = json!({"error": "access_denied", "error_description": "IMDS drops requests with X-Forwarded-For"});
        return Some(exchange.json(StatusCode::FORBIDDEN, &body));
    }
    if !request::has_metadata(exchange) {
        return Some(refuse(
            exchange,
            "bad_request_102",
            "Required metadata header not specified",
        ));
    }
    if !request::is_get(exchange) {
        let body = json!({"error": "invalid_request", "error_description": "the method is not GET"});
        return Some(exchange.json(StatusCode::METHOD_NOT_ALLOWED, &body));
    }
    None
}

/// Returns the named identity, or the one that IMDS uses without a name.
fn choose<'a>(exchange: &Exchange<'a>, named: Option<&Named>) -> Result<(&'a ManagedIdentity, &'a App), Unnamed> {
    let machine = &exchange.state.directory.machine;
    request::identity(machine, named).or_else(|problem| {
        let mut all = machine.principals();
        match (all.next(), all.next()) {
            (Some(only), None) if problem == Unnamed::NoDefault && machine.config.implicit_identity => Ok(only),
            _ => Err(problem),
        }
    })
}

fn refuse(exchange: &Exchange<'_>, error: &str, description: &str) -> Response<Vec<u8>> {
    exchange.json(
        StatusCode::BAD_REQUEST,
        &json!({"error": error, "error_description": description}),
    )
}

const PARAMETERS: Parameters = Parameters {
    metadata: true,
    identity: &[
        ("client_id", Key::Client),
        ("object_id", Key::Object),
        ("msi_res_id", Key::Resource),
    ],
    others: &["api-version", "resource", "bypass_cache"],
};

/// The versions of IMDS that issue tokens.
pub(super) const VERSIONS: &[&str] = &[
    "2018-02-01",
    "2018-04-02",
    "2018-10-01",
    "2019-02-01",
    "2019-03-11",
    "2019-04-30",
    "2019-06-01",
    "2019-06-04",
    "2019-08-01",
    "2019-08-15",
    "2019-11-01",
    "2020-06-01",
    "2020-07-15",
    "2020-09-01",
    "2020-10-01",
    "2020-12-01",
    "2021-01-01",
    "2021-02-01",
    "2021-03-01",
    "2021-05-01",
    "2021-10-01",
    "2021-11-01",
    "2021-11-15",
    "2021-12-13",
    "2023-07-01",
    "2023-11-15",
    "2024-03-15",
    "2024-07-17",
];
