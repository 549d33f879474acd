//! The endpoint of Azure Pipelines, which issues an assertion to a job.

use http::header::LOCATION;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use serde_json::{Map, json};

use crate::exchange::{Exchange, no_store};
use crate::second_issuer::{failed, is_authorized, issue, unauthorized, wrong_method};
use crate::state::second_issuer::{CONNECTION, SecondIssuer};
use crate::well_known::TOKEN_EXCHANGE;

/// Issues the assertion of a job in a project, `organization/project`. Its subject is the service
/// connection of the request, or the pipeline.
pub(super) fn handle(exchange: &Exchange<'_>, issuer: &SecondIssuer, project: &str) -> Response<Vec<u8>> {
    let mut response = respond(exchange, issuer, project);
    let headers = response.headers_mut();
    for name in [REQUEST_ID, EDGE_ID] {
        if let Ok(id) = HeaderValue::from_str(&exchange.trace_id) {
            headers.insert(name, id);
        }
    }
    response
}

fn respond(exchange: &Exchange<'_>, issuer: &SecondIssuer, project: &str) -> Response<Vec<u8>> {
    if exchange.method != Method::POST {
        return wrong_method(exchange, "POST");
    }
    if !is_authorized(exchange, issuer) {
        let is_suppressed = exchange
            .header(REDIRECT)
            .is_some_and(|value| value.eq_ignore_ascii_case("suppress"));
        return match is_suppressed {
            true => unauthorized(exchange, "SYSTEM_ACCESSTOKEN"),
            false => sign_in(exchange, issuer),
        };
    }
    if exchange.query.value("api-version").is_none() {
        let message = "the parameter api-version is missing, such as 7.1";
        return failed(exchange, StatusCode::BAD_REQUEST, "bad_request", message);
    }
    let subject = match exchange.query.value("serviceConnectionId") {
        Some(id) if id.eq_ignore_ascii_case(&issuer.connection_id) => format!("sc://{project}/{CONNECTION}"),
        Some(_) => {
            let message = "no task of this stage names a service connection with this ID; the emulator has one, \
                           whose ID is in AZURESUBSCRIPTION_SERVICE_CONNECTION_ID";
            return failed(exchange, StatusCode::NOT_FOUND, "not_found", message);
        }
        None => format!("p://{project}/pipeline"),
    };
    let token = issue(exchange, issuer, (&subject, TOKEN_EXCHANGE), LIFETIME, Map::new());
    no_store(exchange.json(StatusCode::OK, &json!({"oidcToken": token})))
}

/// Redirects to a sign-in page, as the service does for a request without a valid token.
fn sign_in(exchange: &Exchange<'_>, issuer: &SecondIssuer) -> Response<Vec<u8>> {
    let mut response = exchange.response(StatusCode::FOUND, "text/html; charset=utf-8", Vec::new());
    if let Ok(page) = HeaderValue::from_str(&format!("{}/_signin", issuer.url)) {
        response.headers_mut().insert(LOCATION, page);
    }
    response
}

const REDIRECT: HeaderName = HeaderName::from_static("x-tfs-fedauthredirect");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-vss-e2eid");
const EDGE_ID: HeaderName = HeaderName::from_static("x-msedge-ref");
/// The lifetime in seconds.
const LIFETIME: u64 = 300;
