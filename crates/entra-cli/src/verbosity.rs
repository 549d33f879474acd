//! The verbosity of the command: the notes, warnings and log lines beside its results.

use std::sync::OnceLock;

/// The amount of text on standard error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verbosity {
    /// Errors, and what the user has to do.
    Quiet,
    /// Notes and warnings.
    Usual,
    /// Notes, and requests and decisions with their time.
    Requests,
    /// Notes, and all log events that pass the filter, with time, level, target and context.
    Logs,
}

/// The verbosity, set once by [`crate::logging::LogSettings::start`].
pub(crate) static VERBOSITY: OnceLock<Verbosity> = OnceLock::new();

/// Returns true if notes and warnings are left out.
pub(crate) fn is_quiet() -> bool {
    VERBOSITY.get() == Some(&Verbosity::Quiet)
}

/// Returns true if log lines may appear at any time.
pub(crate) fn logs() -> bool {
    matches!(VERBOSITY.get(), Some(Verbosity::Requests | Verbosity::Logs))
}
