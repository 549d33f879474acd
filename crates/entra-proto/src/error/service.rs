//! The service's error response.

use std::fmt;
use std::time::Duration;

use crate::error::aadsts::{Aadsts, CredentialKind};
use crate::error::{Diagnose, ErrorClass};
use crate::printable::excerpt;
use crate::retry_after::is_transient_status;

/// An error response of the service, with everything that it said (RFC 6749, section 5.2, and Entra's additions to it).
///
/// What is missing is empty or `None`, and so is what is not of the kind that its member is for. The message is the service's
/// own, cut at 4,096 characters, with `[secret]` in the place of what may be a token or a secret: escape it before it is shown, as
/// `Display` does. Where the body was not JSON, `description` holds the first 1,024 characters of it; where that looks like a
/// request or a response, the service's message in it at most.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ServiceError {
    /// The HTTP status; 0 where the refusal came with a browser that was sent back.
    pub status: u16,
    /// The OAuth 2.0 error code, such as `invalid_client`; empty where it is no words of letters.
    pub error: String,
    /// The AADSTS codes, in the order given: the general one comes first.
    pub codes: Vec<u32>,
    /// A finer error code, such as `consent_required`.
    pub suberror: Option<String>,
    /// The message for people.
    pub description: String,
    /// What a new sign-in must show: to be passed on as the `claims` parameter.
    pub claims: Option<String>,
    /// The service's name for this request, a GUID. Its support asks for it.
    pub trace_id: Option<String>,
    /// The `client-request-id` that was sent, a GUID.
    pub correlation_id: Option<String>,
    /// When it happened by the service's clock, `YYYY-MM-DD hh:mm:ssZ`.
    pub timestamp: Option<String>,
    /// A page about the error.
    pub error_uri: Option<String>,
    /// How long to stay away, at most [`MAX_RETRY_AFTER`](crate::acquire::MAX_RETRY_AFTER).
    pub retry_after: Option<Duration>,
    /// The kind of credential that the request was sent with, where that is known.
    pub(crate) sent: Option<CredentialKind>,
}

/// How many characters of each text of a refusal are kept.
pub(crate) const MAX_TEXT: usize = 4096;

impl ServiceError {
    /// The row of the most particular code that is known: the last, since Entra lists the general one first.
    #[must_use]
    pub fn row(&self) -> Option<Aadsts> {
        self.codes.iter().rev().find_map(|code| Aadsts::find(*code))
    }

    /// What kind of trouble it is: by the number where it is known, else by the suberror, the error word, the status.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        if self.is_of_proxy() {
            return ErrorClass::Unknown;
        }
        if let Some(row) = self.row() {
            return row.class;
        }
        match self.suberror.as_deref() {
            Some("consent_required") => return ErrorClass::Consent,
            Some("basic_action" | "additional_action" | "message_only" | "user_password_expired") => {
                return ErrorClass::Interaction;
            }
            Some("bad_token" | "token_expired") => return ErrorClass::Grant,
            Some("protection_policy_required") => return ErrorClass::Policy,
            _ => {}
        }
        match ErrorClass::of_word(&self.error) {
            ErrorClass::Unknown if self.is_busy() => ErrorClass::Transient,
            class => class,
        }
    }

    /// What to do about it, where that is known. The advice fits the credential that the request was sent with.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        let by_status = || match self.status {
            404 => Some("check the authority: there is no such endpoint"),
            _ => None,
        };
        let by_class = || match (self.class(), self.sent) {
            (ErrorClass::Credential, Some(kind)) => Some(kind.check()),
            (class, _) => class.hint(),
        };
        if self.is_of_proxy() {
            return Some("give the proxy its user name and password");
        }
        self.row()
            .map(|row| row.hint_for(self.sent))
            .or_else(by_class)
            .or_else(by_status)
    }

    /// Whether the same request may succeed a little later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self.row() {
            _ if self.is_of_proxy() => false,
            // What is known to be wrong for good stays wrong under a 5xx.
            Some(row) => row.retryable || self.status == 429,
            None => self.is_busy() || self.class() == ErrorClass::Transient,
        }
    }

    /// The message without the number before it and the ids behind it, which are fields of their own. At most 400 characters of it,
    /// escaped: fit to be shown.
    #[must_use]
    pub fn message(&self) -> String {
        excerpt(self.bare_message(), SHOWN)
    }

    /// The message without the sentences that advise, where the code has a [hint](Self::hint) of its own: both would say the same.
    fn statement(&self) -> String {
        let message = self.bare_message();
        if self.row().is_none() {
            return excerpt(message, SHOWN);
        }
        let mut kept = String::new();
        for (at, sentence) in sentences(message).enumerate() {
            if at == 0 || !ADVICE.iter().any(|start| sentence.starts_with(start)) {
                kept.push_str(sentence);
            }
        }
        excerpt(kept.trim_end(), SHOWN)
    }

    fn bare_message(&self) -> &str {
        let text = self.description.trim();
        let text = ["Trace ID:", "\r\n", "\n"]
            .iter()
            .fold(text, |text, end| text.split(end).next().unwrap_or(text))
            .trim();
        match text.split_once(':') {
            Some((number, rest)) if number.starts_with("AADSTS") => rest.trim(),
            _ => text,
        }
    }

    /// Returns what the service's support asks for, and the pause that it wants: the status, the time to wait, the IDs of the
    /// request, and the time of the response.
    #[must_use]
    pub fn ids(&self) -> String {
        let mut ids = vec![match self.status {
            0 => "by redirect".to_owned(),
            status => format!("status {status}"),
        }];
        if let Some(wait) = self.retry_after {
            ids.push(format!("retry after {} s", wait.as_secs()));
        }
        for (name, id) in [
            ("trace id", &self.trace_id),
            ("correlation id", &self.correlation_id),
            ("at", &self.timestamp),
        ] {
            ids.extend(id.as_ref().map(|id| format!("{name} {}", excerpt(id, 60))));
        }
        ids.join(", ")
    }

    /// Whether a proxy answered, which wants credentials of its own. What its body says is not the service's word.
    pub(crate) fn is_of_proxy(&self) -> bool {
        self.status == 407
    }

    /// Whether the status itself says so: 408, 429 and the 5xx.
    fn is_busy(&self) -> bool {
        is_transient_status(self.status)
    }
}

