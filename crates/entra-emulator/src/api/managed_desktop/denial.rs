//! Error responses of Managed Desktop.

use std::fmt;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use crate::bearer::Flaw;
use crate::exchange::{Exchange, shown};

/// An error response.
pub(super) struct Denial {
    status: StatusCode,
    /// The error code of a feature that is not implemented. Other errors have the status as code.
    code: Option<&'static str>,
    message: String,
    /// The parameters of the `WWW-Authenticate` challenge, if a token was sent.
    challenge: Option<String>,
}

impl Denial {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            code: None,
            message: message.into(),
            challenge: None,
        }
    }

    /// Creates the error (401) for an invalid token.
    fn token(description: impl Into<String>) -> Self {
        let description = description.into();
        Self {
            challenge: Some(format!("error=\"invalid_token\", error_description=\"{description}\"")),
            ..Self::new(StatusCode::UNAUTHORIZED, description)
        }
    }

    /// Creates the error (401) for a token for another API.
    fn audience(audience: &str) -> Self {
        // The token was signed here, so this is the name of a registered API.
        let audience = shown(audience).replace(['"', '\\'], "");
        Self::token(format!("The audience '{audience}' is invalid"))
    }

    /// Creates the error (403) for a token of another tenant than the one in the path.
    pub(super) fn tenant(of_token: &str) -> Self {
        let message = format!("The tenant in the URL is not the tenant {of_token} of the access token.");
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// Creates the error (403) for a token without a permission. The usual reason is missing
    /// consent.
    pub(super) fn permission(name: &str) -> Self {
        let message = format!("The access token does not have the permission {name}.");
        Self::new(StatusCode::FORBIDDEN, message)
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn not_found(message: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// Creates the response (501) to a feature of the API that the emulator does not implement.
    pub(super) fn not_emulated(what: impl fmt::Display) -> Self {
        Self {
            code: Some("not_emulated"),
            ..Self::new(
                StatusCode::NOT_IMPLEMENTED,
                format!("The emulator does not emulate {what}."),
            )
        }
    }

    pub(super) fn into_response(self, exchange: &Exchange<'_>) -> Response<Vec<u8>> {
        let code = self
            .code
            .map_or_else(|| self.status.as_u16().to_string(), str::to_owned);
        let body = json!({"error": {"code": code, "message": self.message}});
        let mut response = exchange.json(self.status, &body);
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = match &self.challenge {
                Some(challenge) => format!("Bearer {challenge}"),
                None => "Bearer".to_owned(),
            };
            if let Ok(challenge) = HeaderValue::from_str(&challenge) {
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
        }
        response
    }
}

impl From<Flaw> for Denial {
    fn from(flaw: Flaw) -> Self {
        match flaw {
            Flaw::Missing => Self::new(StatusCode::UNAUTHORIZED, "The request has no access token."),
            Flaw::Malformed => Self::token("The access token is malformed"),
            Flaw::Signature => Self::token("The signature is invalid"),
            Flaw::Expired => Self::token("The token expired"),
            Flaw::NotYet => Self::token("The token is not valid yet"),
            Flaw::Issuer => Self::token("The issuer is invalid"),
            Flaw::Audience(named) => Self::audience(&named),
            Flaw::Revoked { .. } => Self::token("The token was revoked"),
        }
    }
}
