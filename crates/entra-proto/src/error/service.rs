//! The error response of the token service, as data.

use std::fmt;
use std::time::Duration;

use crate::error::aadsts::{Aadsts, CredentialKind};
use crate::error::{Diagnose, ErrorClass};
use crate::printable::excerpt;
use crate::retry_after::is_transient_status;

/// An error response of the service with all its members (RFC 6749, section 5.2, and Entra's
/// extensions).
///
/// A member that is missing or has the wrong form is empty or `None`. The message is the service's
/// own, cut at 4,096 characters, with `[secret]` in place of everything that may be a token or a
/// secret; escape it before you show it, as `Display` does. If the body was not JSON, `description`
/// is its first 1,024 characters; if these look like a request or a response, it is at most the
/// service's message in them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ServiceError {
    /// The HTTP status, or 0 if the error response came with a redirect of the browser.
    pub status: u16,
    /// The OAuth 2.0 error code, such as `invalid_client`; empty if it is not made of words of
    /// letters.
    pub error: String,
    /// The AADSTS codes in the order of the response: the general one comes first.
    pub codes: Vec<u32>,
    /// A more specific error code, such as `consent_required`.
    pub suberror: Option<String>,
    /// The human-readable message.
    pub description: String,
    /// The claims challenge: pass it on as the `claims` parameter of a new sign-in.
    pub claims: Option<String>,
    /// The service's ID of this request, a GUID. Microsoft support asks for it.
    pub trace_id: Option<String>,
    /// The `client-request-id` that was sent, a GUID.
    pub correlation_id: Option<String>,
    /// The time of the error by the service's clock, `YYYY-MM-DD hh:mm:ssZ`.
    pub timestamp: Option<String>,
    /// The URL of a page about the error.
    pub error_uri: Option<String>,
    /// The pause before the next attempt that the service requires, at most
    /// [`MAX_RETRY_AFTER`](crate::acquire::MAX_RETRY_AFTER).
    pub retry_after: Option<Duration>,
    /// The kind of credential that the request was sent with, if it is known.
    pub(crate) sent: Option<CredentialKind>,
}

/// The most characters that are kept of each text of an error response.
pub(crate) const MAX_TEXT: usize = 4096;

impl ServiceError {
    /// Returns the table row of the most specific known code: the last, since Entra lists the
    /// general one first.
    #[must_use]
    pub fn row(&self) -> Option<Aadsts> {
        self.codes.iter().rev().find_map(|code| Aadsts::find(*code))
    }

    /// Returns the class of the error: that of the AADSTS code if it is known, else that of the
    /// suberror, the error code or the status.
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
        match ErrorClass::of_error_code(&self.error) {
            ErrorClass::Unknown if self.is_busy() => ErrorClass::Transient,
            class => class,
        }
    }

    /// Returns what to do about the error, if that is known. The hint fits the kind of credential
    /// that the request was sent with.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        let by_status = || match self.status {
            404 => Some("check the authority: the endpoint does not exist"),
            _ => None,
        };
        let by_class = || match (self.class(), self.sent) {
            (ErrorClass::Credential, Some(kind)) => Some(kind.check()),
            (class, _) => class.hint(),
        };
        if self.is_of_proxy() {
            return Some("configure the user name and password of the proxy");
        }
        self.row()
            .map(|row| row.hint_for(self.sent))
            .or_else(by_class)
            .or_else(by_status)
    }

    /// Returns whether the hint is about the sign-in or the consent of a user.
    pub(crate) fn hint_is_about_user(&self) -> bool {
        match self.row() {
            _ if self.is_of_proxy() => false,
            Some(row) => row.hint_is_about_user,
            None => self.class().is_about_user(),
        }
    }

    /// Returns whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self.row() {
            _ if self.is_of_proxy() => false,
            // An error that is known to be permanent is permanent with a status of 5xx as well.
            Some(row) => row.retryable || self.status == 429,
            None => self.is_busy() || self.class() == ErrorClass::Transient,
        }
    }

    /// Returns the message without the AADSTS code before it and the IDs after it, which are
    /// separate fields. It is escaped and has at most 400 characters.
    #[must_use]
    pub fn message(&self) -> String {
        excerpt(self.bare_message(), SHOWN)
    }

    /// Returns the message without its sentences of advice if the code has a [hint](Self::hint) of
    /// its own, since the two would say the same.
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

    /// Returns the facts that Microsoft support asks for, and the required pause: the status, the
    /// time to wait, the IDs of the request, and the time of the response.
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
            ("trace ID", &self.trace_id),
            ("correlation ID", &self.correlation_id),
            ("at", &self.timestamp),
        ] {
            ids.extend(id.as_ref().map(|id| format!("{name} {}", excerpt(id, 60))));
        }
        ids.join(", ")
    }

    /// Returns whether the response comes from a proxy that requires its own credentials. Its body
    /// says nothing about the service.
    pub(crate) fn is_of_proxy(&self) -> bool {
        self.status == 407
    }

    /// Returns whether the status is a temporary one: 408, 429 or 5xx.
    fn is_busy(&self) -> bool {
        is_transient_status(self.status)
    }
}

