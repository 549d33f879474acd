//! The error of one request of several.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Diagnose, Error, ErrorClass, ServiceError};

/// One of the requests of an acquisition: which one, and what it requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    number: usize,
    total: usize,
    requested: Arc<str>,
}

impl Leg {
    pub(crate) fn new(number: usize, total: usize, requested: Arc<str>) -> Self {
        Self {
            number,
            total,
            requested,
        }
    }

    /// Returns its number: the request that needs no other one first is 1.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// Returns how many requests the acquisition takes.
    #[must_use]
    pub fn total(&self) -> usize {
        self.total
    }
}

impl fmt::Display for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request {} of {} ({})", self.number, self.total, self.requested)
    }
}

/// The failure of a request whose token would have been the assertion of another one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LegError {
    leg: Leg,
    cause: Error,
    /// Whether the request failed with a status that may pass, and how long the service asked to be left alone: of services whose
    /// errors are not Entra's.
    foreign: Option<(bool, Option<Duration>)>,
}

impl LegError {
    /// Adds to an error which request failed, if it is one of several.
    pub(crate) fn of(leg: Option<Leg>, cause: Error) -> Error {
        match leg {
            Some(leg) => Self {
                leg,
                cause,
                foreign: None,
            }
            .into(),
            None => cause,
        }
    }

    pub(crate) fn foreign(leg: Leg, cause: Error, is_transient: bool, retry_after: Option<Duration>) -> Self {
        Self {
            leg,
            cause,
            foreign: Some((is_transient, retry_after)),
        }
    }

    /// Returns the request that failed.
    #[must_use]
    pub fn leg(&self) -> &Leg {
        &self.leg
    }

    /// Returns what it failed with.
    #[must_use]
    pub fn cause(&self) -> &Error {
        &self.cause
    }

    /// Returns the kind of failure. It is about the credential where the cause would be about a user: no user has a part in it.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        if self.is_retryable() {
            return ErrorClass::Transient;
        }
        match self.cause.class() {
            ErrorClass::Grant | ErrorClass::Interaction | ErrorClass::Unknown => ErrorClass::Credential,
            class => class,
        }
    }

    /// Returns whether the same request may succeed a little later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.cause.is_retryable() || self.foreign.is_some_and(|(is_transient, _)| is_transient)
    }

    /// Returns how long the service asked to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.foreign
            .and_then(|(_, retry_after)| retry_after)
            .or_else(|| self.cause.retry_after())
    }

    /// Returns what to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.cause.hint()
    }
}

impl fmt::Display for LegError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.leg, self.cause)
    }
}

impl std::error::Error for LegError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.source()
    }
}

impl Diagnose for LegError {
    fn hint(&self) -> Option<&str> {
        self.hint()
    }

    fn service(&self) -> Option<&ServiceError> {
        self.cause.service()
    }
}
