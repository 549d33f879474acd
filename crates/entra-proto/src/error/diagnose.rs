//! The trait of errors that have a hint.

use std::error::Error as StdError;

use crate::error::service::ServiceError;

/// An error that can say what to do about it. All error types of these crates implement it.
///
/// `Display` shows the problem and nothing else; a [`Report`](crate::report::Report) shows problem,
/// causes and hint together.
pub trait Diagnose: StdError {
    /// Returns what to do about the error, if that is known.
    fn hint(&self) -> Option<&str>;

    /// Returns the service's error response, if there is one.
    fn service(&self) -> Option<&ServiceError> {
        None
    }
}
