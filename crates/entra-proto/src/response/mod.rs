//! The response of a token or device-code endpoint: its status, its headers, its body.

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

/// The members of a success, or why there is none: what holds for the answers of every endpoint. `own` gives the request's own
/// secrets, which no error shows.
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
    let answer = match read::<ResponseBody>(body) {
        Ok(answer) => answer,
        Err(problem) if status.is_success() => return Err(unusable_response(problem)),
        Err(_) => return Err(plain_error(status, headers, body, now, &own()).into()),
    };
    if let Some(member) = answer.odd_member() {
        return Err(unusable_response(ResponseProblem::NotAString(member)));
    }
    if answer.is_error() || !status.is_success() {
        if !status.is_success() && answer.has_token() {
            return Err(unusable_response(ResponseProblem::TokenInRefusal));
        }
        return Err(answer
            .into_error(status.as_u16(), retry_after(headers, now), &own())
            .into());
    }
    Ok(answer)
}

/// An answer that is neither a success nor a refusal that can be read.
pub(crate) fn unusable(problem: ResponseProblem, status: StatusCode, headers: &HeaderMap) -> Error {
    // The type alone: a parameter may be anything.
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
    .into()
}

/// An error response whose body is not JSON: a proxy's page, a plain text, nothing at all.
fn plain_error(status: StatusCode, headers: &HeaderMap, body: &[u8], now: Timestamp, own: &Secrets) -> ServiceError {
    let description = shown_of_body(body, own);
    let codes = marked_codes(&description);
    ErrorResponse {
        description: &description,
        ..ErrorResponse::default()
    }
    .read(status.as_u16(), codes, retry_after(headers, now), own)
}
