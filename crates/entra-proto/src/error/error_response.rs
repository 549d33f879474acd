//! An error response of the service, made fit to be shown.

use std::time::Duration;

use crate::claims_request::ClaimsRequest;
use crate::error::{ErrorClass, MAX_TEXT, Secrets, ServiceError};
use crate::guid::Guid;
use crate::printable::cut;
use crate::secrecy::{has_random_word, may_be_secret, names_secret, without_secrets};

/// What an error response says, as it came.
///
/// Whoever answers may write a token or an echo of the request into any member. So each is kept only where it is what that
/// member is for: an error code is a word, an id a GUID, a page a URL. In the message, what may be a secret is replaced.
#[derive(Default)]
pub(crate) struct ErrorResponse<'a> {
    pub(crate) error: &'a str,
    pub(crate) description: &'a str,
    pub(crate) suberror: Option<&'a str>,
    pub(crate) claims: Option<&'a str>,
    pub(crate) trace_id: Option<&'a str>,
    pub(crate) correlation_id: Option<&'a str>,
    pub(crate) timestamp: Option<&'a str>,
    pub(crate) error_uri: Option<&'a str>,
}

impl ErrorResponse<'_> {
    /// `own` are the secrets of the request. They are blotted out first, while each still stands there in one piece.
    pub(crate) fn read(
        self,
        status: u16,
        codes: Vec<u32>,
        retry_after: Option<Duration>,
        own: &Secrets,
    ) -> ServiceError {
        let blotted = |text: &str| {
            let mut text = text.to_owned();
            own.blot(&mut text);
            text
        };
        let kept = |text: Option<&str>, fits: fn(&str) -> bool| text.map(blotted).filter(|text| fits(text));
        let is_id = |id: &str| id.len() == 36 && id.parse::<Guid>().is_ok();
        let description = blotted(&cut(self.description, MAX_TEXT));
        // A word of the protocol is no secret, even where a short secret stands in it: what to do depends on it.
        let is_protocols = ErrorClass::of_word(self.error) != ErrorClass::Unknown;
        let error = if is_protocols {
            self.error.to_owned()
        } else {
            kept(Some(self.error), is_error_code).unwrap_or_default()
        };
        ServiceError {
            status,
            error,
            codes,
            suberror: kept(self.suberror, is_word),
            description: without_secrets(&description).unwrap_or(description),
            claims: kept(self.claims, is_claims),
            trace_id: kept(self.trace_id, is_id),
            correlation_id: kept(self.correlation_id, is_id),
            timestamp: kept(self.timestamp, is_timestamp),
            error_uri: kept(self.error_uri, is_page),
            retry_after,
            sent: None,
        }
    }
}

/// What may be shown of a body that is not JSON: the first 1,024 characters of a plain text or page; where it holds a request, a
/// response or anything that may be a secret, the service's own message in it at most.
pub(crate) fn shown_of_body(body: &[u8], own: &Secrets) -> String {
    let start = body.get(..4 * EXCERPT).unwrap_or(body);
    let mut text: String = String::from_utf8_lossy(start)
        .trim_start_matches('\u{feff}')
        .chars()
        .take(EXCERPT)
        .collect();
    own.blot(&mut text);
    let lower = text.to_ascii_lowercase();
    let trimmed = lower.trim();
    let is_data = trimmed.starts_with(['{', '[', '"']) || DATA_SIGNS.iter().any(|sign| lower.contains(sign));
    // A word alone may be a token. One of letters, such as "unavailable", says what is wrong.
    let is_one_word = !trimmed.contains(char::is_whitespace) && !is_word(trimmed);
    let is_secret = SECRET_SIGNS.iter().any(|sign| lower.contains(sign)) || names_secret(&text) || may_be_secret(&text);
    let message = message_in(&text);
    // UTF-16 and compressed bodies are no texts. Of a page, the service's message is all that counts.
    let is_binary = text.contains('\0');
    let is_page = !message.is_empty() && trimmed.starts_with('<');
    if !(is_data || is_one_word || is_secret || is_binary || is_page) {
        return text;
    }
    without_secrets(message).unwrap_or_else(|| message.to_owned())
}

/// The service's message in a text: from `AADSTS` to the end of the line, the string or the element.
fn message_in(text: &str) -> &str {
    let start = text
        .match_indices("AADSTS")
        .map(|(at, _)| text.get(at..).unwrap_or_default())
        .find(|message| {
            message
                .get(6..)
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        });
    let message = start.unwrap_or_default();
    let message = message.split(['"', '<', '>', '{', '}', '\\', '\r', '\n']).next();
    message
        .unwrap_or_default()
        .split("&quot;")
        .next()
        .unwrap_or_default()
        .trim()
}

/// Whether a text is a word of letters, as error codes and names of types are. A longer one, or one with digits, may be a secret.
pub(crate) fn is_word(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || b"_-.".contains(&byte);
    (1..=60).contains(&text.len()) && text.bytes().all(letter) && !may_be_secret(text)
}

/// Whether a text is an OAuth 2.0 error code; other servers write a few words, such as `Bad Request`.
pub(crate) fn is_error_code(text: &str) -> bool {
    text.len() <= 60 && !text.is_empty() && text.split(' ').all(is_word)
}

/// Whether a text is an absolute URL without a secret in it.
pub(crate) fn is_page(text: &str) -> bool {
    let is_url = text.starts_with("https://") || text.starts_with("http://");
    is_url && text.len() <= MAX_TEXT && text.bytes().all(|byte| byte.is_ascii_graphic()) && !may_be_secret(text)
}

fn is_timestamp(text: &str) -> bool {
    let mut parts = text.split('-').map(str::len);
    (10..=40).contains(&text.len())
        && (parts.next(), parts.next()) == (Some(4), Some(2))
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"-:. TZ+".contains(&byte))
}

fn is_claims(text: &str) -> bool {
    ClaimsRequest::parse(text).is_ok() && !has_random_word(text)
}

/// How many characters of a page or text are kept.
const EXCERPT: usize = 1024;

/// What JSON, a form or a script contains.
const DATA_SIGNS: [&str; 8] = ["{\"", "\":", "': '", "{'", "&quot;", "<input", "<form", "<script"];

/// What a text with a token or a credential in it contains: the names of members and headers, and how every JWT starts.
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
