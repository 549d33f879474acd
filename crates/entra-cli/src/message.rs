//! Errors and warnings on standard error: on several lines for a terminal, on one line for a log.

use std::borrow::Cow;
use std::fmt;

use crate::sanitize::harmless;
use crate::terminal::{Stream, Style, wrapped_behind};
use crate::verbosity::is_quiet;

/// A problem, the hints, and the IDs of a request.
pub(crate) struct Message<'a> {
    pub(crate) style: Style,
    pub(crate) problem: &'a str,
    /// The hints, the most specific first.
    pub(crate) hints: &'a [Cow<'static, str>],
    /// The IDs of a request, for a support request.
    pub(crate) ids: Option<&'a str>,
}

impl Message<'_> {
    /// Writes the message to standard error: on several lines if it is a terminal, otherwise on
    /// one. A closed standard error is not a failure.
    pub(crate) fn show(&self) {
        use std::io::Write;

        let text = match Stream::Error.width() {
            Some(width) => self.lines(width),
            None => format!("{}: {}", self.style.label(), self.line()),
        };
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Shows the message as a warning, unless `--quiet` is set.
    pub(crate) fn warn(&self) {
        if !is_quiet() {
            self.show();
        }
    }

    /// Returns the message on one line, without its label.
    pub(crate) fn line(&self) -> String {
        let mut line = harmless(self.problem);
        for hint in self.hints {
            line += "; ";
            line += &harmless(hint);
        }
        if let Some(ids) = self.ids {
            line += &format!(" ({})", harmless(ids));
        }
        line
    }

    /// Returns the message on several lines: the problem, the hints, the IDs.
    fn lines(&self, width: usize) -> String {
        let label = self.style.label();
        let mut parts = vec![(label, harmless(self.problem), self.style)];
        parts.extend(self.hints.iter().map(|hint| ("hint", harmless(hint), Style::Label)));
        parts.extend(self.ids.map(|ids| ("ids", harmless(ids), Style::Label)));
        let indent = label.len() + 2;
        let lines = parts.into_iter().map(|(name, part, style)| {
            let pad = " ".repeat(label.len() - name.len());
            let name = style.paint(&format!("{name}:"), Stream::Error);
            format!("{pad}{name} {}", wrapped_behind(indent, &part, width, indent))
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Writes a warning to standard error: the problem and a hint.
pub(crate) fn warn(problem: impl fmt::Display, hint: impl Into<Cow<'static, str>>) {
    warning(&problem.to_string(), &[hint.into()]);
}

/// Writes a warning without a hint to standard error.
pub(crate) fn warn_only(problem: impl fmt::Display) {
    warning(&problem.to_string(), &[]);
}

fn warning(problem: &str, hints: &[Cow<'static, str>]) {
    let message = Message {
        style: Style::Warning,
        problem,
        hints,
        ids: None,
    };
    message.warn();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<'a>(hints: &'a [Cow<'static, str>]) -> Message<'a> {
        Message {
            style: Style::Error,
            problem: "the service rejected\u{1b}[2J this",
            hints,
            ids: Some("status 401"),
        }
    }

    #[test]
    fn log_message_is_one_line() {
        let hints = ["do this".into(), "or that".into()];
        assert_eq!(
            message(&hints).line(),
            "the service rejected\\u{1b}[2J this; do this; or that (status 401)"
        );
    }

    #[test]
    fn terminal_message_has_problem_hints_and_ids() {
        let hints = ["do this and more".into(), "or that".into()];
        assert_eq!(
            message(&hints).lines(29),
            "error: the service\n       rejected\\u{1b}[2J this\n hint: do this and more\n hint: or that\n  ids: status 401"
        );
    }
}
