//! Responses that several protocols share.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::tokens::{Issued, Refusal};

/// Returns a response with a JSON body that no cache may keep.
pub(super) fn of_json(status: StatusCode, body: &impl Serialize) -> Response<Bytes> {
    // A token has a length of 1 to 3 KB.
    let mut json = Vec::with_capacity(4096);
    serde_json::to_writer(&mut json, body).expect("the body has only texts and numbers");
    let mut response = Response::new(Bytes::from(json));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A token as managed-identity clients read it: all of them, since it has each member in the form
/// that one of them requires. Numbers are strings.
#[derive(Serialize)]
pub(super) struct Reply<'a> {
    access_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    expires_in: String,
    pub(super) expires_on: String,
    not_before: String,
    refresh_token: &'static str,
    resource: &'a str,
    token_type: &'static str,
}

impl<'a> Reply<'a> {
    pub(super) fn new(issued: &'a Issued<'_>, resource: &'a str) -> Self {
        let token = &issued.token;
        let expires_on = token.expires_at();
        Self {
            access_token: token.expose(),
            client_id: issued.identity.client_id().map(|id| id.to_string()),
            expires_in: expires_on.since(issued.now).as_secs().to_string(),
            expires_on: expires_on.as_secs().to_string(),
            not_before: token.received_at().as_secs().to_string(),
            refresh_token: "",
            resource,
            token_type: "Bearer",
        }
    }

    pub(super) fn response(&self) -> Response<Bytes> {
        of_json(StatusCode::OK, self)
    }
}

/// Adds the headers that the status of a rejection requires, whatever the protocol.
pub(super) fn with_headers_of(mut response: Response<Bytes>, refusal: &Refusal) -> Response<Bytes> {
    let headers = response.headers_mut();
    match refusal {
        Refusal::Method(allowed) => {
            headers.insert(ALLOW, HeaderValue::from_static(allowed));
        }
        Refusal::Failed(error) => {
            if let Some(pause) = error.retry_after() {
                headers.insert(RETRY_AFTER, pause.as_secs().max(1).into());
            }
        }
        _ => {}
    }
    response
}

impl Refusal {
    /// Returns the status of the response.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::UnknownIdentity => StatusCode::BAD_REQUEST,
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::WrongKey(_) => StatusCode::UNAUTHORIZED,
            Self::Untrusted(_) | Self::NotAllowed | Self::OtherTenant => StatusCode::FORBIDDEN,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed(error) if error.is_retryable() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// Returns the text for the caller, with advice.
    pub(crate) fn message(&self) -> Cow<'_, str> {
        match self {
            Self::Malformed(problem) => (&**problem).into(),
            Self::TooLong => "the body of the request is too long".into(),
            Self::WrongKey(problem) | Self::Untrusted(problem) => (*problem).into(),
            Self::Method(allowed) => format!("only {allowed} is supported").into(),
            Self::NotAllowed => "tokens for this resource are not served here; add it to the list of resources".into(),
            Self::OtherTenant => {
                "tokens of other tenants are not served here; name the tenant as the identity does, or none".into()
            }
            Self::UnknownIdentity => "no identity here has this ID; add it, or name none to use the default".into(),
            Self::TooSlow => "the token service has not responded in time; try again".into(),
            Self::Failed(error) => match error.hint() {
                Some(hint) => format!("{error}; {hint}").into(),
                None => error.to_string().into(),
            },
        }
    }
}
