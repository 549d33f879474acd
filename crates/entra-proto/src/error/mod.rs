//! The errors of the protocol: what happened, what to do about it, and the service's own words.

pub(crate) mod aadsts;
mod class;
mod diagnose;
mod error_response;
mod input;
mod leg;
mod redaction;
mod redirect;
mod response;
mod service;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::signer::SignerError;
use aadsts::CredentialKind;

pub use crate::printable::printable;
pub use crate::secrecy::may_be_secret;
pub use crate::secret_doubt::SecretDoubt;
pub use aadsts::Aadsts;
pub use class::ErrorClass;
pub use diagnose::Diagnose;
pub(crate) use error_response::{ErrorResponse, is_error_code, is_page, is_word, shown_of_body};
pub use input::{Input, InputError};
pub use leg::{Leg, LegError};
pub(crate) use redaction::Secrets;
pub use redirect::{RedirectError, RedirectProblem};
pub use response::{Requested, ResponseError, ResponseProblem};
pub(crate) use service::MAX_TEXT;
pub use service::ServiceError;

/// What can go wrong between a caller's wish and a token. Cheap to clone, so that all who wait for one request can have it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// What the caller gave cannot be sent. Nothing was sent.
    Input(Arc<InputError>),
    /// Nothing was signed, so nothing was sent.
    Signer(SignerError),
    /// The service refused, and said why.
    Service(Arc<ServiceError>),
    /// An answer came that is neither a token nor a refusal that can be read.
    Response(Arc<ResponseError>),
    /// A browser came back with what does not answer what it was sent for.
    Redirect(Arc<RedirectError>),
    /// The request for another request's assertion failed: see [`AcquiredCredential`](crate::acquired::AcquiredCredential).
    Leg(Arc<LegError>),
}

impl Error {
    /// Whether the same request may succeed a little later. So may a poll of the device flow while the person is not done
    /// (`authorization_pending`, `slow_down`), but no sooner than its interval: [`DeviceCodeRequest::start`] keeps it.
    ///
    /// [`DeviceCodeRequest::start`]: crate::device::DeviceCodeRequest::start
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Input(_) | Self::Signer(_) | Self::Redirect(_) => false,
            Self::Service(error) => error.is_retryable(),
            Self::Response(error) => error.is_retryable(),
            Self::Leg(error) => error.is_retryable(),
        }
    }

    /// How long the service asked to be left alone, at most [`MAX_RETRY_AFTER`](crate::acquire::MAX_RETRY_AFTER).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Service(error) => error.retry_after,
            Self::Leg(error) => error.retry_after(),
            Self::Input(_) | Self::Signer(_) | Self::Response(_) | Self::Redirect(_) => None,
        }
    }

    /// Notes what was requested, where the error is about a response.
    pub(crate) fn requested(self, requested: Requested) -> Self {
        match self {
            Self::Response(error) => ResponseError {
                requested,
                ..Arc::unwrap_or_clone(error)
            }
            .into(),
            other => other,
        }
    }

    /// The same error without these secrets. [`ErrorResponse::read`] takes them out of the service's own words.
    pub(crate) fn redacted(self, secrets: &Secrets) -> Self {
        match self {
            Self::Response(error) => Arc::unwrap_or_clone(error).redacted(secrets).into(),
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

    /// The kind of failure: what the application, its owner or its administrator should do about it.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Input(error) => error.class(),
            Self::Signer(_) => ErrorClass::Credential,
            Self::Service(error) => error.class(),
            Self::Response(error) if error.is_retryable() => ErrorClass::Transient,
            Self::Response(_) => ErrorClass::Unknown,
            Self::Redirect(_) => ErrorClass::Grant,
            Self::Leg(error) => error.class(),
        }
    }

    /// Returns what to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Input(error) => error.hint(),
            Self::Signer(error) => error.hint(),
            Self::Service(error) => error.hint(),
            Self::Response(error) => error.hint(),
            Self::Redirect(error) => error.hint(),
            Self::Leg(error) => error.hint(),
        }
    }

    /// The service's own account, where it gave one.
    #[must_use]
    pub fn service(&self) -> Option<&ServiceError> {
        match self {
            Self::Service(error) => Some(error),
            Self::Leg(error) => error.cause().service(),
            Self::Input(_) | Self::Signer(_) | Self::Response(_) | Self::Redirect(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(error) => error.fmt(f),
            Self::Signer(error) => error.fmt(f),
            Self::Service(error) => error.fmt(f),
            Self::Response(error) => error.fmt(f),
            Self::Redirect(error) => error.fmt(f),
            Self::Leg(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Input(error) => error.source(),
            Self::Signer(error) => error.source(),
            Self::Service(error) => error.source(),
            Self::Response(error) => error.source(),
            Self::Redirect(error) => error.source(),
            Self::Leg(error) => error.source(),
        }
    }
}

impl Diagnose for Error {
    fn hint(&self) -> Option<&str> {
        self.hint()
    }

    fn service(&self) -> Option<&ServiceError> {
        self.service()
    }
}

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

impl From<LegError> for Error {
    fn from(error: LegError) -> Self {
        Self::Leg(Arc::new(error))
    }
}

impl From<ResponseError> for Error {
    fn from(error: ResponseError) -> Self {
        Self::Response(Arc::new(error))
    }
}

/// What happened and what to do about it, in one line.
#[cfg(test)]
pub(crate) fn in_full(error: &Error) -> String {
    match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    }
}
