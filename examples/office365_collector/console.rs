//! Standard error: lines of text, and the bars below them.

use std::io::Write;
use std::sync::OnceLock;

use indicatif::MultiProgress;

/// The bars, while there are any.
static BARS: OnceLock<MultiProgress> = OnceLock::new();

/// Writes a line to standard error, above the bars.
pub(crate) fn say(line: &str) {
    let write = || {
        // A log that is not read any more is no reason to stop.
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    };
    match BARS.get() {
        Some(bars) => bars.suspend(write),
        None => write(),
    }
}

/// Has all lines of [`say`] go above these bars.
pub(super) fn keep_above(bars: &MultiProgress) {
    let _ = BARS.set(bars.clone());
}
