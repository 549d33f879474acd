//! The reading of error responses: everything that may be a secret is removed.

use std::time::Duration;

use crate::claims_request::ClaimsRequest;
use crate::error::{ErrorClass, MAX_TEXT, Secrets, ServiceError};
use crate::guid::Guid;
use crate::printable::cut;
use crate::secrecy::{has_random_word, may_be_secret, names_secret, without_secrets};

/// The members of an error response as received.
///
/// A server may write a token or an echo of the request into any member. A member is therefore
/// kept only if it has the form of its kind: an error code is a word, an ID is a GUID, a page is a
/// URL. In the message, everything that may be a secret is replaced.
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
    /// Returns the error. `request_secrets` are redacted first, before a cut can split one of them.
    pub(crate) fn read(
        self,
        status: u16,
        codes: Vec<u32>,
        retry_after: Option<Duration>,
        request_secrets: &Secrets,
    ) -> ServiceError {
        let redacted = |text: &str| {
            let mut text = text.to_owned();
            request_secrets.redact(&mut text);
            text
        };
        let accepted =
            |text: Option<&str>, is_valid: fn(&str) -> bool| text.map(redacted).filter(|text| is_valid(text));
        let is_id = |id: &str| id.len() == 36 && id.parse::<Guid>().is_ok();
        let description = redacted(&cut(self.description, MAX_TEXT));
        // An error code of the protocol is not a secret, even if it contains a short secret.
        // Callers depend on it.
        let is_protocols = ErrorClass::of_error_code(self.error) != ErrorClass::Unknown;
        let error = if is_protocols {
            self.error.to_owned()
        } else {
            accepted(Some(self.error), is_error_code).unwrap_or_default()
        };
        ServiceError {
            status,
            error,
            codes,
            suberror: accepted(self.suberror, is_word),
            description: without_secrets(&description).unwrap_or(description),
            claims: accepted(self.claims, is_claims),
            trace_id: accepted(self.trace_id, is_id),
            correlation_id: accepted(self.correlation_id, is_id),
            timestamp: accepted(self.timestamp, is_timestamp),
            error_uri: accepted(self.error_uri, is_page),
            retry_after,
            sent: None,
        }
    }
}

/// Returns the part of a body that may be shown, if the body is not JSON.
///
/// This is the first 1,024 characters of a plain text or page. If the text contains a request, a
/// response or anything that may be a secret, it is at most the service's own message.
pub(crate) fn shown_of_body(body: &[u8], request_secrets: &Secrets) -> String {
    let start = body.get(..4 * EXCERPT).unwrap_or(body);
    let mut text: String = String::from_utf8_lossy(start)
        .trim_start_matches('\u{feff}')
        .chars()
        .take(EXCERPT)
        .collect();
    request_secrets.redact(&mut text);
    let lower = text.to_ascii_lowercase();
    let trimmed = lower.trim();
    let is_data = trimmed.starts_with(['{', '[', '"']) || DATA_SIGNS.iter().any(|sign| lower.contains(sign));
    // A single word may be a token. A word of letters only, such as "unavailable", names the
    // problem.
    let is_one_word = !trimmed.contains(char::is_whitespace) && !is_word(trimmed);
    let is_secret = SECRET_SIGNS.iter().any(|sign| lower.contains(sign)) || names_secret(&text) || may_be_secret(&text);
    let message = message_in(&text);
    // UTF-16 and compressed bodies are not text. Of a page, only the service's message is useful.
    let is_binary = text.contains('\0');
    let is_page = !message.is_empty() && trimmed.starts_with('<');
    if !(is_data || is_one_word || is_secret || is_binary || is_page) {
        return text;
    }
    without_secrets(message).unwrap_or_else(|| message.to_owned())
}

/// Returns the service's message in a text: from `AADSTS` to the end of the line, string or
/// element.
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

/// Returns whether a text is a single word of letters, as error codes and type names are.
///
/// A longer word, or one with digits, may be a secret.
pub(crate) fn is_word(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || b"_-.".contains(&byte);
    (1..=60).contains(&text.len()) && text.bytes().all(letter) && !may_be_secret(text)
}

/// Returns whether a text is an OAuth 2.0 error code, or a few words such as `Bad Request`, which
/// other servers send.
pub(crate) fn is_error_code(text: &str) -> bool {
    text.len() <= 60 && !text.is_empty() && text.split(' ').all(is_word)
}

/// Returns whether a text is an absolute URL without a secret.
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

/// The most characters of a page or text that are kept.
const EXCERPT: usize = 1024;

/// Texts that occur in JSON, forms and scripts.
const DATA_SIGNS: [&str; 8] = ["{\"", "\":", "': '", "{'", "&quot;", "<input", "<form", "<script"];

/// Texts that occur beside tokens and credentials: names of members and headers, and the beginning
/// of every JWT.
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
