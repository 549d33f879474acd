//! The error of an acquisition over a transport.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use entra_proto::acquire::{Exchange, Step};
use entra_proto::error::{Diagnose, ServiceError};
use entra_proto::{Error, Timestamp};

use crate::TransportError;

/// The error of an acquisition: there is no token.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AcquireError {
    /// The service rejected the request, or its response cannot be used.
    Protocol(Error),
    /// The transport received no complete response.
    Transport(TransportError),
}

impl AcquireError {
    /// Returns whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Protocol(error) => error.is_retryable(),
            Self::Transport(error) => error.is_retryable(),
        }
    }

    /// Returns the pause before the next attempt that the service requires, at most
    /// [`MAX_RETRY_AFTER`](entra_proto::acquire::MAX_RETRY_AFTER).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Protocol(error) => error.retry_after(),
            Self::Transport(_) => None,
        }
    }

    /// Returns what to do about the error, if that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Protocol(error) => error.hint(),
            Self::Transport(error) => error.hint(),
        }
    }

    /// Returns the service's error response, if there is one: see [`Error::service`].
    #[must_use]
    pub fn service(&self) -> Option<&ServiceError> {
        match self {
            Self::Protocol(error) => error.service(),
            Self::Transport(_) => None,
        }
    }
}

impl TransportError {
    /// Reports the failure to the acquisition, and returns the next step of the acquisition.
    ///
    /// # Errors
    /// Returns this error if the request is not sent again. It names the request if the acquisition
    /// takes several. Returns the error of the acquisition if this failure decides it: see
    /// [`Exchange::failed`].
    pub fn next_step(self, exchange: Exchange, now: Timestamp) -> Result<Step, AcquireError> {
        let leg = exchange.leg();
        exchange
            .failed(self.failure(), now)?
            .ok_or_else(|| self.of_leg(leg).into())
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
