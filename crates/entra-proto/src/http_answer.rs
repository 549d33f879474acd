use http::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use http::{StatusCode, Uri};

use crate::aadsts::marked_codes;
use crate::answer::{Answer, read};
use crate::answer_error::{AnswerError, AnswerProblem, AskedFor};
use crate::error::{Error, excerpt};
use crate::redaction::Secrets;
use crate::refusal::{Refusal, shown_of_body};
use crate::retry_after::retry_after;
use crate::secrecy::may_be_secret;
use crate::service_error::ServiceError;
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
) -> Result<Answer, Error> {
    let answer_error = |problem| unusable(problem, status, headers);
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
        return Err(answer_error(AnswerProblem::Redirect(host)));
    }
    if body.len() > MAX_ANSWER {
        return Err(answer_error(AnswerProblem::TooLarge));
    }
    let answer = match read::<Answer>(body) {
        Ok(answer) => answer,
        Err(problem) if status.is_success() => return Err(answer_error(problem)),
        Err(_) => return Err(plain_refusal(status, headers, body, now, &own()).into()),
    };
    if let Some(member) = answer.odd_member() {
        return Err(answer_error(AnswerProblem::NotAString(member)));
    }
    if answer.is_refusal() || !status.is_success() {
        if !status.is_success() && answer.has_token() {
            return Err(answer_error(AnswerProblem::TokenInRefusal));
        }
        return Err(answer
            .into_refusal(status.as_u16(), retry_after(headers, now), &own())
            .into());
    }
    Ok(answer)
}

/// An answer that is neither a success nor a refusal that can be read.
pub(crate) fn unusable(problem: AnswerProblem, status: StatusCode, headers: &HeaderMap) -> Error {
    // The type alone: a parameter may be anything.
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok()?.split(';').next())
        .map(str::trim)
        .filter(|kind| kind.len() <= 60 && kind.contains('/') && !may_be_secret(kind))
        .map(|kind| excerpt(kind, 60));
    AnswerError {
        problem,
        asked: AskedFor::Token,
        status: status.as_u16(),
        content_type,
    }
    .into()
}

/// How long the body of an answer may be, in bytes: 1 MiB, hundreds of times what Entra sends.
pub const MAX_ANSWER: usize = 1024 * 1024;

/// An error response whose body is not JSON: a proxy's page, a plain text, nothing at all.
fn plain_refusal(status: StatusCode, headers: &HeaderMap, body: &[u8], now: Timestamp, own: &Secrets) -> ServiceError {
    let description = shown_of_body(body, own);
    let codes = marked_codes(&description);
    Refusal {
        description: &description,
        ..Refusal::default()
    }
    .read(status.as_u16(), codes, retry_after(headers, now), own)
}
