//! The error of an acquisition over a transport.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use entra_proto::Error;
use entra_proto::error::{Diagnose, ServiceError};

use crate::TransportError;

/// The reason why there is no token.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AcquireError {
    /// The service rejected the request, or its response cannot be used.
    Protocol(Error),
    /// No whole response came.
    Transport(TransportError),
}

impl AcquireError {
    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Protocol(error) => error.is_retryable(),
            Self::Transport(error) => error.is_retryable(),
        }
    }

    /// How long the service asked to be left alone, at most [`MAX_RETRY_AFTER`](entra_proto::acquire::MAX_RETRY_AFTER).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Protocol(error) => error.retry_after(),
            Self::Transport(_) => None,
        }
    }

    /// Returns what to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Protocol(error) => error.hint(),
            Self::Transport(error) => error.hint(),
        }
    }

    /// The service's own account, where it gave one.
    #[must_use]
    pub fn service(&self) -> Option<&ServiceError> {
        match self {
            Self::Protocol(error) => error.service(),
            Self::Transport(_) => None,
        }
    }
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(error) => error.fmt(f),
            Self::Transport(error) => error.fmt(f),
        }
    }
}

impl StdError for AcquireError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Protocol(error) => error.source(),
            Self::Transport(error) => error.source(),
        }
    }
}

impl Diagnose for AcquireError {
    fn hint(&self) -> Option<&str> {
        self.hint()
    }

    fn service(&self) -> Option<&ServiceError> {
        self.service()
    }
}

impl From<Error> for AcquireError {
    fn from(error: Error) -> Self {
        Self::Protocol(error)
    }
}

impl From<TransportError> for AcquireError {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}
