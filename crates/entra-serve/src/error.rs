//! The errors of building a server.

use std::error::Error as StdError;
use std::fmt;

use entra_proto::error::Diagnose;
use entra_proto::report::ReportFor;

/// The reason why a server cannot be built.
#[derive(Debug)]
pub struct SetupError {
    problem: String,
    hint: &'static str,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl SetupError {
    pub(crate) fn new(problem: impl Into<String>, hint: &'static str) -> Self {
        Self {
            problem: problem.into(),
            hint,
            source: None,
        }
    }

    pub(crate) fn caused(
        problem: impl Into<String>,
        hint: &'static str,
        cause: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self {
            source: Some(cause.into()),
            ..Self::new(problem, hint)
        }
    }

    pub(crate) fn random(error: getrandom::Error) -> Self {
        Self::caused(
            "the system has no random bytes",
            "check that the program may use getrandom or /dev/urandom",
            error,
        )
    }

    /// Returns advice on how to fix the error.
    #[must_use]
    pub fn hint(&self) -> &str {
        self.hint
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl StdError for SetupError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl Diagnose for SetupError {
    fn hint(&self) -> Option<&str> {
        Some(self.hint)
    }
}

/// The error types of this crate and of the crates below it, for a [`ReportFor`].
pub type Errors = (SetupError, entra_tower::Errors, entra_validate::Errors);

/// An error in the form that a user should read, of this crate or of any other:
/// `fn main() -> Result<(), entra_serve::Report>`.
pub type Report = ReportFor<Errors>;
