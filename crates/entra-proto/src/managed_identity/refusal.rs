//! The error responses of the platforms.

use http::Response;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};
use serde_json::Value;

use crate::body::Body;
use crate::error::aadsts::marked_codes;
use crate::error::{
    ErrorClass, ErrorResponse, ManagedIdentityError, ManagedIdentityErrorKind, ResponseProblem, Secrets, ServiceError,
};
use crate::managed_identity::reply::unusable;
use crate::managed_identity::source::Source;
use crate::response::body::{Member, numbers, read, text};
use crate::retry_after::{is_transient_status, retry_after};
use crate::time::Timestamp;

/// The known members of the error responses of all platforms.
///
/// There are three forms: `{error, error_description}`, `{error: {code, message}}`, and
/// `{statusCode, message, correlationId}`. The first may have the members of Entra's own error
/// responses.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Members {
    #[serde(deserialize_with = "error")]
    error: Inner,
    #[serde(deserialize_with = "text")]
    code: Member<String>,
    #[serde(deserialize_with = "text")]
    message: Member<String>,
    #[serde(deserialize_with = "text", rename = "correlationId")]
    correlation: Member<String>,

    #[serde(deserialize_with = "text")]
    error_description: Member<String>,
    #[serde(deserialize_with = "numbers")]
    error_codes: Vec<u32>,
    #[serde(deserialize_with = "text")]
    correlation_id: Member<String>,
    #[serde(deserialize_with = "text")]
    trace_id: Member<String>,
    #[serde(deserialize_with = "text")]
    timestamp: Member<String>,
    #[serde(deserialize_with = "text")]
    error_uri: Member<String>,
}

/// The member `error`: a text, or an object with a code and a message.
#[derive(Default)]
struct Inner {
    code: Option<String>,
    message: Option<String>,
    correlation: Option<String>,
}

fn error<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Inner, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(code) => Inner {
            code: Some(code),
            ..Inner::default()
        },
        Value::Object(mut members) => {
            let mut take = |name| match members.remove(name) {
                Some(Value::String(text)) => Some(text),
                _ => None,
            };
            Inner {
                code: take("code"),
                message: take("message"),
                correlation: take("correlationId"),
            }
        }
        _ => Inner::default(),
    })
}

