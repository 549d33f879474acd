//! The value after a name.

use crate::linter::line::beginning;
use crate::linter::param::sum::{adjacent, after_sign, joined};

/// A value and its position in the line.
pub(super) struct Value<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    pub(super) is_quoted: bool,
    /// The text after the closing quote, if something is added there: ` + b` in `"a" + b`.
    pub(super) added: &'a str,
    /// The text after the closing quote.
    after: &'a str,
    /// True if there are spaces before the value.
    pub(super) has_gap: bool,
}

impl Value<'_> {
    /// Adds the text that follows without a sign, as in `"a" "b"`.
    pub(super) fn with_adjacent(mut self) -> Self {
        if self.is_quoted && adjacent(self.after).is_some() {
            self.added = self.after;
        }
        self
    }

    /// Returns true if the value is a quoted text, or a sum of quoted texts.
    pub(super) fn is_quoted_text(&self) -> bool {
        self.is_quoted && (self.added.is_empty() || joined(self.text, self.added).is_some())
    }
}

/// Returns the value that begins at a position or after the spaces there. With `is_long`, a value
/// without quotes continues to the end of the line or to a comment.
pub(super) fn value(line: &str, after: usize, is_long: bool) -> Value<'_> {
    let first = after_spaces(line, after);
    let open = quote_at(line, first);
    let is_quoted = open.is_some();
    let mut at = open.map_or(first, |open| open + 1);
    let quote = open.map_or("", |open| &line[open..=open]);
    // Python has triple quotes.
    let is_triple = is_quoted
        && line[at..]
            .strip_prefix(quote)
            .is_some_and(|rest| rest.starts_with(quote));
    if is_triple {
        at += 2;
    }
    let rest = beginning(&line[at..], LONGEST_VALUE);
    let text = match rest {
        _ if is_quoted => rest.split(quote).next().unwrap_or_default(),
        _ if is_long => scalar(rest),
        _ => word(rest),
    };
    let end = at + text.len() + quote.len();
    let after_quote = line.get(end..).unwrap_or_default();
    let after_quote = if is_triple {
        after_quote.trim_start_matches(quote)
    } else {
        after_quote
    };
    let is_added = is_quoted && after_sign(after_quote).is_some();
    Value {
        text: text.trim_end_matches('\\'),
        at,
        is_quoted,
        added: if is_added { after_quote } else { "" },
        // An escaped quote belongs to a string around the value.
        after: if text.ends_with('\\') { "" } else { after_quote },
        has_gap: first > after,
    }
}

/// Returns the position of the quote that opens the value, if there is one: `"x"`, `f"x"`, `["x"]`,
/// `{"x"}`, `[]string{"x"}`.
fn quote_at(line: &str, first: usize) -> Option<usize> {
    let mut at = first;
    for _ in 0..MOST_OPENERS {
        at = after_spaces(line, at);
        let rest = &line[at..];
        if rest.starts_with(['"', '\'', '`']) {
            return Some(at);
        }
        let is_string = rest.get(1..).is_some_and(|rest| rest.starts_with(['"', '\'']));
        let is_prefix = is_string && rest.starts_with(['f', 'r', 'b', 'u', '@', '$']);
        let opener = OPENERS.iter().find(|opener| rest.starts_with(**opener));
        at += if is_prefix { 1 } else { opener?.len() };
    }
    None
}

/// Returns a value of a settings file: up to a comment, or to the next member in the same line.
fn scalar(rest: &str) -> &str {
    let end = rest.find([',', '}', '"', '\'', '`', '<']).unwrap_or(rest.len());
    let end = rest[..end].find(" #").or_else(|| rest[..end].find(" ;")).unwrap_or(end);
    rest[..end].trim_end()
}

/// Returns true if a value without quotes in a settings file is a text, not YAML syntax.
pub(super) fn is_scalar(value: &str) -> bool {
    !value.is_empty()
        && !value.starts_with(['!', '&', '*', '|', '>', '[', '{'])
        && !matches!(value, "null" | "~" | "true" | "false")
}

/// Returns the first item of a YAML list in one line, such as `[ a.b, c ]`, or `None` if it is not
/// a name with a dot: documents also have `[your scope]`.
pub(super) fn first_item(value: &str) -> Option<&str> {
    let item = value.strip_prefix('[')?.split(']').next()?.trim();
    (item.contains('.') && !item.contains([' ', '['])).then_some(item)
}

/// Returns a value of a form, or the first word of an expression.
fn word(rest: &str) -> &str {
    let close = [('{', '}'), ('<', '>')]
        .into_iter()
        .find(|(open, _)| rest.starts_with(*open));
    let end = match close {
        Some((_, close)) => rest.find(close).map(|end| end + 1),
        None => rest.find(|c: char| c.is_whitespace() || "&\"'`;,)<>|\\]}".contains(c)),
    };
    &rest[..end.unwrap_or(rest.len())]
}

/// Returns the first position from `at` that is not a space or tab.
pub(super) fn after_spaces(line: &str, at: usize) -> usize {
    let rest = line.get(at..).unwrap_or_default();
    line.len().max(at) - rest.trim_start_matches([' ', '\t']).len()
}

/// Text before the quote of a value, in addition to the prefix letter of a string: the beginnings
/// of lists and wrappers.
const OPENERS: [&str; 12] = [
    "String::from",
    "[]string",
    "string[]",
    "new[]",
    "new ",
    "Some(",
    "$@",
    "[",
    "{",
    "(",
    "\\",
    "&",
];

/// The most such texts before one quote.
const MOST_OPENERS: usize = 6;

/// The longest value, in bytes.
pub(super) const LONGEST_VALUE: usize = 2048;
