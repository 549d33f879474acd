//! The error of an acquisition over a transport.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use entra_proto::{Error, ServiceError};

use crate::TransportError;

/// Why there is no token.
#[derive(Clone)]
#[non_exhaustive]
pub enum AcquireError {
    /// The service refused, or its answer cannot be used.
    Protocol(Error),
    /// No whole answer came.
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

    /// How long the service asked to be left alone, at most [`MAX_RETRY_AFTER`](entra_proto::MAX_RETRY_AFTER).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Protocol(error) => error.retry_after(),
            Self::Transport(_) => None,
        }
    }

    /// Returns what went wrong, without [what to do about it](Self::hint).
    #[must_use]
    pub fn problem(&self) -> String {
        match self {
            Self::Protocol(error) => error.problem(),
            Self::Transport(error) => error.problem(),
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

/// What a `main` that returns the error shows: the error, and all that lies beneath.
impl fmt::Debug for AcquireError {
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