/// Returns the error of a response that is not a success. Nothing of a body that is not JSON is
/// shown.
pub(super) fn refusal(
    source: Source,
    response: &Response<Body>,
    now: Timestamp,
    secrets: &Secrets,
) -> ManagedIdentityError {
    if source == Source::Imds {
        if is_unreachable(response) {
            return ManagedIdentityError::new(
                ManagedIdentityErrorKind::Absent,
                source,
                "a container host responds that the service is unreachable (status 403)",
            );
        }
        if let Some(problem) = foreign(response) {
            return unusable(source, problem, response);
        }
    }
    let members: Members = read(response.body().as_bytes()).unwrap_or_default();
    let code = members.code().unwrap_or_default().to_owned();
    let service = members.into_error(response, now, secrets);
    let kind = kind(source, &code, &service);
    let hint = hint(source, &code, &service);
    let error = ManagedIdentityError::rejected(kind, source, service);
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// Returns the problem of a response that the platform cannot have sent: it is not JSON, and its
/// status is not one of a gateway in front of the platform.
pub(super) fn foreign(response: &Response<Body>) -> Option<ResponseProblem> {
    let status = response.status().as_u16();
    if is_transient_status(status) || status == 410 {
        return None;
    }
    match read::<IgnoredAny>(response.body().as_bytes()) {
        Ok(_) | Err(ResponseProblem::Empty) => None,
        // The shape of JSON is judged by its reader.
        Err(ResponseProblem::WrongShape { .. }) => None,
        Err(problem) => Some(problem),
    }
}

/// Returns whether Docker Desktop responds in place of the instance metadata service.
pub(super) fn is_unreachable(response: &Response<Body>) -> bool {
    let body = response.body().as_bytes();
    let start = body.get(..4096).unwrap_or(body);
    response.status().as_u16() == 403
        && start
            .windows(UNREACHABLE.len())
            .any(|window| window.eq_ignore_ascii_case(UNREACHABLE))
}

impl Members {
    fn code(&self) -> Option<&str> {
        let code = self.error.code.as_deref();
        code.or_else(|| self.code.text().map(String::as_str))
    }

    fn into_error(self, response: &Response<Body>, now: Timestamp, secrets: &Secrets) -> ServiceError {
        let of = |member: &Member<String>| member.text().cloned();
        let description = of(&self.error_description)
            .or_else(|| self.error.message.clone())
            .or_else(|| of(&self.message))
            .unwrap_or_default();
        let codes = match &self.error_codes[..] {
            [] => marked_codes(&description),
            codes => codes.to_vec(),
        };
        let correlation = of(&self.correlation_id)
            .or_else(|| of(&self.correlation))
            .or_else(|| self.error.correlation.clone());
        let code = self.code().unwrap_or_default();
        let mut service = ErrorResponse {
            error: code,
            description: &description,
            correlation_id: correlation.as_deref(),
            trace_id: self.trace_id.text().map(String::as_str),
            timestamp: self.timestamp.text().map(String::as_str),
            error_uri: self.error_uri.text().map(String::as_str),
            ..ErrorResponse::default()
        }
        .read(
            response.status().as_u16(),
            codes,
            retry_after(response.headers(), now),
            secrets,
        );
        // A code of the platforms is not a secret, even if it has digits or contains a short one.
        if CODES.contains(&code) {
            service.error = code.to_owned();
        }
        service
    }
}

fn kind(source: Source, code: &str, service: &ServiceError) -> ManagedIdentityErrorKind {
    use ManagedIdentityErrorKind::{Configuration, Denied, NotAssigned, Throttled, Unavailable};

    let is_clients = (400..500).contains(&service.status) && service.status != 429;
    match code {
        _ if !is_clients => {}
        "invalid_resource" | "invalid_scope" | "invalid_target" | AUDIENCE_NOT_SUPPORTED => return Configuration,
        NO_METADATA_HEADER
        | "SecretHeaderNotFound"
        | "ArgumentNullOrEmpty"
        | "InvalidApiVersion"
        | "UnsupportedApiVersion" => return Configuration,
        IDENTITY_NOT_FOUND | "ManagedIdentityNotFound" => return NotAssigned,
        "unauthorized_client" | "access_denied" | "unknown_source" => return Denied,
        _ => {}
    }
    match service.status {
        400 if service.row().is_some_and(|row| row.class == ErrorClass::Scope) => Configuration,
        400 => NotAssigned,
        404 if source == Source::ServiceFabric => NotAssigned,
        429 => Throttled,
        404 | 408 | 410 | 500.. => Unavailable,
        _ => Denied,
    }
}

fn hint(source: Source, code: &str, service: &ServiceError) -> Option<&'static str> {
    Some(match (source, code, service.status) {
        (_, AUDIENCE_NOT_SUPPORTED, _) => {
            "request one of the resources that Cloud Shell supports, such as https://management.azure.com/"
        }
        (_, NO_METADATA_HEADER, _) => "look for a proxy that removes the header Metadata from requests",
        (_, "SecretHeaderNotFound", _) => "look for a proxy that removes the header Secret from requests",
        (_, "InvalidApiVersion" | "UnsupportedApiVersion", _) => {
            "check the variable IDENTITY_API_VERSION, and update the platform"
        }
        (_, IDENTITY_NOT_FOUND | "ManagedIdentityNotFound", _) => return None,
        // The row of an AADSTS code has better advice.
        _ if service.row().is_some() => return None,
        (_, "invalid_resource" | "invalid_scope" | "invalid_target", _) => CHECK_RESOURCE,
        (Source::AppService, _, 500) => CHECK_RESOURCE,
        (Source::ServiceFabric, _, 500) => "check the resource: a trailing slash is a frequent error",
        (Source::Imds, _, 404 | 410) => "try again in two minutes: the service is being updated",
        (Source::AppService | Source::MachineLearning | Source::CloudShell | Source::Arc, _, 404) => {
            "check the variable with the endpoint: it must be the one of the running process's own platform"
        }
        (Source::AppService | Source::MachineLearning | Source::ServiceFabric, _, 401 | 403) => {
            "start the process with the current variables of the platform, whose secret may have been replaced"
        }
        _ => return None,
    })
}

/// The codes of the platforms that decide about a kind or a hint.
const CODES: [&str; 12] = [
    "invalid_resource",
    "unauthorized_client",
    "access_denied",
    "unknown_source",
    "SecretHeaderNotFound",
    "ArgumentNullOrEmpty",
    "InvalidApiVersion",
    "UnsupportedApiVersion",
    "ManagedIdentityNotFound",
    NO_METADATA_HEADER,
    AUDIENCE_NOT_SUPPORTED,
    IDENTITY_NOT_FOUND,
];

/// The code of the instance metadata service for a request without the header `Metadata`.
const NO_METADATA_HEADER: &str = "bad_request_102";
/// The code of Cloud Shell for a resource that is not on its list.
const AUDIENCE_NOT_SUPPORTED: &str = "AudienceNotSupported";
/// The code of the Azure Arc agent for an identity that is not assigned to the machine.
pub(super) const IDENTITY_NOT_FOUND: &str = "identity_not_found";
/// The word in Docker Desktop's response, in lower case.
const UNREACHABLE: &[u8] = b"unreachable";

const CHECK_RESOURCE: &str =
    "check the resource: it must be the application ID URI of an API in this tenant, including its slashes";
