//! The errors of both clients, and the report that shows them to users.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use entra_proto::error::{Diagnose, ErrorClass, ServiceError};
use entra_proto::report::ReportFor;
use entra_transport::{AcquireError, TransportError};

use crate::chain::{Absence, ChainError};
use crate::command::CommandError;

/// The reason why there is no token. It is cheap to clone: all callers that waited for one request
/// get the same error.
///
/// ```no_run
/// # use entra_client::{Client, Error};
/// # use entra_proto::Target;
/// # use entra_proto::error::ErrorClass;
/// # async fn check(client: Client, graph: Target) {
/// match client.token(&graph).await {
///     Ok(_) => println!("ready"),
///     Err(error) if error.is_retryable() => {
///         eprintln!("{error}; retry in {:?}", error.retry_after());
///     }
///     Err(error) => match error.class() {
///         ErrorClass::Credential => eprintln!("replace the credential: {error}"),
///         _ => eprintln!("{error}; {}", error.hint().unwrap_or_default()),
///     },
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Error {
    cause: Cause,
    /// The rest of the cool-down, if this is a cached failure.
    cached: Option<Duration>,
}

#[derive(Clone, Debug)]
enum Cause {
    Acquire(AcquireError),
    /// A member of a chain is absent.
    Absent(Arc<Absence>),
    /// All members of a chain are absent.
    Chain(Arc<ChainError>),
    Command(Arc<CommandError>),
}

impl Error {
    /// Returns the error of this type among an error and its sources, if there is one: for errors
    /// of other libraries that acquire tokens from a client.
    ///
    /// ```
    /// # use entra_client::Error;
    /// fn should_wait(error: &std::io::Error) -> bool {
    ///     Error::find(error).is_some_and(Error::is_retryable)
    /// }
    /// ```
    #[must_use]
    pub fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        for _ in 0..MAX_SOURCES {
            let error = next?;
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    /// Returns the cause, if a request was sent or could not be made: an error response of the
    /// service, an invalid response, a failure of the transport, or an invalid input.
    #[must_use]
    pub fn cause(&self) -> Option<&AcquireError> {
        match &self.cause {
            Cause::Acquire(error) => Some(error),
            Cause::Absent(_) | Cause::Chain(_) | Cause::Command(_) => None,
        }
    }

    /// Returns the members of a [`Chain`](crate::Chain) with the reasons why they are absent, if
    /// all of them are.
    #[must_use]
    pub fn chain(&self) -> Option<&ChainError> {
        match &self.cause {
            Cause::Chain(error) => Some(error),
            Cause::Acquire(_) | Cause::Absent(_) | Cause::Command(_) => None,
        }
    }

    /// Returns true if the credential is absent: it is not configured, or this machine does not
    /// have it. A [`Chain`](crate::Chain) then continues with its next member.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        match &self.cause {
            Cause::Acquire(AcquireError::Protocol(error)) => error.is_absent(),
            Cause::Acquire(_) => false,
            Cause::Absent(_) | Cause::Chain(_) => true,
            Cause::Command(error) => error.is_absent(),
        }
    }

    /// Returns true if another attempt may succeed.
    ///
    /// The client itself retries as its policy says. This is for callers that go on after that.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.cause().is_some_and(AcquireError::is_retryable)
    }

    /// Returns the time to wait before another attempt: the rest of the time for which the failure
    /// is cached, or the time that the service requires.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.cached.or_else(|| self.cause()?.retry_after())
    }

    /// Returns true if this is the cached failure of an earlier request: nothing was sent.
    #[must_use]
    pub fn is_cached(&self) -> bool {
        self.cached.is_some()
    }

    /// Returns the class of the error: who can fix it, and by which kind of action.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match &self.cause {
            Cause::Acquire(AcquireError::Protocol(error)) => error.class(),
            Cause::Acquire(error) if error.is_retryable() => ErrorClass::Transient,
            Cause::Acquire(_) => ErrorClass::Unknown,
            Cause::Absent(_) | Cause::Chain(_) | Cause::Command(_) => ErrorClass::Credential,
        }
    }

    /// Returns advice on how to fix the error, if there is any.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match &self.cause {
            Cause::Acquire(error) => error.hint(),
            Cause::Absent(absence) => absence.hint(),
            Cause::Chain(error) => Some(error.hint()),
            Cause::Command(error) => error.hint(),
        }
    }

    /// Returns the error response of the service, if there is one: its codes, texts and IDs.
    #[must_use]
    pub fn service(&self) -> Option<&ServiceError> {
        self.cause()?.service()
    }

    /// Returns the same error as a cached failure, with the rest of its cool-down.
    pub(crate) fn cached(&self, left: Duration) -> Self {
        Self {
            cause: self.cause.clone(),
            cached: Some(left),
        }
    }
}

