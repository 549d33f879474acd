//! Responses that several protocols share.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::tokens::{Issued, Refusal};

/// Returns a response with a JSON body that no cache may keep.
pub(super) fn of_json(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Returns the token as managed-identity clients read it: all of them, since it has each member in
/// the form that one of them requires. Numbers are strings.
pub(super) fn identity_reply(issued: &Issued<'_>, ask: &Ask) -> Response<Bytes> {
    let token = &issued.token;
    let now = issued.now;
    let expires_on = token.expires_at();
    let mut body = json!({
        "access_token": token.expose(),
        "expires_in": expires_on.since(now).as_secs().to_string(),
        "expires_on": expires_on.as_secs().to_string(),
        "not_before": token.received_at().as_secs().to_string(),
        "refresh_token": "",
        "resource": ask.target.audience().unwrap_or_default(),
        "token_type": "Bearer",
    });
    if let Some(id) = issued.identity.client_id() {
        body["client_id"] = id.to_string().into();
    }
    of_json(StatusCode::OK, &body)
}

impl Refusal {
    /// Returns the status of the response.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::UnknownIdentity => StatusCode::BAD_REQUEST,
            Self::NotAllowed | Self::OtherTenant => StatusCode::FORBIDDEN,
            Self::Failed(error) if error.is_retryable() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// Returns the text for the caller, with advice.
    pub(super) fn message(&self) -> String {
        match self {
            Self::Malformed(problem) => problem.to_string(),
            Self::NotAllowed => "tokens for this resource are not served here; add it to the list of resources".into(),
            Self::OtherTenant => {
                "tokens of other tenants are not served here; name the tenant as the identity does, or none".into()
            }
            Self::UnknownIdentity => "no identity here has this ID; add it, or name none to use the default".into(),
            Self::Failed(error) => match error.hint() {
                Some(hint) => format!("{error}; {hint}"),
                None => error.to_string(),
            },
        }
    }
}
