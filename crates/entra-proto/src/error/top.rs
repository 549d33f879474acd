//! The error of this crate's operations, which the crate root exports.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::aadsts::CredentialKind;
use crate::error::{
    Diagnose, ErrorClass, InputError, LegError, ManagedIdentityError, ManagedIdentityErrorKind, RedirectError,
    Requested, ResponseError, Secrets, ServiceError,
};
use crate::signer::SignerError;

/// An error of a token request or sign-in.
///
/// It is cheap to clone, so that all callers that wait for one request can have it.
///
/// ```
/// use entra_proto::error::ErrorClass;
/// use entra_proto::{Error, Target};
///
/// let scope = "https://graph.microsoft.com/.default";
/// let error = Target::resource(scope).unwrap_err();
/// assert!(matches!(error, Error::Input(_)));
/// assert_eq!(error.class(), ErrorClass::Scope);
/// assert!(!error.is_retryable());
/// let hint = "leave out /.default, or give it as a scope";
/// assert_eq!(error.hint(), Some(hint));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// An input of the caller is invalid. Nothing was sent.
    Input(Arc<InputError>),
    /// The assertion was not signed, so nothing was sent.
    Signer(SignerError),
    /// The service sent an error response.
    Service(Arc<ServiceError>),
    /// The response is neither a token nor a readable error response.
    Response(Arc<ResponseError>),
    /// The redirect of a browser does not belong to the request that was started.
    Redirect(Arc<RedirectError>),
    /// The request for another request's assertion failed: see
    /// [`AcquiredCredential`](crate::acquired::AcquiredCredential).
    Leg(Arc<LegError>),
    /// The managed identity has no token.
    ManagedIdentity(Arc<ManagedIdentityError>),
}

impl Error {
    /// Returns whether the same request may succeed later.
    ///
    /// This includes a poll of the device flow while the user has not finished
    /// (`authorization_pending`, `slow_down`), but not before the interval has passed:
    /// [`DeviceCodeRequest::start`] observes it.
    ///
    /// [`DeviceCodeRequest::start`]: crate::device::DeviceCodeRequest::start
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Input(_) | Self::Signer(_) | Self::Redirect(_) => false,
            Self::Service(error) => error.is_retryable(),
            Self::Response(error) => error.is_retryable(),
            Self::Leg(error) => error.is_retryable(),
            Self::ManagedIdentity(error) => error.is_retryable(),
        }
    }

    /// Returns whether this machine has no managed identity at all, so that a chain of credentials
    /// goes on to its next member.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        match self {
            Self::ManagedIdentity(error) => error.kind() == ManagedIdentityErrorKind::Absent,
            Self::Leg(error) => error.cause().is_absent(),
            _ => false,
        }
    }

    /// Returns the pause before the next attempt that the service requires, at most
    /// [`MAX_RETRY_AFTER`](crate::acquire::MAX_RETRY_AFTER).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Service(error) => error.retry_after,
            Self::Leg(error) => error.retry_after(),
            Self::ManagedIdentity(error) => error.retry_after(),
            Self::Input(_) | Self::Signer(_) | Self::Response(_) | Self::Redirect(_) => None,
        }
    }

    /// Sets what was requested, if the error is about a response.
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

    /// Returns the same error without these secrets. `ErrorResponse::read` removes them from the
    /// members of an error response.
    pub(crate) fn redacted(self, secrets: &Secrets) -> Self {
        match self {
            Self::Response(error) => Arc::unwrap_or_clone(error).redacted(secrets).into(),
            other => other,
        }
    }

    /// Sets the kind of credential that the request was sent with, if this is an error response.
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

    /// Returns the class of the error: what the application, its owner or an administrator should
    /// do about it.
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
            Self::ManagedIdentity(error) => error.class(),
        }
    }

    /// Returns what to do about the error, if that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Input(error) => error.hint(),
            Self::Signer(error) => error.hint(),
            Self::Service(error) => error.hint(),
            Self::Response(error) => error.hint(),
            Self::Redirect(error) => error.hint(),
            Self::Leg(error) => error.hint(),
            Self::ManagedIdentity(error) => error.hint(),
        }
    }

    /// Returns the service's error response, if there is one.
    ///
    /// Its `claims`, if any, are a challenge for the user of this request, to be passed on to a new
    /// sign-in. The error response to an inner request ([`Error::Leg`]) has none: see
    /// [`LegError::service`].
    #[must_use]
    pub fn service(&self) -> Option<&ServiceError> {
        match self {
            Self::Service(error) => Some(error),
            Self::Leg(error) => error.service(),
            Self::ManagedIdentity(error) => error.service(),
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
            Self::ManagedIdentity(error) => error.fmt(f),
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
            Self::ManagedIdentity(error) => std::error::Error::source(&**error),
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

impl From<ManagedIdentityError> for Error {
    fn from(error: ManagedIdentityError) -> Self {
        Self::ManagedIdentity(Arc::new(error))
    }
}

impl From<ResponseError> for Error {
    fn from(error: ResponseError) -> Self {
        Self::Response(Arc::new(error))
    }
}
