//! The terminal: its width, lines wrapped to it, and colours.

use std::env;
use std::io::{self, IsTerminal};

use unicode_width::UnicodeWidthStr;

/// A standard output stream, which may be a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output: results.
    Out,
    /// Standard error: errors, warnings and notes.
    Error,
}

impl Stream {
    /// Returns true if the stream is a terminal.
    pub(crate) fn is_terminal(self) -> bool {
        match self {
            Self::Out => io::stdout().is_terminal(),
            Self::Error => io::stderr().is_terminal(),
        }
    }

    /// Returns the number of columns, or `None` if the stream is not a terminal, where lines are
    /// not wrapped.
    pub(crate) fn width(self) -> Option<usize> {
        if !self.is_terminal() {
            return None;
        }
        let size = match self {
            Self::Out => terminal_size::terminal_size_of(io::stdout()),
            Self::Error => terminal_size::terminal_size_of(io::stderr()),
        };
        let columns = size.map(|(terminal_size::Width(columns), _)| usize::from(columns));
        // A serial line reports 0.
        let columns = columns.filter(|columns| *columns > 0).or_else(named_width);
        Some(columns.unwrap_or(USUAL_WIDTH))
    }

    /// Returns true if the stream is a terminal with colours that the user has not turned off
    /// (<https://no-color.org>).
    pub(crate) fn has_colors(self) -> bool {
        let is_off = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_some_and(|value| value == "dumb");
        self.is_terminal() && !is_off && !is_dumb
    }
}

/// Returns the width to which clap wraps help, if it is known.
pub(crate) fn help_width() -> Option<usize> {
    Stream::Out.width().or_else(named_width)
}

/// Returns the width in COLUMNS, which some shells export.
fn named_width() -> Option<usize> {
    let columns = env::var("COLUMNS").ok()?;
    columns.parse().ok().filter(|columns| *columns > 0)
}

/// The style of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Error,
    Warning,
    Label,
}

impl Style {
    /// Returns the word that begins a message of this style.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Label => "note",
        }
    }

    /// Returns the words in this style if `stream` has colours. They must be
    /// [`harmless`](crate::sanitize::harmless).
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

/// Wraps a text at its spaces to `width` columns. Lines after the first line of a paragraph begin
/// with `indent` spaces in addition to the paragraph's own.
///
/// A word that is longer than a line, such as a URL, is not broken, so that it can be copied.
pub(crate) fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let paragraphs = text.split('\n').map(|paragraph| {
        let words = paragraph.trim_start_matches(' ');
        let own = paragraph.len() - words.len();
        format!("{}{}", " ".repeat(own), wrapped_behind(own, words, width, own + indent))
    });
    paragraphs.collect::<Vec<_>>().join("\n")
}

/// Wraps a text that begins after `taken` columns of its first line. Further lines begin with
/// `indent` spaces.
pub(crate) fn wrapped_behind(taken: usize, text: &str, width: usize, indent: usize) -> String {
    // On a very narrow terminal, words matter more than the indent.
    let indent = indent.min(width / 4);
    let mut wrapped = String::new();
    let mut columns = taken;
    let mut blanks = 0;
    for (at, word) in text.split(' ').enumerate() {
        blanks += usize::from(at > 0);
        let length = width_of(word);
        // Blanks are dropped at the beginning and the end of a line.
        if length == 0 {
            continue;
        }
        // The first word moves to the next line only if it fits there.
        let breaks = at > 0 || (taken > indent && indent + length <= width);
        if breaks && columns + blanks + length > width {
            wrapped.push('\n');
            wrapped.push_str(&" ".repeat(indent));
            columns = indent + length;
        } else {
            wrapped.push_str(&" ".repeat(blanks));
            columns += blanks + length;
        }
        wrapped.push_str(word);
        blanks = 0;
    }
    wrapped
}

/// Returns rows of texts in columns, without trailing blanks.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, text) in widths.iter_mut().zip(row) {
            *width = (*width).max(width_of(text)).min(WIDEST_COLUMN);
        }
    }
    let lines = rows.iter().map(|row| {
        let mut line = String::new();
        for (text, width) in row.iter().zip(widths) {
            line += text;
            line += &" ".repeat(width.saturating_sub(width_of(text)) + 2);
        }
        line.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The maximum width of a column: a longer text only moves its own row.
const WIDEST_COLUMN: usize = 60;

/// Returns the width of a text in columns. Most characters of East Asian scripts take two.
pub(crate) fn width_of(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Returns the longest prefix of a text that fits into `width` columns.
pub(crate) fn cut(text: &str, width: usize) -> &str {
    let ends = text.char_indices().map(|(at, character)| at + character.len_utf8());
    let end = ends.take_while(|end| width_of(&text[..*end]) <= width).last();
    &text[..end.unwrap_or(0)]
}

/// The width of a terminal that does not report its width.
const USUAL_WIDTH: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_lines_are_indented() {
        assert_eq!(wrapped("a bb ccc dddd", 8, 2), "a bb ccc\n  dddd");
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
        assert_eq!(wrapped("aa bbbbb\n  cc ddd", 8, 0), "aa bbbbb\n  cc ddd");
        assert_eq!(wrapped("aa\n\nbb", 5, 1), "aa\n\nbb");
        assert_eq!(wrapped("  cccc dddd", 8, 0), "  cccc\n  dddd");
    }

    #[test]
    fn long_word_is_not_broken() {
        let url = "https://login.microsoftonline.com/";
        assert_eq!(
            wrapped(&format!("see {url} now"), 10, 2),
            format!("see\n  {url}\n  now")
        );
    }

    #[test]
    fn first_word_that_does_not_fit_starts_a_line() {
        assert_eq!(wrapped_behind(6, "aaaa b", 9, 1), "\n aaaa b");
        assert_eq!(wrapped_behind(6, "aaaaaaaaaa b", 9, 1), "aaaaaaaaaa\n b");
        assert_eq!(wrapped_behind(2, "aaaaaaaa b", 9, 2), "aaaaaaaa\n  b");
    }

    #[test]
    fn blanks_are_kept_only_within_a_line() {
        assert_eq!(wrapped("aaa  bbb", 8, 2), "aaa  bbb");
        assert_eq!(wrapped("aaa  bbb ", 7, 1), "aaa\n bbb");
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(width_of("日本 é"), 6);
        assert_eq!(wrapped("日本 日本", 8, 0), "日本\n日本");
        for (width, text) in [(0, ""), (1, ""), (2, "日"), (3, "日"), (4, "日本"), (9, "日本")] {
            assert_eq!(cut("日本", width), text);
        }
    }

    #[test]
    fn every_width_is_supported() {
        for width in 0..4 {
            assert!(wrapped("a bb ccc", width, 9).ends_with("ccc"));
        }
    }
}
