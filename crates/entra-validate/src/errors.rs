//! The list of this crate's error types.

use crate::keys::FetchError;
use crate::rejection::Rejection;

/// The error types of this crate and of those below it, for a
/// [`ReportFor`](entra_proto::report::ReportFor).
pub type Errors = (Rejection, FetchError, entra_proto::report::Errors);
