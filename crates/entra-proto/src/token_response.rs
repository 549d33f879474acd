use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use http::{StatusCode, Uri};

use crate::acquire::Lifetime;
use crate::answer::{Answer, Count};
use crate::answer_error::{AnswerError, AnswerProblem};
use crate::error::{Error, excerpt};
use crate::retry_after::retry_after;
use crate::secret::AccessToken;
use crate::service_error::ServiceError;
use crate::time::Timestamp;

/// An access token and how long it lasts (RFC 6749, section 5.1).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TokenResponse {
    /// The token.
    pub access_token: AccessToken,
    /// When it came, when it expires and when to ask for the next one.
    pub lifetime: Lifetime,
    /// The scopes granted, where the service says so; else they are those asked for.
    pub scope: Option<String>,
    /// The resource, which the v1 endpoint repeats.
    pub resource: Option<String>,
}

impl TokenResponse {
    /// Reads an answer of the token endpoint, of v1 or v2. `now` is when it arrived.
    ///
    /// Liberal where no harm is done: lifetimes as numbers or strings, a byte order mark, members that nobody knows, any content
    /// type, `token_type` in any case or missing. A lifetime is at most [`MAX_LIFETIME`]; without one, the token counts as expired
    /// when it comes: use it once, and keep it in no cache.
    ///
    /// # Errors
    /// [`Error::Service`] for a refusal, whatever its status; [`Error::Answer`] for what is neither a refusal nor a sound token:
    /// a redirect, a token in a refusal, a missing or empty token or one that no header can hold, a known member twice, a
    /// lifetime that is negative or no number.
    pub fn decode(status: StatusCode, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Self, Error> {
        let answer_error = |problem| {
            let content_type = headers
                .get(CONTENT_TYPE)
                .map(|value| excerpt(&String::from_utf8_lossy(value.as_bytes()), 60));
            Error::from(AnswerError {
                problem,
                status: status.as_u16(),
                content_type,
            })
        };
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
        let mut answer = match Answer::read(body) {
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
        if let Some(kind) = answer
            .token_type
            .take()
            .filter(|kind| !kind.eq_ignore_ascii_case("bearer"))
        {
            return Err(answer_error(AnswerProblem::TokenType(excerpt(&kind, 40))));
        }
        let token = answer.access_token.take().filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| answer_error(AnswerProblem::NoToken))?;
        let access_token = AccessToken::from_wire(token).ok_or_else(|| answer_error(AnswerProblem::UnfitToken))?;
        let expires_in = match (answer.expires_in, answer.expires_on) {
            (Count::Odd, _) | (Count::Missing, Count::Odd) => return Err(answer_error(AnswerProblem::OddLifetime)),
            (Count::Seconds(life), _) => Duration::from_secs(life),
            (Count::Missing, Count::Seconds(moment)) => Timestamp::from_secs(moment).since(now),
            (Count::Missing, Count::Missing) => Duration::ZERO,
        };
        let refresh_in = answer.refresh_in.seconds().map(Duration::from_secs);
        let lifetime = Lifetime::new(now, expires_in.min(MAX_LIFETIME), refresh_in);
        Ok(Self {
            access_token,
            lifetime,
            scope: answer.scope,
            resource: answer.resource,
        })
    }
}

/// The longest life that a token is believed to have: what Entra gives to managed identities, and hardly less than the 28 hours
/// that it gives to clients which answer claims challenges.
pub const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

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
        codes: crate::answer::codes_in(&description),
        description,
        retry_after: retry_after(headers, now),
        ..ServiceError::default()
    }
}

/// How many characters of a page or text a refusal keeps.
const EXCERPT: usize = 1024;

/// What a text with a token or a credential in it contains: the names of the members and headers, and how every JWT starts.
const SECRET_SIGNS: [&str; 6] = [
    "_token",
    "_assertion",
    "client_secret",
    "authorization",
    "bearer ey",
    "eyj",
];
