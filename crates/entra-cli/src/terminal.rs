//! The terminal: its width, lines wrapped to it, and colours.

use std::env;
use std::io::{self, IsTerminal};

/// The stream of a text, which may lead to a terminal or elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output: results.
    Out,
    /// Standard error: errors, warnings and notes.
    Error,
}

impl Stream {
    pub(crate) fn is_terminal(self) -> bool {
        match self {
            Self::Out => io::stdout().is_terminal(),
            Self::Error => io::stderr().is_terminal(),
        }
    }

    /// Returns the number of columns, or `None` where the stream leads to no terminal: there, no line is wrapped.
    pub(crate) fn width(self) -> Option<usize> {
        if !self.is_terminal() {
            return None;
        }
        let size = match self {
            Self::Out => terminal_size::terminal_size_of(io::stdout()),
            Self::Error => terminal_size::terminal_size_of(io::stderr()),
        };
        let columns = size.map(|(terminal_size::Width(columns), _)| usize::from(columns));
        // A serial line says 0.
        let columns = columns.filter(|columns| *columns > 0).or_else(|| {
            let columns = env::var("COLUMNS").ok()?;
            columns.parse().ok().filter(|columns| *columns > 0)
        });
        Some(columns.unwrap_or(USUAL_WIDTH))
    }

    /// Whether the stream leads to a terminal whose user takes colours (<https://no-color.org>).
    pub(crate) fn has_colors(self) -> bool {
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_some_and(|value| value == "dumb");
        self.is_terminal() && !refused && !is_dumb
    }
}

/// The looks of a few words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Error,
    Warning,
    Label,
}

impl Style {
    /// Returns the words in this style, where `stream` takes colours. They must be [`harmless`](crate::outside::harmless).
    pub(crate) fn paint(self, words: &str, stream: Stream) -> String {
        if !stream.has_colors() {
            return words.to_owned();
        }
        let code = match self {
            Self::Error => "1;31",
            Self::Warning => "1;33",
            Self::Label => "1",
        };
        format!("\u{1b}[{code}m{words}\u{1b}[0m")
    }
}

/// Wraps a text at its spaces to `width` columns. Lines after the first of a paragraph begin with `indent` spaces, beside those with
/// which the paragraph begins.
///
/// A word that is longer than a line, such as a URL, stays whole, so that it can be copied.
pub(crate) fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let words = paragraph.trim_start_matches(' ');
        let own = paragraph.len() - words.len();
        // On a terminal of a few columns, words matter more than the indent.
        let hanging = (own + indent).min(width / 2);
        let mut line = " ".repeat(own);
        let mut columns = own;
        let mut is_empty = true;
        for word in words.split(' ') {
            let length = word.chars().count();
            if !is_empty && columns + 1 + length > width {
                lines.push(std::mem::take(&mut line));
                line = " ".repeat(hanging);
                columns = hanging;
            } else if !is_empty {
                line.push(' ');
                columns += 1;
            }
            line.push_str(word);
            columns += length;
            is_empty = false;
        }
        lines.push(line);
    }
    lines.join("\n")
}

/// The width of a terminal that does not tell it.
const USUAL_WIDTH: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_under_the_indent() {
        assert_eq!(wrapped("a bb ccc dddd", 6, 2), "a bb\n  ccc\n  dddd");
        assert_eq!(wrapped("a bb ccc dddd", 100, 2), "a bb ccc dddd");
        assert_eq!(wrapped("", 10, 2), "");
    }

    #[test]
    fn a_line_may_fill_the_width() {
        assert_eq!(wrapped("aaa bbb", 7, 0), "aaa bbb");
        assert_eq!(wrapped("aaa bbb", 6, 0), "aaa\nbbb");
    }

    #[test]
    fn each_line_keeps_its_own_indent() {
        assert_eq!(wrapped("aa bb\n  cc dd", 5, 1), "aa bb\n  cc\n  dd");
        assert_eq!(wrapped("aa\n\nbb", 5, 1), "aa\n\nbb");
    }

    #[test]
    fn a_long_word_stays_whole() {
        let url = "https://login.microsoftonline.com/";
        assert_eq!(
            wrapped(&format!("see {url} now"), 10, 2),
            format!("see\n  {url}\n  now")
        );
    }

    #[test]
    fn every_width_ends() {
        for width in 0..4 {
            assert!(wrapped("a bb ccc", width, 9).ends_with("ccc"));
        }
    }
}
