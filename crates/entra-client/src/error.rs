use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use entra_proto::{ErrorClass, ServiceError};
use entra_transport::{AcquireError, TransportError};

/// Why there is no token. Cheap to clone: all who waited for one request have the same.
#[derive(Clone)]
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
            AcquireError::Protocol(entra_proto::Error::Service(error)) => error.class(),
            AcquireError::Protocol(entra_proto::Error::Signer(_)) => ErrorClass::Credential,
            AcquireError::Protocol(entra_proto::Error::Input(error)) => match error.field() {
                "scope" | "resource" => ErrorClass::Scope,
                "tenant" | "authority" => ErrorClass::Tenant,
                "user" => ErrorClass::Grant,
                _ => ErrorClass::Request,
            },
            AcquireError::Protocol(entra_proto::Error::Redirect(_)) => ErrorClass::Grant,
            cause if cause.is_retryable() => ErrorClass::Transient,
            _ => ErrorClass::Unknown,
        }
    }

    /// What went wrong, as `Display` tells it, without [what to do about it](Self::hint): for whoever can do nothing about it himself.
    #[must_use]
    pub fn problem(&self) -> String {
        match self.service() {
            Some(service) => service.problem(),
            None => {
                let text = self.cause.to_string();
                let advice = self.hint().map(|hint| format!("; {hint}"));
                let problem = advice.and_then(|advice| text.strip_suffix(&advice).map(str::to_owned));
                problem.unwrap_or(text)
            }
        }
    }

    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match &self.cause {
            AcquireError::Protocol(entra_proto::Error::Service(error)) => error.hint(),
            AcquireError::Protocol(entra_proto::Error::Input(error)) => error.hint(),
            AcquireError::Protocol(entra_proto::Error::Redirect(error)) => Some(error.hint()),
            AcquireError::Protocol(entra_proto::Error::Answer(error)) => Some(error.hint()),
            _ => None,
        }
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
            Some(left) => write!(f, " (remembered: not asked again for {} s)", left.as_secs().max(1)),
            None => Ok(()),
        }
    }
}

/// The text of `Display` and of what lies beneath: it is what a `main` that returns the error shows.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        let mut beneath = self.source();
        while let Some(source) = beneath {
            write!(f, ": {source}")?;
            beneath = source.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.source()
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
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRuntime => f.write_str("there is no runtime: give the builder one, or turn the feature tokio on"),
            Self::Policy(what) => write!(f, "the policy cannot be kept: {what}"),
        }
    }
}

impl StdError for BuildError {}