/// The AADSTS code, the error code and the message, without the [hint](ServiceError::hint) and the
/// [IDs of the request](ServiceError::ids).
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

/// Returns the sentences of a text, each with the space after it. A full stop inside quotation
/// marks or brackets does not end a sentence.
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
                // An apostrophe inside a word is not a quotation mark.
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

/// The beginnings of sentences that give advice or guess at causes.
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

/// The most characters of the service's message that an error shows.
const SHOWN: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    fn error_response(status: u16, error: &str, codes: &[u32]) -> ServiceError {
        ServiceError {
            status,
            error: error.into(),
            codes: codes.into(),
            ..ServiceError::default()
        }
    }

    #[test]
    fn most_specific_code_decides() {
        let error = error_response(400, "invalid_grant", &[70002, 70008]);
        assert_eq!((error.class(), error.is_retryable()), (ErrorClass::Grant, false));
        assert_eq!(
            error_response(400, "invalid_grant", &[65001, 4]).class(),
            ErrorClass::Consent
        );
    }

    #[test]
    fn error_codes_and_status_decide_without_known_aadsts_code() {
        let mut error = error_response(400, "invalid_grant", &[]);
        assert_eq!(error.class(), ErrorClass::Grant);
        error.suberror = Some("consent_required".into());
        assert_eq!(error.class(), ErrorClass::Consent);
        assert_eq!(error_response(503, "", &[]).class(), ErrorClass::Transient);
        assert_eq!(error_response(400, "novelty", &[1]).class(), ErrorClass::Unknown);
        assert!(error_response(429, "invalid_request", &[]).is_retryable());
        assert!(!error_response(401, "invalid_client", &[7_000_215]).is_retryable());
        assert!(!error_response(500, "invalid_client", &[7_000_215]).is_retryable());
        assert!(error_response(429, "invalid_client", &[7_000_215]).is_retryable());
    }

    #[test]
    fn response_407_of_proxy_is_never_retryable() {
        for (error, codes) in [
            ("", &[][..]),
            ("temporarily_unavailable", &[]),
            ("authorization_pending", &[]),
            ("invalid_client", &[7_000_215]),
            ("server_error", &[90_033]),
        ] {
            let error = error_response(407, error, codes);
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
        let mut error = error_response(401, "invalid_client", &[7_000_222]);
        error.description = "AADSTS7000222: The keys; all of them; are expired. Trace ID: t Correlation ID: c".into();
        error.trace_id = Some("t\r\nforged".into());
        error.retry_after = Some(Duration::from_secs(5));
        assert_eq!(
            error.to_string(),
            "AADSTS7000222 invalid_client: The keys; all of them; are expired"
        );
        assert_eq!(error.ids(), "status 401, retry after 5 s, trace ID t\\r\\nforged");
    }

    #[test]
    fn rejection_without_a_reason_says_so() {
        let mut error = error_response(503, "", &[]);
        assert_eq!(
            error.to_string(),
            "the service rejected the request without a reason, by HTTP status 503"
        );
        assert_eq!(
            error_response(0, "", &[]).to_string(),
            "the service rejected the request without a reason"
        );
        error.description = "Service Unavailable.".into();
        assert_eq!(
            error.to_string(),
            "the service rejected the request: Service Unavailable"
        );
        assert_eq!(
            (error.ids(), error_response(0, "", &[]).ids()),
            ("status 503".into(), "by redirect".into())
        );
    }

    #[test]
    fn message_has_neither_code_nor_ids() {
        let mut error = error_response(401, "invalid_client", &[7_000_215]);
        error.description = "AADSTS7000215: Invalid\u{1b} secret. Trace ID: a Correlation ID: b".into();
        assert_eq!(error.message(), "Invalid\\u{1b} secret.");
    }

    #[test]
    fn advice_of_service_does_not_repeat_hint() {
        let mut error = error_response(401, "invalid_client", &[7_000_215]);
        error.description =
            "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the \
                             client secret value, not the client secret ID, for a secret added to app 'a'. Trace ID: b"
                .into();
        assert_eq!(
            error.to_string(),
            "AADSTS7000215 invalid_client: Invalid client secret provided"
        );
        assert!(error.message().contains("Ensure the secret"), "{}", error.message());
        // Without a hint from the table, the service's advice is kept.
        error.codes = vec![1];
        assert!(error.to_string().contains("Ensure the secret"), "{}", error.to_string());
    }

    #[test]
    fn facts_after_first_sentence_are_kept() {
        let mut error = error_response(401, "invalid_client", &[700_027]);
        for (description, shown) in [
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
            error.description = format!("AADSTS700027: {description}");
            assert_eq!(error.to_string(), format!("AADSTS700027 invalid_client: {shown}"));
        }
    }
}
