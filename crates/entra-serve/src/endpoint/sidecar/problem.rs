//! Errors as `application/problem+json` (RFC 9457), with the types and titles of ASP.NET Core.

use std::time::Duration;

use bytes::Bytes;
use entra_validate::{Api, Rejection};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::tokens::Refusal;

/// The reason why a request fails.
#[derive(Debug)]
pub(super) enum Problem {
    /// One that all protocols have.
    Refused(Refusal),
    /// One of this protocol.
    Own(Details),
}

/// The parts of a response to a request that fails.
#[derive(Debug)]
pub(super) struct Details {
    status: StatusCode,
    detail: String,
    /// The claims that the user has to satisfy in a new sign-in.
    claims: Option<String>,
    retry_after: Option<Duration>,
    challenge: Option<HeaderValue>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self::Own(Details::new(status, detail))
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::Refused(Refusal::Malformed(detail.into().into()))
    }

    /// Returns the rejection of the caller's token.
    pub(super) fn of_caller(api: &Api, rejection: &Rejection) -> Self {
        Self::Own(Details {
            challenge: api.www_authenticate(rejection),
            retry_after: rejection.retry_after(),
            ..Details::new(rejection.status(), rejection.problem().to_string())
        })
    }
}

impl Details {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            claims: None,
            retry_after: None,
            challenge: None,
        }
    }

    /// Returns the details of a rejection that other protocols have, too.
    pub(super) fn of(refusal: &Refusal) -> Self {
        let status = match refusal {
            Refusal::Failed(error) if error.is_retryable() => StatusCode::SERVICE_UNAVAILABLE,
            // The token service rejects the application or the user.
            Refusal::Failed(error) if error.service().is_some() => StatusCode::UNAUTHORIZED,
            other => other.status(),
        };
        let mut details = Self::new(status, refusal.message());
        if let Refusal::Failed(error) = refusal {
            details.claims = error.service().and_then(|service| service.claims.clone());
        }
        details
    }

    /// Returns the description of the problem.
    pub(super) fn text(&self) -> &str {
        &self.detail
    }

    /// Returns the response.
    pub(super) fn response(&self) -> Response<Bytes> {
        let (section, title) = kind(self.status);
        let body = Body {
            kind: &format!("https://tools.ietf.org/html/rfc9110#section-{section}"),
            title,
            status: self.status.as_u16(),
            detail: &self.detail,
            claims: self.claims.as_deref(),
        };
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = &self.challenge {
            headers.insert(WWW_AUTHENTICATE, challenge.clone());
        }
        if let Some(pause) = self.retry_after {
            headers.insert(RETRY_AFTER, pause.as_secs().max(1).into());
        }
        response
    }
}

/// The members in the order of ASP.NET Core.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<&'a str>,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Returns the section of RFC 9110 about a status, and its title.
fn kind(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::BAD_REQUEST => ("15.5.1", "Bad Request"),
        StatusCode::UNAUTHORIZED => ("15.5.2", "Unauthorized"),
        StatusCode::FORBIDDEN => ("15.5.4", "Forbidden"),
        StatusCode::METHOD_NOT_ALLOWED => ("15.5.6", "Method Not Allowed"),
        StatusCode::BAD_GATEWAY => ("15.6.3", "Bad Gateway"),
        StatusCode::SERVICE_UNAVAILABLE => ("15.6.4", "Service Unavailable"),
        StatusCode::GATEWAY_TIMEOUT => ("15.6.5", "Gateway Timeout"),
        _ => ("15.6.1", "An error occurred while processing your request."),
    }
}
