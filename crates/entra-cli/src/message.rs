//! What is said on standard error beside notes: errors and warnings, in lines for people or in one line for a log.

use std::borrow::Cow;
use std::fmt;

use crate::amount::is_quiet;
use crate::outside::harmless;
use crate::terminal::{Stream, Style, wrapped_behind};

/// A problem, what to do about it, and the IDs that belong to it.
pub(crate) struct Message<'a> {
    pub(crate) style: Style,
    pub(crate) problem: &'a str,
    /// What to do about it, the most particular first.
    pub(crate) hints: &'a [Cow<'static, str>],
    /// The IDs of a request, which a support asks for.
    pub(crate) ids: Option<&'a str>,
}

impl Message<'_> {
    /// Writes the message to standard error: in lines where that is a terminal, else in one line. A reader that has closed it is no
    /// failure.
    pub(crate) fn show(&self) {
        use std::io::Write;

        let text = match Stream::Error.width() {
            Some(width) => self.lines(width),
            None => format!("{}: {}", self.style.label(), self.line()),
        };
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Shows the message as a warning: not to a user who wants none.
    pub(crate) fn warn(&self) {
        if !is_quiet() {
            self.show();
        }
    }

    /// Returns the message in one line, without its label.
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

    /// Returns the message in lines: what happened, what to do, the IDs.
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

/// Writes a warning to standard error: what is unusual, and what to do about it.
pub(crate) fn warn(problem: impl fmt::Display, hint: impl Into<Cow<'static, str>>) {
    warning(&problem.to_string(), &[hint.into()]);
}

/// Writes a warning to standard error that leaves nothing to do.
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
            problem: "the service refused\u{1b}[2J this",
            hints,
            ids: Some("status 401"),
        }
    }

    #[test]
    fn a_log_gets_one_line() {
        let hints = ["do this".into(), "or that".into()];
        assert_eq!(
            message(&hints).line(),
            "the service refused\\u{1b}[2J this; do this; or that (status 401)"
        );
    }

    #[test]
    fn a_terminal_gets_what_happened_what_to_do_and_ids() {
        let hints = ["do this and more".into(), "or that".into()];
        assert_eq!(
            message(&hints).lines(28),
            "error: the service\n       refused\\u{1b}[2J this\n hint: do this and more\n hint: or that\n  ids: status 401"
        );
    }
}
