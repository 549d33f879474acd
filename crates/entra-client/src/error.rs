use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use entra_proto::error::{Diagnose, ErrorClass, ServiceError};
use entra_proto::report::ReportFor;
use entra_transport::{AcquireError, TransportError};

/// Why there is no token. Cheap to clone: all who waited for one request have the same.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Error {
    cause: AcquireError,
    remembered: Option<Duration>,
}

impl Error {
    /// What went wrong: the service's refusal, an answer that nobody can use, or the transport's failure.
    #[must_use]
    pub fn cause(&self) -> &AcquireError {
        &self.cause
    }

    /// Whether asking again may help. A client does so by itself, as its policy has it: this tells what is left to the caller.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.cause.is_retryable()
    }

    /// How long not to ask again: the rest of the time for which the failure is remembered, or what the service asked for.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.remembered.or_else(|| self.cause.retry_after())
    }

    /// Whether nothing was sent this time: the failure of an earlier request still stands.
    #[must_use]
    pub fn is_remembered(&self) -> bool {
        self.remembered.is_some()
    }

    /// What kind of trouble it is: what the application, its owner or its administrator should do.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match &self.cause {
            AcquireError::Protocol(error) => error.class(),
            cause if cause.is_retryable() => ErrorClass::Transient,
            _ => ErrorClass::Unknown,
        }
    }

    /// Returns what to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.cause.hint()
    }

    /// The service's own account, where it gave one: its codes, texts and ids.
    #[must_use]
    pub fn service(&self) -> Option<&ServiceError> {
        self.cause.service()
    }

    /// The same failure, given out again without a request.
    pub(crate) fn remembered(&self, left: Duration) -> Self {
        Self {
            cause: self.cause.clone(),
            remembered: Some(left),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)?;
        match self.remembered {
            Some(left) => write!(f, " (remembered: no new request for {} s)", left.as_secs().max(1)),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.source()
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

impl From<AcquireError> for Error {
    fn from(cause: AcquireError) -> Self {
        Self {
            cause,
            remembered: None,
        }
    }
}

impl From<entra_proto::Error> for Error {
    fn from(error: entra_proto::Error) -> Self {
        AcquireError::from(error).into()
    }
}

impl From<TransportError> for Error {
    fn from(error: TransportError) -> Self {
        AcquireError::from(error).into()
    }
}

/// Why no client could be built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// There is nothing to run on: no runtime was given, and the feature `tokio` is off.
    NoRuntime,
    /// A number of the policy makes no sense: which one, and why.
    Policy(&'static str),
    /// The client is blocking, and the application's credential has an async signer or source, which it cannot await.
    AsyncCredential,
}

impl BuildError {
    /// Returns what to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::NoRuntime => Some("give the builder one, or turn the feature tokio on"),
            Self::Policy(_) => None,
            Self::AsyncCredential => {
                Some("use the async client, or give the credential a signer or a source that blocks")
            }
        }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRuntime => f.write_str("there is no runtime"),
            Self::Policy(what) => write!(f, "the policy cannot be kept: {what}"),
            Self::AsyncCredential => f.write_str("the credential is async, and the client is blocking"),
        }
    }
}

impl StdError for BuildError {}

impl Diagnose for BuildError {
    fn hint(&self) -> Option<&str> {
        self.hint()
    }
}

/// The error types of this crate and of those below it, for a [`ReportFor`].
pub type Errors = (Error, BuildError, entra_transport::Errors);

/// An error as a user should read it, of this crate or of any other: `fn main() -> Result<(), entra_client::Report>`.
///
/// ```no_run
/// use entra_client::Report;
/// use entra_client::blocking::Client;
/// use entra_proto::Target;
///
/// fn run(client: &Client) -> Result<(), Report> {
///     let token = client.token(&Target::resource("https://graph.microsoft.com")?)?;
///     std::fs::write("valid-until", format!("{:?}", token.expires_at()))?;
///     Ok(())
/// }
/// ```
pub type Report = ReportFor<Errors>;
