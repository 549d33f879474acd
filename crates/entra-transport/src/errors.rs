//! The set of this crate's errors.

use crate::{AcquireError, TransportError};

/// The error types of this crate and of those below it, for a [`ReportFor`](entra_proto::report::ReportFor).
pub type Errors = (AcquireError, TransportError, entra_proto::report::Errors);
