//! Errors of chores.

use std::error::Error;

/// The error of a chore. It ends as a printed line, so its type does not matter.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;
