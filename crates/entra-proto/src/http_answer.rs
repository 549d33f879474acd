use http::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use http::{StatusCode, Uri};

use crate::answer::{Answer, read};
use crate::answer_error::{AnswerError, AnswerProblem, AskedFor};
use crate::error::{Error, excerpt};
use crate::retry_after::retry_after;
use crate::service_error::ServiceError;
use crate::time::Timestamp;

/// The members of a success, or why there is none: what holds for the answers of every endpoint.
#[inline(always)]
pub(crate) fn read_success(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<Answer, Error> {
    let answer_error = |problem| unusable(problem, status, headers);
    if status.is_redirection() {
        let host = headers.get(LOCATION).and_then(|to| {
            to.to_str()
                .ok()?
                .parse::<Uri>()
                .ok()?
                .host()
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
        Err(_) => return Err(plain_refusal(status, headers, body, now).into()),
    };
    if answer.is_refusal() || !status.is_success() {
        if !status.is_success() && answer.has_token() {
            return Err(answer_error(AnswerProblem::TokenInRefusal));
        }
        return Err(answer.into_refusal(status.as_u16(), retry_after(headers, now)).into());
    }
    Ok(answer)
}

/// An answer that is neither a success nor a refusal that can be read.
pub(crate) fn unusable(problem: AnswerProblem, status: StatusCode, headers: &HeaderMap) -> Error {
    let content_type = headers
        .get(CONTENT_TYPE)
        .map(|value| excerpt(&String::from_utf8_lossy(value.as_bytes()), 60));
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

/// A refusal whose body is not JSON: a proxy's page, a plain text, nothing at all.
fn plain_refusal(status: StatusCode, headers: &HeaderMap, body: &[u8], now: Timestamp) -> ServiceError {
    let start = body.get(..4 * EXCERPT).unwrap_or(body);
    let text: String = String::from_utf8_lossy(start)
        .trim_start_matches('\u{feff}')
        .chars()
        .take(EXCERPT)
        .collect();
    // JSON that was cut may hold a token, and a proxy's page the request: then nothing of it is shown.
    let lower = text.to_ascii_lowercase();
    let description = if SECRET_SIGNS.iter().any(|sign| lower.contains(sign)) {
        String::new()
    } else {
        text
    };
    ServiceError {
        status: status.as_u16(),
        codes: crate::aadsts::marked_codes(&description),
        description,
        retry_after: retry_after(headers, now),
        ..ServiceError::default()
    }
}

/// How many characters of a page or text a refusal keeps.
const EXCERPT: usize = 1024;

/// What a text with a token or a credential in it contains: the names of the members and headers, and how every JWT starts.
const SECRET_SIGNS: [&str; 9] = [
    "_token",
    "_assertion",
    "_verifier",
    "device_code",
    "client_secret",
    "assertion=",
    "authorization",
    "bearer ey",
    "eyj",
];
