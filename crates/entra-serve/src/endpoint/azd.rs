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
use serde_json::{Value, json};

use super::answer::of_json;
use crate::access_key::AccessKey;
use crate::ask::Ask;
use crate::identity::Choice;
use crate::query::Query;
use crate::tokens::{Refusal, Tokens};

/// Responds to a request.
pub(super) async fn respond(request: &Request<Bytes>, key: &AccessKey, tokens: &Tokens) -> Response<Bytes> {
    if !has_key(request.headers(), key) {
        let message = "the header Authorization is not \"Bearer\" with AZD_AUTH_KEY";
        return of_json(StatusCode::UNAUTHORIZED, &failure("GetTokenError", message));
    }
    if request.method() != Method::POST {
        let message = "only POST is supported";
        return of_json(StatusCode::METHOD_NOT_ALLOWED, &failure("GetTokenError", message));
    }
    let issued = match read(request) {
        Ok(ask) => tokens.issue(&ask).await.map(|issued| {
            json!({
                "status": "success",
                "token": issued.token.expose(),
                "expiresOn": issued.token.expires_at().to_rfc3339(),
            })
        }),
        Err(refusal) => Err(refusal),
    };
    let body = issued.unwrap_or_else(|refusal| failure(code(&refusal), &refusal.message()));
    of_json(StatusCode::OK, &body)
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

fn failure(code: &str, message: &str) -> Value {
    json!({ "status": "error", "code": code, "message": message })
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