/// The AADSTS code, the error code and the message, without [what to do about it](ServiceError::hint) and without
/// [the IDs of the request](ServiceError::ids).
impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.row().map(|row| row.code).or_else(|| self.codes.last().copied());
        let statement = self.statement();
        match (code, self.error.as_str()) {
            (Some(code), "") => write!(f, "AADSTS{code}")?,
            (Some(code), error) => write!(f, "AADSTS{code} {}", excerpt(error, 60))?,
            (None, "") if statement.is_empty() => match self.status {
                0 => f.write_str("the service rejected the request without a reason")?,
                status => write!(
                    f,
                    "the service rejected the request without a reason, by HTTP status {status}"
                )?,
            },
            (None, "") => f.write_str("the service rejected the request")?,
            (None, error) => write!(f, "{}", excerpt(error, 60))?,
        }
        match statement.trim_end_matches('.') {
            "" => Ok(()),
            statement => write!(f, ": {statement}"),
        }
    }
}

impl std::error::Error for ServiceError {}

impl Diagnose for ServiceError {
    fn hint(&self) -> Option<&str> {
        self.hint()
    }

    fn service(&self) -> Option<&ServiceError> {
        Some(self)
    }
}

/// The sentences of a text, each with the space behind it. What stands in quotation marks or brackets ends no sentence.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (mut is_quoted, mut depth, mut before) = (false, 0_u32, ' ');
        let mut characters = rest.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            match character {
                // An apostrophe inside a word is no quotation mark.
                '\'' | '"' if is_quoted || !before.is_alphanumeric() => is_quoted = !is_quoted,
                '[' | '(' => depth += 1,
                ']' | ')' => depth = depth.saturating_sub(1),
                ' ' if before == '.' && !is_quoted && depth == 0 => {
                    let starts = characters.peek().is_some_and(|(_, next)| next.is_uppercase());
                    if let Some((sentence, others)) = rest.split_at_checked(at + 1).filter(|_| starts) {
                        rest = others;
                        return Some(sentence);
                    }
                }
                _ => {}
            }
            before = character;
        }
        Some(std::mem::take(&mut rest))
    })
}

/// How sentences begin that advise, or guess at causes.
const ADVICE: [&str; 24] = [
    "Check ",
    "Consider ",
    "Contact ",
    "Ensure ",
    "For more ",
    "Include ",
    "Make sure ",
    "Navigate ",
    "Please ",
    "Refer ",
    "Retry ",
    "Review ",
    "See ",
    "Send ",
    "This can happen ",
    "This could ",
    "This is usually ",
    "This may ",
    "To learn ",
    "Try ",
    "Verify ",
    "Visit ",
    "You may ",
    "You might ",
];

