use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::aadsts::CredentialKind;
use crate::answer_error::{AnswerError, AskedFor};
use crate::authorize::RedirectError;
use crate::printable::push;
use crate::secrecy::may_be_secret;
use crate::service_error::ServiceError;
use crate::signer::SignerError;

/// What can go wrong between a caller's wish and a token. Cheap to clone, so that all who wait for one request can have it.
#[derive(Clone)]
#[non_exhaustive]
pub enum Error {
    /// What the caller gave cannot be sent. Nothing was sent.
    Input(Arc<InputError>),
    /// Nothing was signed, so nothing was sent.
    Signer(SignerError),
    /// The service refused, and said why.
    Service(Arc<ServiceError>),
    /// An answer came that is neither a token nor a refusal that can be read.
    Answer(Arc<AnswerError>),
    /// A browser came back with what does not answer what it was sent for.
    Redirect(Arc<RedirectError>),
}

impl Error {
    /// Whether the same request may succeed a little later. So may a poll of the device flow while the person is not done
    /// (`authorization_pending`, `slow_down`), but no sooner than its interval: [`DeviceCodeRequest::start`] keeps it.
    ///
    /// [`DeviceCodeRequest::start`]: crate::DeviceCodeRequest::start
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Input(_) | Self::Signer(_) | Self::Redirect(_) => false,
            Self::Service(error) => error.is_retryable(),
            Self::Answer(error) => error.is_retryable(),
        }
    }

    /// How long the service asked to be left alone, at most [`MAX_RETRY_AFTER`](crate::MAX_RETRY_AFTER).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Service(error) => error.retry_after,
            Self::Input(_) | Self::Signer(_) | Self::Answer(_) | Self::Redirect(_) => None,
        }
    }

    /// The same, where it is about an answer: what was asked for.
    pub(crate) fn asked(self, asked: AskedFor) -> Self {
        match self {
            Self::Answer(error) => AnswerError {
                asked,
                ..Arc::unwrap_or_clone(error)
            }
            .into(),
            other => other,
        }
    }

    /// The same, where it is the service's: the kind of credential that the request was sent with.
    pub(crate) fn sent_with(self, kind: CredentialKind) -> Self {
        match self {
            Self::Service(error) => ServiceError {
                sent: Some(kind),
                ..Arc::unwrap_or_clone(error)
            }
            .into(),
            other => other,
        }
    }

    /// Returns what went wrong, without [what to do about it](Self::hint).
    #[must_use]
    pub fn problem(&self) -> String {
        match self {
            Self::Input(error) => error.problem(),
            Self::Signer(error) => error.problem(),
            Self::Service(error) => error.problem(),
            Self::Answer(error) => error.problem(),
            Self::Redirect(error) => error.problem(),
        }
    }

    /// Returns what to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Input(error) => error.hint(),
            Self::Signer(error) => error.hint(),
            Self::Service(error) => error.hint(),
            Self::Answer(error) => Some(error.hint()),
            Self::Redirect(error) => Some(error.hint()),
        }
    }

    /// The service's own account, where it gave one.
    #[must_use]
    pub fn service(&self) -> Option<&ServiceError> {
        match self {
            Self::Service(error) => Some(error),
            Self::Input(_) | Self::Signer(_) | Self::Answer(_) | Self::Redirect(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(error) => error.fmt(f),
            Self::Signer(error) => error.fmt(f),
            Self::Service(error) => error.fmt(f),
            Self::Answer(error) => error.fmt(f),
            Self::Redirect(error) => error.fmt(f),
        }
    }
}

/// The same text as `Display`: it is what a `main` that returns the error shows.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

impl From<InputError> for Error {
    fn from(error: InputError) -> Self {
        Self::Input(Arc::new(error))
    }
}

impl From<SignerError> for Error {
    fn from(error: SignerError) -> Self {
        Self::Signer(error)
    }
}

impl From<ServiceError> for Error {
    fn from(error: ServiceError) -> Self {
        Self::Service(Arc::new(error))
    }
}

impl From<RedirectError> for Error {
    fn from(error: RedirectError) -> Self {
        Self::Redirect(Arc::new(error))
    }
}

impl From<AnswerError> for Error {
    fn from(error: AnswerError) -> Self {
        Self::Answer(Arc::new(error))
    }
}

/// Something the caller gave that cannot be sent: what it is, what is wrong with it, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError {
    field: &'static str,
    value: Option<String>,
    problem: String,
    advice: Option<String>,
}

impl InputError {
    /// What is wrong with this input.
    #[must_use]
    pub fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self {
            field,
            value: None,
            problem: problem.into(),
            advice: None,
        }
    }

    /// Shows the value, cut and escaped, unless it may be a secret that was put into the wrong place.
    pub(crate) fn value(mut self, value: &str) -> Self {
        self.value = quotable(value);
        self
    }

    /// What to do instead.
    #[must_use]
    pub fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Which input it is about: `tenant`, `scope`, `client id` and so on.
    #[must_use]
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// Returns what is wrong, without [what to do instead](Self::hint).
    #[must_use]
    pub fn problem(&self) -> String {
        match &self.value {
            Some(value) => format!("{} \"{value}\" {}", self.field, self.problem),
            None => format!("{} {}", self.field, self.problem),
        }
    }

    /// Returns what to do instead, where that can be told.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.advice.as_deref()
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&both(&self.problem(), self.hint()))
    }
}

impl std::error::Error for InputError {}

/// A problem and what to do about it, as `Display` shows them.
pub(crate) fn both(problem: &str, hint: Option<&str>) -> String {
    match hint {
        Some(hint) => format!("{problem}; {hint}"),
        None => problem.to_owned(),
    }
}

/// A refused value as an error may show it, cut and escaped; `None` where it may be a secret.
pub(crate) fn quotable(value: &str) -> Option<String> {
    (!may_be_secret(value)).then(|| excerpt(value, SHOWN))
}

/// At most `limit` characters of a text from outside, as they are.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

/// At most `limit` characters of a text from outside, with everything that could confuse a terminal or a log line escaped.
pub(crate) fn excerpt(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    let mut characters = text.chars();
    for character in characters.by_ref().take(limit) {
        push(&mut shown, character);
    }
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

/// How many characters of a refused value an error shows.
const SHOWN: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_short_and_harmless() {
        assert_eq!(excerpt("a\r\n\u{1b}[31m\"b\"", 100), "a\\r\\n\\u{1b}[31m\"b\"");
        assert_eq!(excerpt("abcdef", 3), "abc…");
        assert_eq!(excerpt("\u{202e}abc", 9), "\\u{202e}abc");
    }
}
