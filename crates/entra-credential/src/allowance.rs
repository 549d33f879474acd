//! The cost of opening a file.

use crate::MAX_ITERATIONS_OF_FILE;
use crate::error::Error;

/// The number of key derivation rounds that a file may still use.
pub(crate) struct Allowance(u64);

impl Default for Allowance {
    fn default() -> Self {
        Self(MAX_ITERATIONS_OF_FILE)
    }
}

impl Allowance {
    pub(crate) fn spend(&mut self, rounds: u64) -> Result<(), Error> {
        self.0 = self.0.checked_sub(rounds).ok_or(Error::TooManyIterations {
            limit: MAX_ITERATIONS_OF_FILE,
        })?;
        Ok(())
    }
}
