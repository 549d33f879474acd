//! Output on standard error: lines of text, with the progress bars below them.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write, stderr};
use std::sync::OnceLock;
use std::time::SystemTime;

use entra_proto::Timestamp;
use entra_proto::error::printable;
use indicatif::MultiProgress;

/// The bars, while they are shown.
static BARS: OnceLock<MultiProgress> = OnceLock::new();

/// Writes a line to standard error, above the bars. Control characters are escaped.
pub(crate) fn say(line: &str) {
    let line = &*printable(line);
    let mut text = String::new();
    match columns(&stderr()) {
        Some(width) => wrap(&mut text, line, width, "", "  "),
        None => text = format!("{line}\n"),
    }
    let write = || {
        // A log without a reader is no reason to stop.
        let _ = stderr().lock().write_all(text.as_bytes());
    };
    match BARS.get() {
        Some(bars) => bars.suspend(write),
        None => write(),
    }
}

/// Writes a log line: a line with the time, on standard error.
pub(crate) fn note(line: &str) {
    let now = Timestamp::from(SystemTime::now()).to_rfc3339();
    say(&format!("{now} {line}"));
}

/// Makes [`say`] write its lines above these bars.
pub(super) fn keep_above(bars: &MultiProgress) {
    let _ = BARS.set(bars.clone());
}

/// Returns the width of a terminal, or `None` if the stream is not a terminal or the width is
/// unknown.
pub(crate) fn columns(stream: &(impl IsTerminal + Handle)) -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(stream)?;
    stream.is_terminal().then_some(usize::from(width.0))
}

/// The trait of streams whose width can be queried.
#[cfg(unix)]
pub(crate) use std::os::fd::AsFd as Handle;
#[cfg(windows)]
pub(crate) use std::os::windows::io::AsHandle as Handle;

/// Appends a text in lines of at most this width. A longer word has a line of its own.
pub(crate) fn wrap(text: &mut String, words: &str, width: usize, first: &str, next: &str) {
    let mut line = first.to_owned();
    let mut is_empty = true;
    for word in words.split(' ') {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > width {
            let _ = writeln!(text, "{line}");
            next.clone_into(&mut line);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    let _ = writeln!(text, "{line}");
}