/// The number of errors that [`Error::find`] looks at: a chain may be circular.
const MAX_SOURCES: usize = 64;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Acquire(error) => error.fmt(f)?,
            Cause::Absent(absence) => absence.fmt(f)?,
            Cause::Chain(error) => error.fmt(f)?,
            Cause::Command(error) => error.fmt(f)?,
        }
        match self.cached {
            Some(left) => write!(f, " (cached failure; next attempt in {} s)", left.as_secs().max(1)),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause()?.source()
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
    fn from(error: AcquireError) -> Self {
        Cause::Acquire(error).into()
    }
}

impl From<Absence> for Error {
    fn from(absence: Absence) -> Self {
        Cause::Absent(Arc::new(absence)).into()
    }
}

impl From<ChainError> for Error {
    fn from(error: ChainError) -> Self {
        Cause::Chain(Arc::new(error)).into()
    }
}

impl From<CommandError> for Error {
    fn from(error: CommandError) -> Self {
        Cause::Command(Arc::new(error)).into()
    }
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        Self { cause, cached: None }
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

/// The reason why a client cannot be built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// No runtime was set, and the feature `tokio` is off.
    NoRuntime,
    /// A value of the policy is invalid. The text names the value and the problem.
    Policy(&'static str),
    /// The client is blocking, but a credential has an async signer or source, or is an async
    /// command.
    AsyncCredential,
}

impl BuildError {
    /// Returns advice on how to fix the error, if there is any.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::NoRuntime => Some("set a runtime on the builder, or enable the feature tokio"),
            Self::Policy(_) => None,
            Self::AsyncCredential => {
                Some("use the async client, or a credential with a blocking signer, source or command")
            }
        }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRuntime => f.write_str("there is no runtime"),
            Self::Policy(problem) => write!(f, "the policy is invalid: {problem}"),
            Self::AsyncCredential => f.write_str("the credential is async, but the client is blocking"),
        }
    }
}

impl StdError for BuildError {}

impl Diagnose for ChainError {
    fn hint(&self) -> Option<&str> {
        Some(self.hint())
    }
}

impl Diagnose for CommandError {
    fn hint(&self) -> Option<&str> {
        self.hint()
    }
}

impl Diagnose for BuildError {
    fn hint(&self) -> Option<&str> {
        self.hint()
    }
}

/// The error types of this crate and of the crates below it, for a [`ReportFor`].
pub type Errors = (Error, BuildError, ChainError, CommandError, entra_transport::Errors);

/// An error in the form that a user should read, of this crate or of any other:
/// `fn main() -> Result<(), entra_client::Report>`.
///
/// ```no_run
/// use entra_client::Report;
/// use entra_client::blocking::Client;
/// use entra_proto::Target;
///
/// fn run(client: &Client) -> Result<(), Report> {
///     let graph = Target::resource("https://graph.microsoft.com")?;
///     let token = client.token(&graph)?;
///     std::fs::write("valid-until", format!("{:?}", token.expires_at()))?;
///     Ok(())
/// }
/// ```
pub type Report = ReportFor<Errors>;
