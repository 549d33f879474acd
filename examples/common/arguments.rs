//! The arguments of the programs that have no options.

use std::env::{ArgsOs, args_os};
use std::iter::Skip;

use super::failure::Failure;

/// The arguments of a program, read one at a time.
pub(crate) struct Arguments {
    usage: &'static str,
    rest: Skip<ArgsOs>,
}

impl Arguments {
    /// Takes all arguments of a program with this usage.
    pub(crate) fn new(usage: &'static str) -> Self {
        Self {
            usage,
            rest: args_os().skip(1),
        }
    }

    /// Returns the next argument as a number, or `default` if there are no more.
    pub(crate) fn number(&mut self, default: u64) -> Result<u64, Failure> {
        match self.rest.next() {
            None => Ok(default),
            Some(text) => {
                let number = text.to_str().and_then(|text| text.parse().ok());
                number.ok_or_else(|| self.wrong("an argument is not a number"))
            }
        }
    }

    /// Returns the next argument as text.
    pub(crate) fn text(&mut self) -> Result<String, Failure> {
        let text = self.rest.next().ok_or_else(|| self.wrong("an argument is missing"))?;
        text.into_string().map_err(|_| self.wrong("an argument is not UTF-8"))
    }

    /// Checks that no arguments are left.
    pub(crate) fn end(mut self) -> Result<(), Failure> {
        match self.rest.next() {
            None => Ok(()),
            Some(_) => Err(self.wrong("there are too many arguments")),
        }
    }

    /// Returns the failure for a wrong argument. An argument may be a secret in the wrong place, so
    /// it is not repeated.
    fn wrong(&self, problem: &str) -> Failure {
        Failure::new(problem).hint(format!("usage: {}", self.usage))
    }
}
