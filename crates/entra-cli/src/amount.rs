//! How much the command tells beside its results.

use std::sync::OnceLock;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Amount {
    Quiet,
    /// Notes and warnings.
    Usual,
    /// Notes, and requests and decisions with their time.
    Requests,
    /// Notes, and all that the filter lets through, with its time, level, origin and context.
    Logs,
}

pub(crate) static AMOUNT: OnceLock<Amount> = OnceLock::new();

/// Whether notes, hints and warnings are left out.
pub(crate) fn is_quiet() -> bool {
    AMOUNT.get() == Some(&Amount::Quiet)
}

/// Whether lines of a log may appear at any time.
pub(crate) fn logs() -> bool {
    matches!(AMOUNT.get(), Some(Amount::Requests | Amount::Logs))
}
