//! Error responses in Graph's format.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use serde_json::json;

use crate::api::graph::body::JSON;
use crate::exchange::{Exchange, shown};
use crate::time::{graph_date, unix};
use crate::well_known::GRAPH_APP_ID;

/// An error response.
#[derive(Debug)]
pub(crate) struct Denial {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// The number of seconds before the client can retry.
    retry_after: Option<u64>,
    /// Additional parameters of the `WWW-Authenticate` challenge, each preceded by a comma.
    challenge: String,
}

impl Denial {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after: None,
            challenge: String::new(),
        }
    }

    /// Creates the error (401) for a missing or invalid token.
    pub(super) fn token(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message)
    }

    /// Creates the error (401) for a revoked token whose client did not declare support for claims
    /// challenges.
    pub(super) fn revoked() -> Self {
        let message = "Access token validation failure. The token was revoked.";
        Self {
            challenge: format!(", error_description=\"{message}\", error=\"invalid_token\""),
            ..Self::token(message)
        }
    }

    /// Creates the claims challenge (401) for a token that was revoked at this time, in seconds
    /// since the Unix epoch. The client must request a token that is at least as new.
    pub(super) fn claims(at: u64) -> Self {
        let claims = json!({"access_token": {"nbf": {"essential": true, "value": at.to_string()}}});
        let claims = STANDARD.encode(claims.to_string());
        Self {
            challenge: format!(
                ", error_description=\"{ISSUED_BEFORE}\", error=\"insufficient_claims\", claims=\"{claims}\""
            ),
            ..Self::token(ISSUED_BEFORE)
        }
    }

    /// Creates the error (403) for a valid token without the permission. The usual reason is
    /// missing consent.
    pub(super) fn privileges() -> Self {
        let message = "Insufficient privileges to complete the operation.";
        Self::new(StatusCode::FORBIDDEN, "Authorization_RequestDenied", message)
    }

    /// Creates the error (429) for too many requests.
    pub(super) fn throttled(retry_after: u64) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "TooManyRequests",
                "Please retry again later.",
            )
        }
    }

    /// Creates the error (400) for a request that the directory rejects.
    pub(super) fn request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_BadRequest", message)
    }

    /// Creates the error (400) for a violation of OData's rules: a syntax error, an unknown
    /// property, a repeated option.
    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// Creates the error (400) for a well-formed query that Graph does not support.
    pub(super) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_UnsupportedQuery", message)
    }

    pub(super) fn not_found(id: &str) -> Self {
        let message = format!(
            "Resource '{}' does not exist or one of its references is not there.",
            shown(id)
        );
        Self::new(StatusCode::NOT_FOUND, "Request_ResourceNotFound", message)
    }

    /// Creates the response (501) to a feature of Graph that the emulator does not implement.
    pub(super) fn not_emulated(what: impl std::fmt::Display) -> Self {
        let message = format!("The emulator does not emulate {what}.");
        Self::new(StatusCode::NOT_IMPLEMENTED, "not_emulated", message)
    }

    pub(super) fn into_response(self, exchange: &Exchange<'_>) -> Response<Vec<u8>> {
        let request_id = &exchange.trace_id;
        let throttled = self.retry_after.map(|_| Throttled {
            code: "429",
            message: "Please retry after",
            status: "429",
        });
        let body = Body {
            error: Error {
                code: self.code,
                message: &self.message,
                inner: Inner {
                    throttled,
                    request_id,
                    date: graph_date(unix(exchange.now)),
                    client_request_id: exchange.client_request_id(),
                },
            },
        };
        let mut response = exchange.response(self.status, JSON, serde_json::to_vec(&body).unwrap_or_default());
        if let Ok(id) = HeaderValue::from_str(request_id) {
            response.headers_mut().insert("request-id", id);
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = format!(
                "Bearer realm=\"\", authorization_uri=\"{}/common/oauth2/authorize\", client_id=\"{GRAPH_APP_ID}\"{}",
                login(exchange),
                self.challenge
            );
            if let Ok(challenge) = HeaderValue::from_str(&challenge) {
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
        }
        response
    }
}

/// The body of an error response, in Graph's order: documents show this order, and programs print
/// the body unchanged.
#[derive(Serialize)]
struct Body<'a> {
    error: Error<'a>,
}

#[derive(Serialize)]
struct Error<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(rename = "innerError")]
    inner: Inner<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Inner<'a> {
    #[serde(flatten)]
    throttled: Option<Throttled>,
    request_id: &'a str,
    date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Throttled {
    code: &'static str,
    message: &'static str,
    status: &'static str,
}

/// Returns the origin of the login endpoints: the emulator, or the public cloud if the client
/// reached Graph under Graph's own host name.
fn login<'e>(exchange: &'e Exchange<'_>) -> &'e str {
    if exchange.host().eq_ignore_ascii_case("graph.microsoft.com") {
        "https://login.microsoftonline.com"
    } else {
        &exchange.origin
    }
}

/// The text that programs look for.
const ISSUED_BEFORE: &str = concat!(
    "Continuous access evaluation resulted in challenge with result: InteractionRequired",
    " and code: TokenIssuedBeforeRevocationTimestamp",
);
