//! The set of this crate's error types.

use crate::{AcquireError, TransportError};

/// The error types of this crate and of the crates below it, for a
/// [`ReportFor`](entra_proto::report::ReportFor).
pub type Errors = (AcquireError, TransportError, entra_proto::report::Errors);

/// A report that knows the errors of this crate and of those below it, such as for a `main`.
pub type Report = entra_proto::report::ReportFor<Errors>;
