//! The terminal: its width, lines wrapped to it, and colours.

use std::env;
use std::io::{self, IsTerminal};

use unicode_width::UnicodeWidthStr;

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
        let columns = columns.filter(|columns| *columns > 0).or_else(named_width);
        Some(columns.unwrap_or(USUAL_WIDTH))
    }

    /// Whether the stream leads to a terminal whose user takes colours (<https://no-color.org>).
    pub(crate) fn has_colors(self) -> bool {
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_some_and(|value| value == "dumb");
        self.is_terminal() && !refused && !is_dumb
    }
}

/// Returns the width that clap wraps help to, where it is known.
pub(crate) fn help_width() -> Option<usize> {
    Stream::Out.width().or_else(named_width)
}

/// The width that a shell tells its commands.
fn named_width() -> Option<usize> {
    let columns = env::var("COLUMNS").ok()?;
    columns.parse().ok().filter(|columns| *columns > 0)
}

/// The looks of a few words.
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
    let paragraphs = text.split('\n').map(|paragraph| {
        let words = paragraph.trim_start_matches(' ');
        let own = paragraph.len() - words.len();
        format!("{}{}", " ".repeat(own), wrapped_behind(own, words, width, own + indent))
    });
    paragraphs.collect::<Vec<_>>().join("\n")
}

/// Wraps a text that stands behind `taken` columns of its first line. Further lines begin with `indent` spaces.
pub(crate) fn wrapped_behind(taken: usize, text: &str, width: usize, indent: usize) -> String {
    // On a terminal of a few columns, words matter more than the indent.
    let indent = indent.min(width / 4);
    let mut wrapped = String::new();
    let mut columns = taken;
    let mut blanks = 0;
    for (at, word) in text.split(' ').enumerate() {
        blanks += usize::from(at > 0);
        let length = width_of(word);
        // Of several blanks, none is left at an end or a beginning.
        if length == 0 {
            continue;
        }
        // The first word may stay behind what is taken, unless it has room in a line of its own alone.
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

/// Returns rows of texts in columns. What is behind the last text of a row is left out.
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

/// How wide a column is at most: one long text moves only its own row.
const WIDEST_COLUMN: usize = 60;

/// Returns how many columns a text takes: most characters of East Asian scripts take two.
pub(crate) fn width_of(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Returns as much of the beginning of a text as fits into `width` columns.
pub(crate) fn cut(text: &str, width: usize) -> &str {
    let ends = text.char_indices().map(|(at, character)| at + character.len_utf8());
    let end = ends.take_while(|end| width_of(&text[..*end]) <= width).last();
    &text[..end.unwrap_or(0)]
}

/// The width of a terminal that does not tell it.
const USUAL_WIDTH: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_under_the_indent() {
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
    fn a_long_word_stays_whole() {
        let url = "https://login.microsoftonline.com/";
        assert_eq!(
            wrapped(&format!("see {url} now"), 10, 2),
            format!("see\n  {url}\n  now")
        );
    }

    #[test]
    fn a_first_word_without_room_gets_a_line_of_its_own() {
        assert_eq!(wrapped_behind(6, "aaaa b", 9, 1), "\n aaaa b");
        assert_eq!(wrapped_behind(6, "aaaaaaaaaa b", 9, 1), "aaaaaaaaaa\n b");
        assert_eq!(wrapped_behind(2, "aaaaaaaa b", 9, 2), "aaaaaaaa\n  b");
    }

    #[test]
    fn blanks_between_words_stay_within_a_line_alone() {
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
    fn every_width_ends() {
        for width in 0..4 {
            assert!(wrapped("a bb ccc", width, 9).ends_with("ccc"));
        }
    }
}
