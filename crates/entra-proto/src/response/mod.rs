//! Reads the response of a token or device-code endpoint: its status, headers and body.

pub(crate) mod body;

use http::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use http::{StatusCode, Uri};

use crate::body::MAX_RESPONSE;
use crate::error::aadsts::marked_codes;
use crate::error::{
    Error, ErrorResponse, Requested, ResponseError, ResponseProblem, Secrets, ServiceError, shown_of_body,
};
use crate::printable::excerpt;
use crate::response::body::{ResponseBody, read};
use crate::retry_after::retry_after;
use crate::secrecy::may_be_secret;
use crate::time::Timestamp;

/// Returns the members of a success. The rules are the same for all endpoints. `own` returns the
/// request's own secrets, which no error shows.
#[inline(always)]
pub(crate) fn read_success(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
    own: &dyn Fn() -> Secrets,
) -> Result<ResponseBody, Error> {
    let unusable_response = |problem| unusable(problem, status, headers);
    if status.is_redirection() {
        let host = headers.get(LOCATION).and_then(|to| {
            to.to_str()
                .ok()?
                .parse::<Uri>()
                .ok()?
                .host()
                .filter(|host| !may_be_secret(host))
                .map(|host| excerpt(host, 100))
        });
        return Err(unusable_response(ResponseProblem::Redirect(host)));
    }
    if body.len() > MAX_RESPONSE {
        return Err(unusable_response(ResponseProblem::TooLarge));
    }
    let members = match read::<ResponseBody>(body) {
        Ok(members) => members,
        Err(problem) if status.is_success() => return Err(unusable_response(problem)),
        Err(_) => return Err(plain_error(status, headers, body, now, &own()).into()),
    };
    if let Some(member) = members.odd_member() {
        return Err(unusable_response(ResponseProblem::NotAString(member)));
    }
    if members.is_error() || !status.is_success() {
        if !status.is_success() && members.has_token() {
            return Err(unusable_response(ResponseProblem::TokenInErrorResponse));
        }
        return Err(members
            .into_error(status.as_u16(), retry_after(headers, now), &own())
            .into());
    }
    Ok(members)
}

/// Creates the error for a response that is neither a success nor a readable error response.
pub(crate) fn unusable(problem: ResponseProblem, status: StatusCode, headers: &HeaderMap) -> Error {
    response_error(problem, status, headers).into()
}

/// Creates the same error as its own type.
pub(crate) fn response_error(problem: ResponseProblem, status: StatusCode, headers: &HeaderMap) -> ResponseError {
    // The media type only: its parameters could be anything.
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok()?.split(';').next())
        .map(str::trim)
        .filter(|kind| kind.len() <= 60 && kind.contains('/') && !may_be_secret(kind))
        .map(|kind| excerpt(kind, 60));
    ResponseError {
        problem,
        requested: Requested::Token,
        status: status.as_u16(),
        content_type,
    }
}

/// Returns the error of an error response that is not JSON: a proxy's page, plain text, or nothing.
fn plain_error(status: StatusCode, headers: &HeaderMap, body: &[u8], now: Timestamp, own: &Secrets) -> ServiceError {
    let description = shown_of_body(body, own);
    let codes = marked_codes(&description);
    ErrorResponse {
        description: &description,
        ..ErrorResponse::default()
    }
    .read(status.as_u16(), codes, retry_after(headers, now), own)
}
