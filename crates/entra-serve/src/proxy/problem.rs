//! The errors of the proxy itself, as responses that no client takes for those of the API.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::time::Duration;

use bytes::Bytes;
use entra_proto::endpoint::Origin;
use entra_tower::BearerError;
use entra_transport::tls::find;
use entra_transport::{TransportError, TransportErrorKind};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::json;

use super::body::NothingMoves;
use crate::serve::{Body, BoxError};
use crate::tokens::Refusal;

/// An error of the proxy: the request did not reach the API, or there is no response of it.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) code: Code,
    pub(super) detail: Cow<'static, str>,
    hint: Option<Cow<'static, str>>,
    retry_after: Option<Duration>,
    /// The codes and IDs of the token service, if it issued none.
    service: Option<Box<ServiceIds>>,
}

#[derive(Debug)]
struct ServiceIds {
    codes: Vec<u32>,
    trace_id: Option<String>,
    correlation_id: Option<String>,
}

/// The kind of an error, as clients see it in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// The request has a form that the proxy does not pass on.
    BadRequest,
    /// The secret of the proxy is missing or wrong.
    WrongKey,
    /// No program of this machine sends such a request.
    Rejected,
    /// There is no token, and a later request may get one.
    NoTokenNow,
    /// There is no token.
    NoToken,
    /// There is no connection to the API.
    Unreachable,
    /// The API does not respond in time.
    Timeout,
    /// The API sent no response, or a malformed one.
    BadResponse,
    /// The proxy has no room.
    Busy,
}

impl Code {
    fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::WrongKey => StatusCode::UNAUTHORIZED,
            Self::Rejected => StatusCode::FORBIDDEN,
            Self::NoTokenNow | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoToken | Self::Unreachable | Self::BadResponse => StatusCode::BAD_GATEWAY,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::WrongKey => "wrong-key",
            Self::Rejected => "rejected",
            Self::NoTokenNow | Self::NoToken => "no-token",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::BadResponse => "bad-response",
            Self::Busy => "busy",
        }
    }
}

impl Problem {
    pub(super) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            hint: None,
            retry_after: None,
            service: None,
        }
    }

    pub(super) fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Creates the problem of a request to the API that failed.
    pub(super) fn of_bearer(error: &BearerError, origin: &Origin) -> Self {
        match error {
            BearerError::Token(error) => Self::of_token(error),
            BearerError::Service(error) => Self::of_request(&**error, origin),
            // The origin of each request is that of the API.
            error => Self::new(Code::BadRequest, error.to_string()),
        }
    }

    fn of_token(error: &entra_client::Error) -> Self {
        let code = if error.is_retryable() {
            Code::NoTokenNow
        } else {
            Code::NoToken
        };
        let service = error.service().map(|service| {
            Box::new(ServiceIds {
                codes: service.codes.clone(),
                trace_id: service.trace_id.clone(),
                correlation_id: service.correlation_id.clone(),
            })
        });
        Self {
            hint: error.hint().map(|hint| hint.to_owned().into()),
            retry_after: error
                .retry_after()
                .or_else(|| (code == Code::NoTokenNow).then_some(PAUSE)),
            service,
            ..Self::new(code, format!("there is no token for the API: {error}"))
        }
    }

    fn of_request(error: &(dyn StdError + 'static), origin: &Origin) -> Self {
        let origin = origin.as_str();
        if let Some(error) = find::<TransportError>(error) {
            let code = match error.kind() {
                TransportErrorKind::Timeout => Code::Timeout,
                _ => Code::Unreachable,
            };
            return Self {
                hint: error.hint().map(|hint| hint.to_owned().into()),
                ..Self::new(code, format!("{origin}: {error}"))
            };
        }
        if find::<NothingMoves>(error).is_some() {
            return Self::idle();
        }
        let problem = match find::<hyper::Error>(error) {
            Some(error) if error.is_parse() => "the response is not well-formed HTTP",
            _ => "the connection ended before the response",
        };
        Self::new(Code::BadResponse, format!("{origin}: {problem}"))
            .with_hint("check whether the API has carried out the request before you send it again")
    }

    /// Creates the problem of an exchange in which no byte moves.
    pub(super) fn idle() -> Self {
        Self::new(Code::Timeout, NothingMoves.to_string()).with_hint("allow a longer time without data")
    }

    /// Creates the problem of a request that the guard rejects.
    pub(super) fn of_refusal(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Malformed(problem) => Self::new(Code::BadRequest, problem.clone()),
            refusal => Self::new(Code::Rejected, refusal.message().into_owned())
                .with_hint("call the proxy from a program of this machine, by the address that it printed"),
        }
    }

    /// Returns the response, in the form of RFC 9457.
    pub(super) fn into_response(self) -> Response<Body> {
        let status = self.code.status();
        let mut body = json!({
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": self.detail,
            "code": self.code.as_str(),
        });
        if let Some(hint) = self.hint {
            body["hint"] = hint.into();
        }
        if let Some(service) = self.service {
            body["aadsts_codes"] = service.codes.into();
            body["trace_id"] = service.trace_id.into();
            body["correlation_id"] = service.correlation_id.into();
        }
        let body = Full::new(Bytes::from(body.to_string())).map_err(BoxError::from);
        let mut response = Response::new(body.boxed_unsync());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(ERROR_HEADER, HeaderValue::from_static(self.code.as_str()));
        if let Some(after) = self.retry_after {
            // A pause of less than a second is one of a second.
            headers.insert(RETRY_AFTER, after.as_secs().max(1).into());
        }
        if self.code == Code::WrongKey {
            // Programs with a user and a password in the URL send them once they are asked.
            headers.insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"entra proxy\""),
            );
        }
        response
    }
}

/// The pause before a client asks again, if the token service names none.
const PAUSE: Duration = Duration::from_secs(1);

/// The header that only errors of the proxy have.
pub(super) const ERROR_HEADER: HeaderName = HeaderName::from_static("entra-proxy-error");
