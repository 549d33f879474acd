//! The protocol by which the Azure Developer CLI gets tokens from the program that started it:
//! `POST /token` with scopes in JSON, protected by a bearer key.
//!
//! Its client reads only responses with the status 200. A failure is one of these, too; only a
//! request without the key has another status.

use bytes::Bytes;
use entra_proto::error::ErrorClass;
use entra_proto::{Target, Tenant};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::answer::of_json;
use super::exchange::Exchange;
use crate::access_key::AccessKey;
use crate::ask::Ask;
use crate::identity::Choice;
use crate::query::Query;
use crate::tokens::Refusal;

/// Responds to a request.
///
/// # Errors
/// Returns the reason if the request gets no token.
pub(super) async fn respond(exchange: &mut Exchange<'_>, key: &AccessKey) -> Result<Response<Bytes>, Refusal> {
    if !has_key(exchange.request.headers(), key) {
        return Err(Refusal::WrongKey(
            "the header Authorization is not \"Bearer\" with AZD_AUTH_KEY",
        ));
    }
    if exchange.request.method() != Method::POST {
        return Err(Refusal::Method("POST"));
    }
    let ask = read(exchange.request)?;
    let token = exchange.issue(ask).await?.token;
    let body = json!({
        "status": "success",
        "token": token.expose(),
        "expiresOn": token.expires_at().to_rfc3339(),
    });
    Ok(of_json(StatusCode::OK, &body))
}

/// Returns the response to a request that gets no token.
pub(super) fn refuse(refusal: &Refusal) -> Response<Bytes> {
    let status = match refusal {
        Refusal::TooLong | Refusal::WrongKey(_) | Refusal::Method(_) | Refusal::Untrusted(_) => refusal.status(),
        _ => StatusCode::OK,
    };
    let body = json!({ "status": "error", "code": code(refusal), "message": refusal.message() });
    of_json(status, &body)
}

/// Returns true if the request has the key, in one header.
fn has_key(headers: &HeaderMap, key: &AccessKey) -> bool {
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    let (Some(sent), None) = (sent.next(), sent.next()) else {
        return false;
    };
    let (scheme, sent) = sent.as_bytes().split_at_checked(BEARER.len()).unwrap_or_default();
    scheme.eq_ignore_ascii_case(BEARER) && key.matches(sent)
}

/// Reads what a request asks for.
fn read(request: &Request<Bytes>) -> Result<Ask, Refusal> {
    let query = Query::read(request.uri().query())?;
    if query.one("api-version")? != Some(VERSION) {
        return Err(Refusal::Malformed(
            format!("the parameter api-version is not {VERSION}").into(),
        ));
    }
    let wanted: Wanted = serde_json::from_slice(request.body())
        .map_err(|error| Refusal::Malformed(format!("the body is not the JSON of a token request: {error}").into()))?;
    let malformed = |error: entra_proto::Error| Refusal::Malformed(error.to_string().into());
    let target = Target::scopes(&wanted.scopes.join(" ")).map_err(malformed)?;
    let mut ask = Ask::new(target, Choice::Default);
    ask.tenant = match wanted.tenant_id.as_deref() {
        None | Some("") => None,
        Some(tenant) => Some(tenant.parse::<Tenant>().map_err(malformed)?),
    };
    Ok(ask)
}

/// Returns the code of a failure. The client shows its own advice if the user has to sign in.
fn code(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Failed(error) if error.class() == ErrorClass::Interaction => "NotSignedInError",
        _ => "GetTokenError",
    }
}

/// The body of a request. Members of later versions are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    scopes: Vec<String>,
    tenant_id: Option<String>,
}

const VERSION: &str = "2023-07-12-preview";
const BEARER: &[u8] = b"Bearer ";
