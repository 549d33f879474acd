//! The set of this crate's errors.

use crate::keys::FetchError;
use crate::rejection::Rejection;

/// The error types of this crate and of those below it, for a
/// [`ReportFor`](entra_proto::report::ReportFor).
pub type Errors = (Rejection, FetchError, entra_proto::report::Errors);
