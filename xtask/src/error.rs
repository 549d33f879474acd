//! Errors of chores.

use std::error::Error;

/// What may go wrong in a chore ends as a printed line, so its type does not matter.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;