/// How many characters of the service's message an error shows.
const SHOWN: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, error: &str, codes: &[u32]) -> ServiceError {
        ServiceError {
            status,
            error: error.into(),
            codes: codes.into(),
            ..ServiceError::default()
        }
    }

    #[test]
    fn the_most_particular_number_decides() {
        let error = refusal(400, "invalid_grant", &[70002, 70008]);
        assert_eq!((error.class(), error.is_retryable()), (ErrorClass::Grant, false));
        assert_eq!(refusal(400, "invalid_grant", &[65001, 4]).class(), ErrorClass::Consent);
    }

    #[test]
    fn without_a_known_number_the_words_and_the_status_decide() {
        let mut error = refusal(400, "invalid_grant", &[]);
        assert_eq!(error.class(), ErrorClass::Grant);
        error.suberror = Some("consent_required".into());
        assert_eq!(error.class(), ErrorClass::Consent);
        assert_eq!(refusal(503, "", &[]).class(), ErrorClass::Transient);
        assert_eq!(refusal(400, "novelty", &[1]).class(), ErrorClass::Unknown);
        assert!(refusal(429, "invalid_request", &[]).is_retryable());
        assert!(!refusal(401, "invalid_client", &[7_000_215]).is_retryable());
        assert!(!refusal(500, "invalid_client", &[7_000_215]).is_retryable());
        assert!(refusal(429, "invalid_client", &[7_000_215]).is_retryable());
    }

    #[test]
    fn a_proxy_that_wants_a_password_is_never_asked_again() {
        for (error, codes) in [
            ("", &[][..]),
            ("temporarily_unavailable", &[]),
            ("authorization_pending", &[]),
            ("invalid_client", &[7_000_215]),
            ("server_error", &[90_033]),
        ] {
            let error = refusal(407, error, codes);
            assert_eq!(
                (error.class(), error.is_retryable()),
                (ErrorClass::Unknown, false),
                "{error}"
            );
            assert!(error.hint().unwrap().contains("proxy"), "{error}");
        }
    }

    #[test]
    fn display_has_neither_hint_nor_ids() {
        let mut error = refusal(401, "invalid_client", &[7_000_222]);
        error.description = "AADSTS7000222: The keys; all of them; are expired. Trace ID: t Correlation ID: c".into();
        error.trace_id = Some("t\r\nforged".into());
        error.retry_after = Some(Duration::from_secs(5));
        assert_eq!(
            error.to_string(),
            "AADSTS7000222 invalid_client: The keys; all of them; are expired"
        );
        assert_eq!(error.ids(), "status 401, retry after 5 s, trace id t\\r\\nforged");
    }

    #[test]
    fn rejection_without_a_reason_says_so() {
        let mut error = refusal(503, "", &[]);
        assert_eq!(
            error.to_string(),
            "the service rejected the request without a reason, by HTTP status 503"
        );
        assert_eq!(
            refusal(0, "", &[]).to_string(),
            "the service rejected the request without a reason"
        );
        error.description = "Service Unavailable.".into();
        assert_eq!(
            error.to_string(),
            "the service rejected the request: Service Unavailable"
        );
        assert_eq!(
            (error.ids(), refusal(0, "", &[]).ids()),
            ("status 503".into(), "by redirect".into())
        );
    }

    #[test]
    fn the_message_stands_without_number_and_ids() {
        let mut error = refusal(401, "invalid_client", &[7_000_215]);
        error.description = "AADSTS7000215: Invalid\u{1b} secret. Trace ID: a Correlation ID: b".into();
        assert_eq!(error.message(), "Invalid\\u{1b} secret.");
    }

    #[test]
    fn advice_of_the_service_does_not_repeat_the_hint() {
        let mut error = refusal(401, "invalid_client", &[7_000_215]);
        error.description =
            "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the \
                             client secret value, not the client secret ID, for a secret added to app 'a'. Trace ID: b"
                .into();
        assert_eq!(
            error.to_string(),
            "AADSTS7000215 invalid_client: Invalid client secret provided"
        );
        assert!(error.message().contains("Ensure the secret"), "{}", error.message());
        // Without a hint of ours, the advice of the service is all there is.
        error.codes = vec![1];
        assert!(error.to_string().contains("Ensure the secret"), "{}", error.to_string());
    }

    #[test]
    fn facts_behind_the_first_sentence_stay() {
        let mut error = refusal(401, "invalid_client", &[700_027]);
        for (said, told) in [
            (
                "Failed. [Reason - The key was not found. Ensure it, Thumbprint: 'a'] Please visit b.",
                "Failed. [Reason - The key was not found. Ensure it, Thumbprint: 'a'] Please visit b",
            ),
            (
                "No record. Issuer: 'a'. Subject: 'b. Check c'.",
                "No record. Issuer: 'a'. Subject: 'b. Check c'",
            ),
            (
                "The app's key 'x. Ensure' is bad. Check it. Audience: 'c'.",
                "The app's key 'x. Ensure' is bad. Audience: 'c'",
            ),
            ("Ensure this. Ensure that.", "Ensure this"),
            ("It's bad. Don't. Visit 'unclosed", "It's bad. Don't"),
        ] {
            error.description = format!("AADSTS700027: {said}");
            assert_eq!(error.to_string(), format!("AADSTS700027 invalid_client: {told}"));
        }
    }
}
