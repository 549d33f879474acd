//! The trait of errors that say what to do.

use std::error::Error as StdError;

use crate::error::service::ServiceError;

/// An error that says what to do about it. All error types of these crates implement it.
///
/// `Display` says what happened and nothing else; a [`Report`](crate::report::Report) puts the two together.
pub trait Diagnose: StdError {
    /// Returns what to do about it, where that is known.
    fn hint(&self) -> Option<&str>;

    /// Returns the service's error response, where there is one.
    fn service(&self) -> Option<&ServiceError> {
        None
    }
}
