//! The metadata server of a Google machine, which issues an identity token as plain text.

use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use serde_json::{Map, json};

use crate::exchange::{Exchange, no_store};
use crate::second_issuer::{issue, wrong_method};
use crate::state::second_issuer::{GOOGLE_SUBJECT, SecondIssuer};

/// Handles a request below `/computeMetadata/v1/`.
pub(super) fn handle(exchange: &Exchange<'_>, issuer: &SecondIssuer, rest: &[&str]) -> Response<Vec<u8>> {
    let mut response = respond(exchange, issuer, rest);
    response
        .headers_mut()
        .insert(FLAVOR, HeaderValue::from_static("Google"));
    response
}

fn respond(exchange: &Exchange<'_>, issuer: &SecondIssuer, rest: &[&str]) -> Response<Vec<u8>> {
    let ["instance", "service-accounts", account, "identity"] = rest else {
        return text(
            exchange,
            StatusCode::NOT_FOUND,
            "the emulator has only the path of identity tokens",
        );
    };
    if exchange.method != Method::GET {
        return wrong_method(exchange, "GET");
    }
    if exchange.header(FLAVOR) != Some("Google") {
        return text(
            exchange,
            StatusCode::FORBIDDEN,
            "the header Metadata-Flavor: Google is missing",
        );
    }
    if ![DEFAULT, MAIL].contains(account) {
        return text(exchange, StatusCode::NOT_FOUND, "there is no such service account");
    }
    let Some(audience) = exchange.query.value("audience") else {
        return text(
            exchange,
            StatusCode::BAD_REQUEST,
            "non-empty audience parameter required",
        );
    };
    let claims = Map::from_iter([
        ("azp".to_owned(), json!(GOOGLE_SUBJECT)),
        ("email".to_owned(), json!(MAIL)),
        ("email_verified".to_owned(), json!(true)),
    ]);
    let token = issue(exchange, issuer, (GOOGLE_SUBJECT, audience), LIFETIME, claims);
    text(exchange, StatusCode::OK, &token)
}

fn text(exchange: &Exchange<'_>, status: StatusCode, text: &str) -> Response<Vec<u8>> {
    no_store(exchange.response(status, "text/html", text.as_bytes().to_vec()))
}

const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");
const DEFAULT: &str = "default";
const MAIL: &str = "app@contoso.iam.gserviceaccount.com";
/// The lifetime in seconds.
const LIFETIME: u64 = 3_600;
