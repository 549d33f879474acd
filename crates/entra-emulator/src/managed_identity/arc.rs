//! Tokens of Azure Arc. A client proves that it runs on the machine: it reads a key from a file
//! that the challenge names.

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use crate::exchange::{Exchange, no_store};
use crate::managed_identity::request::{self, Key, Parameters, Unnamed};
use crate::managed_identity::token;

/// Responds to a request for a token, the first time with a challenge.
pub(super) fn handle(exchange: &mut Exchange<'_>) -> Response<Vec<u8>> {
    let query = exchange.query.clone();
    request::inspect(exchange, &query, &PARAMETERS);
    if !request::has_metadata(exchange) {
        let description = "the header 'Metadata: true' is missing";
        return refuse(exchange, StatusCode::BAD_REQUEST, "bad_request", description);
    }
    if !request::is_get(exchange) {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return refuse(exchange, status, "invalid_request", "the method is not GET");
    }
    if !has_key(exchange) {
        return challenge(exchange);
    }
    if !query
        .value("api-version")
        .is_some_and(|version| VERSIONS.contains(&version))
    {
        let description = "the api-version is missing or not supported";
        return refuse(exchange, StatusCode::BAD_REQUEST, "invalid_request", description);
    }
    let Some(resource) = query.value("resource") else {
        let description = "the parameter 'resource' is missing";
        return refuse(exchange, StatusCode::BAD_REQUEST, "invalid_request", description);
    };
    let machine = &exchange.state.directory.machine;
    // An old agent ignores the parameters.
    let named = match machine.config.arc_ignores_identity {
        true => Ok(None),
        false => request::named(&query, &PARAMETERS),
    };
    let found = named.and_then(|named| {
        let identity = request::identity(machine, named.as_ref())?;
        Ok((named, identity))
    });
    let (named, identity) = match found {
        Ok(found) => found,
        Err(Unnamed::Several) => {
            let description = "the request names more than one identity";
            return refuse(exchange, StatusCode::BAD_REQUEST, "invalid_request", description);
        }
        Err(Unnamed::Unknown | Unnamed::NoDefault) => {
            let description = "the machine has no such identity";
            return refuse(exchange, StatusCode::NOT_FOUND, "identity_not_found", description);
        }
    };
    match token::issue(exchange, identity, resource, Vec::new()) {
        Ok(token) => {
            let mut body = token::body(&token, resource);
            // The echo of the named identity, by which a client knows that it was not ignored.
            if let Some(named) = named {
                body.insert(named.parameter.to_owned(), json!(named.key.of(identity.0)));
            }
            no_store(exchange.json(StatusCode::OK, &body))
        }
        Err(rejection) => exchange.error_response(&rejection),
    }
}

/// Returns whether a request has the key of a file, which is thereby used.
fn has_key(exchange: &Exchange<'_>) -> bool {
    let credentials = exchange.header(AUTHORIZATION).and_then(|value| value.split_once(' '));
    credentials
        .is_some_and(|(scheme, key)| scheme.eq_ignore_ascii_case("basic") && exchange.state.key_files.redeem(key))
}

/// Writes a new key file and names it.
fn challenge(exchange: &Exchange<'_>) -> Response<Vec<u8>> {
    let name = format!("{}.key", exchange.state.guid());
    let written = exchange.state.key_files.write(&name);
    let header = written.map(|path| HeaderValue::from_str(&format!("Basic realm={}", path.display())));
    match header {
        Ok(Ok(header)) => {
            let description = "read the key from the file that WWW-Authenticate names";
            let status = StatusCode::UNAUTHORIZED;
            let mut response = refuse(exchange, status, "unauthorized_client", description);
            response.headers_mut().insert(WWW_AUTHENTICATE, header);
            no_store(response)
        }
        Ok(Err(_)) => failed(exchange, "its path does not fit into a header"),
        Err(error) => failed(exchange, &error.kind().to_string()),
    }
}

fn failed(exchange: &Exchange<'_>, problem: &str) -> Response<Vec<u8>> {
    let description = format!("the key file cannot be written: {problem}");
    refuse(
        exchange,
        StatusCode::INTERNAL_SERVER_ERROR,
        "server_error",
        &description,
    )
}

fn refuse(exchange: &Exchange<'_>, status: StatusCode, error: &str, description: &str) -> Response<Vec<u8>> {
    exchange.json(status, &json!({"error": error, "error_description": description}))
}

const PARAMETERS: Parameters = Parameters {
    metadata: true,
    identity: &[
        ("client_id", Key::Client),
        ("object_id", Key::Object),
        ("msi_res_id", Key::Resource),
    ],
    others: &["api-version", "resource"],
};

const VERSIONS: &[&str] = &["2019-08-15", "2019-11-01", "2020-06-01", "2021-02-01"];
