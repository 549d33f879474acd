use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::aadsts::Aadsts;
use crate::error::excerpt;
use crate::error_class::ErrorClass;

/// A refusal by the service, with everything that it said (RFC 6749, section 5.2, and Entra's additions to it).
///
/// What is missing is empty or `None`. The texts are the service's own, as they came: escape them before they are shown, as
/// `Display` does. Where the body was not JSON, `description` holds the first 1,024 characters of it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ServiceError {
    /// The HTTP status.
    pub status: u16,
    /// The OAuth 2.0 error word, such as `invalid_client`.
    pub error: String,
    /// Entra's numbers, the digits of `AADSTS...`, in the order given: the general one comes first.
    pub codes: Vec<u32>,
    /// A finer word, such as `consent_required`.
    pub suberror: Option<String>,
    /// The message for people.
    pub description: String,
    /// What a new sign-in must show: to be passed on as the `claims` parameter.
    pub claims: Option<String>,
    /// The service's name for this request. Its support asks for it.
    pub trace_id: Option<String>,
    /// The `client-request-id` that was sent.
    pub correlation_id: Option<String>,
    /// When it happened by the service's clock, `YYYY-MM-DD hh:mm:ssZ`.
    pub timestamp: Option<String>,
    /// A page about the error.
    pub error_uri: Option<String>,
    /// How long to stay away, at most [`MAX_RETRY_AFTER`](crate::MAX_RETRY_AFTER).
    pub retry_after: Option<Duration>,
}

impl ServiceError {
    /// The row of the most particular number that is known: the last, since Entra lists the general one first.
    #[must_use]
    pub fn row(&self) -> Option<&'static Aadsts> {
        self.codes.iter().rev().find_map(|code| Aadsts::find(*code))
    }

    /// What kind of trouble it is: by the number where it is known, else by the suberror, the error word, the status.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
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

    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        self.row().map(|row| row.hint).or_else(|| self.class().hint())
    }

    /// Whether the same request may succeed a little later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.is_busy() || self.class() == ErrorClass::Transient
    }

    /// Whether the status itself says so: 408, 429 and the 5xx.
    fn is_busy(&self) -> bool {
        matches!(self.status, 408 | 429 | 500..=599)
    }

    /// The same, with these texts blotted out wherever they stand.
    pub(crate) fn without(self: Arc<Self>, secrets: [&str; 2]) -> Arc<Self> {
        let found = |text: &str| secrets.iter().any(|secret| text.contains(secret));
        let texts = [
            Some(&self.error),
            Some(&self.description),
            self.suberror.as_ref(),
            self.claims.as_ref(),
        ];
        let ids = [&self.trace_id, &self.correlation_id, &self.timestamp, &self.error_uri];
        if !texts
            .into_iter()
            .chain(ids.map(Option::as_ref))
            .flatten()
            .any(|text| found(text))
        {
            return self;
        }
        let blot = |text: String| {
            secrets
                .iter()
                .fold(text, |text, secret| text.replace(secret, "[secret]"))
        };
        let mut clean = Self::clone(&self);
        clean.error = blot(clean.error);
        clean.description = blot(clean.description);
        let fields = [
            &mut clean.suberror,
            &mut clean.claims,
            &mut clean.trace_id,
            &mut clean.correlation_id,
        ];
        for field in fields.into_iter().chain([&mut clean.timestamp, &mut clean.error_uri]) {
            *field = field.take().map(blot);
        }
        Arc::new(clean)
    }

    /// The message without the number before it and the ids behind it, which are fields of their own.
    fn message(&self) -> Cow<'_, str> {
        let text = self.description.trim();
        let text = ["Trace ID:", "\r\n", "\n"]
            .iter()
            .fold(text, |text, end| text.split(end).next().unwrap_or(text))
            .trim();
        let text = match text.split_once(':') {
            Some((number, rest)) if number.starts_with("AADSTS") => rest.trim(),
            _ => text,
        };
        Cow::Owned(excerpt(text, SHOWN))
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.row().map(|row| row.code).or_else(|| self.codes.last().copied());
        match (code, self.error.as_str()) {
            (Some(code), "") => write!(f, "AADSTS{code}")?,
            (Some(code), error) => write!(f, "AADSTS{code} {}", excerpt(error, 60))?,
            (None, "") => write!(f, "the service refused without a reason")?,
            (None, error) => write!(f, "{}", excerpt(error, 60))?,
        }
        let message = self.message();
        if !message.is_empty() {
            write!(f, ": {}", message.trim_end_matches('.'))?;
        }
        if let Some(hint) = self.hint() {
            write!(f, "; {hint}")?;
        }
        write!(f, " (status {}", self.status)?;
        for (name, id) in [
            ("trace id", &self.trace_id),
            ("correlation id", &self.correlation_id),
            ("at", &self.timestamp),
        ] {
            if let Some(id) = id {
                write!(f, ", {name} {}", excerpt(id, 60))?;
            }
        }
        f.write_str(")")
    }
}

impl std::error::Error for ServiceError {}

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
    }

    #[test]
    fn display_says_what_to_do_and_names_the_request() {
        let mut error = refusal(401, "invalid_client", &[7_000_215]);
        error.description = "AADSTS7000215: Invalid client secret provided. Trace ID: t Correlation ID: c".into();
        error.trace_id = Some("t\r\nforged".into());
        let text = error.to_string();
        assert!(
            text.starts_with("AADSTS7000215 invalid_client: Invalid client secret provided; send the secret's value"),
            "{text}"
        );
        assert!(text.ends_with("(status 401, trace id t\\r\\nforged)"), "{text}");
    }

    #[test]
    fn a_secret_that_is_echoed_is_blotted_out() {
        let mut error = refusal(502, "", &[]);
        error.description = "could not pass on client_secret=a%2Bb or a+b".into();
        let clean = Arc::new(error).without(["a+b", "a%2Bb"]);
        assert_eq!(
            clean.description,
            "could not pass on client_secret=[secret] or [secret]"
        );
    }
}
