//! The error of a token request to the platform under a workload.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::error::hints::TRY_LATER;
use crate::error::{Diagnose, ErrorClass, ResponseError, ServiceError};
use crate::managed_identity::Source;

/// The reason why a managed identity has no token.
///
/// It names the source that was asked for the token. A response of the platform is data: its error
/// code, its correlation ID and its AADSTS code, if it has one. No text of a response that is
/// not an error response of the platform is part of it.
///
/// ```
/// use entra_proto::error::ManagedIdentityErrorKind;
/// use entra_proto::managed_identity::{
///     Host, Identity, ManagedIdentity, Source,
/// };
/// use entra_proto::{Error, Target};
/// # use std::{ffi::OsString, io, path::Path};
/// # struct Machine;
/// # impl Host for Machine {
/// #     fn variable(&self, _: &str) -> Option<OsString> { None }
/// #     fn file_exists(&self, _: &Path) -> bool { false }
/// #     fn read_key_file(&self, _: &Path)
/// #         -> io::Result<zeroize::Zeroizing<Vec<u8>>> {
/// #         Err(io::ErrorKind::NotFound.into())
/// #     }
/// # }
///
/// let identity = Identity::resource_id("/subscriptions/s/x")?;
/// let identity = ManagedIdentity::new(identity, Machine)
///     .with_source(Source::ServiceFabric);
/// let error = identity
///     .request(Target::resource("https://vault.azure.net")?)
///     .unwrap_err();
/// let Error::ManagedIdentity(error) = error else { unreachable!() };
/// assert_eq!(error.kind(), ManagedIdentityErrorKind::Configuration);
/// assert_eq!(error.identity_source(), Source::ServiceFabric);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ManagedIdentityError {
    kind: ManagedIdentityErrorKind,
    source: Source,
    cause: Cause,
    hint: Option<Cow<'static, str>>,
}

/// The kinds of [`ManagedIdentityError`].
///
/// A chain of credentials goes on to its next member after [`Absent`](Self::Absent) only: every
/// other kind means that there is a managed identity, or that the configuration wants one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ManagedIdentityErrorKind {
    /// This machine has no source of tokens for managed identities.
    Absent,
    /// The source exists, but the identity is not assigned to this machine or service.
    NotAssigned,
    /// The source rejects the request: the process may not have the token.
    Denied,
    /// The source receives too many requests.
    Throttled,
    /// The source fails temporarily.
    Unavailable,
    /// The response is not one that the source sends.
    Malformed,
    /// A setting is invalid: a variable of the environment, the resource, or a kind of identity
    /// that the source does not have.
    Configuration,
}

use ManagedIdentityErrorKind::{Absent, Configuration, Denied, Malformed, NotAssigned, Throttled, Unavailable};

/// The fact that an error reports.
#[derive(Clone, Debug)]
enum Cause {
    Problem(Cow<'static, str>),
    Rejected(Box<ServiceError>),
    Unusable(Box<ResponseError>),
}

impl ManagedIdentityError {
    /// Creates an error with this problem.
    pub(crate) fn new(kind: ManagedIdentityErrorKind, source: Source, problem: impl Into<Cow<'static, str>>) -> Self {
        Self::of(kind, source, Cause::Problem(problem.into()))
    }

    /// Creates the error for an error response.
    pub(crate) fn rejected(kind: ManagedIdentityErrorKind, source: Source, response: ServiceError) -> Self {
        Self::of(kind, source, Cause::Rejected(Box::new(response)))
    }

    /// Creates the error for a response that is neither a token nor an error response.
    pub(crate) fn unusable(kind: ManagedIdentityErrorKind, source: Source, response: ResponseError) -> Self {
        Self::of(kind, source, Cause::Unusable(Box::new(response)))
    }

    fn of(kind: ManagedIdentityErrorKind, source: Source, cause: Cause) -> Self {
        Self {
            kind,
            source,
            cause,
            hint: None,
        }
    }

    /// Makes it the error of a machine without this source.
    pub(crate) fn absent(mut self) -> Self {
        self.kind = Absent;
        self
    }

    /// Sets the advice.
    pub(crate) fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(&self) -> ManagedIdentityErrorKind {
        self.kind
    }

    /// Returns the source of tokens that the error is about.
    #[must_use]
    pub fn identity_source(&self) -> Source {
        self.source
    }

    /// Returns the error code of the source's response, such as `invalid_resource`.
    #[must_use]
    pub fn error_code(&self) -> Option<&str> {
        self.service()
            .map(|service| service.error.as_str())
            .filter(|code| !code.is_empty())
    }

    /// Returns the ID of the request that the source's response names.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&str> {
        self.service()?.correlation_id.as_deref()
    }

    /// Returns the error response of the source, if there is one.
    #[must_use]
    pub fn service(&self) -> Option<&ServiceError> {
        match &self.cause {
            Cause::Rejected(response) => Some(response),
            Cause::Problem(_) | Cause::Unusable(_) => None,
        }
    }

    /// Returns whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, Throttled | Unavailable)
    }

    /// Returns the pause before the next attempt that the source requires.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.service()?.retry_after
    }

    /// Returns the class of the error: that of the response's AADSTS code, or that of the kind.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        if let Some(row) = self.service().and_then(ServiceError::row) {
            return row.class;
        }
        match self.kind {
            Absent | Denied => ErrorClass::Credential,
            NotAssigned => ErrorClass::Application,
            Throttled | Unavailable => ErrorClass::Transient,
            Malformed => ErrorClass::Unknown,
            Configuration => ErrorClass::Request,
        }
    }

    /// Returns what to do about the error.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        let of_row = || self.service()?.row().map(|row| row.hint);
        Some(self.hint.as_deref().or_else(of_row).unwrap_or(match self.kind {
            Absent => "run the program where a managed identity is assigned to it, or configure another credential",
            NotAssigned => "assign the identity to this machine or service, and check the ID that the program asks for",
            Denied => "check that the platform allows this process to use the identity",
            Throttled => "send fewer requests: cache tokens, and share one client in the process",
            Unavailable => TRY_LATER,
            Malformed => "look for a proxy or another service that responds in place of the platform",
            Configuration => "check the environment variables that the platform sets",
        }))
    }
}

impl fmt::Display for ManagedIdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no token from {}: ", self.source)?;
        match &self.cause {
            Cause::Problem(problem) => f.write_str(problem),
            Cause::Rejected(response) => response.fmt(f),
            Cause::Unusable(response) => response.fmt(f),
        }
    }
}

impl std::error::Error for ManagedIdentityError {}

impl Diagnose for ManagedIdentityError {
    fn hint(&self) -> Option<&str> {
        self.hint()
    }

    fn service(&self) -> Option<&ServiceError> {
        self.service()
    }
}
