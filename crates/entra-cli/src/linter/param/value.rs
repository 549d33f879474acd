//! The value after a name.

use crate::linter::line::beginning;

/// A value and its position in the line.
pub(super) struct Value<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    pub(super) is_quoted: bool,
    /// The text after the closing quote, if something is added there: ` + b` in `"a" + b`.
    pub(super) added: &'a str,
    /// True if there are spaces before the value.
    pub(super) has_gap: bool,
}

impl Value<'_> {
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
    if is_quoted
        && line[at..]
            .strip_prefix(quote)
            .is_some_and(|rest| rest.starts_with(quote))
    {
        at += 2;
    }
    let rest = beginning(&line[at..], LONGEST_VALUE);
    let text = match rest {
        _ if is_quoted => rest.split(quote).next().unwrap_or_default(),
        _ if is_long => scalar(rest),
        _ => word(rest),
    };
    let end = at + text.len() + quote.len();
    let added = line.get(end..).unwrap_or_default();
    let is_added = is_quoted && after_sign(added).is_some();
    Value {
        text: text.trim_end_matches('\\'),
        at,
        is_quoted,
        added: if is_added { added } else { "" },
        has_gap: first > after,
    }
}

/// Joins the quoted texts of a sum such as `"a" + "b"`, or `'a' . 'b'` in PHP. `added` is the text
/// after the first one.
///
/// Returns `None` if a part is not a quoted text, or if the sum is too long or continues on another
/// line.
pub(super) fn joined(first: &str, added: &str) -> Option<String> {
    let mut text = first.to_owned();
    let mut rest = beginning(added, LONGEST_VALUE);
    for _ in 0..MOST_PARTS {
        let Some(part) = after_sign(rest) else {
            return Some(text);
        };
        let part = part.trim_start();
        let quote = part.chars().next().filter(|c| "\"'`".contains(*c))?;
        let (inner, after) = part[1..].split_once(quote)?;
        text.push_str(inner);
        rest = after;
    }
    None
}

/// Returns the text after the sign of a sum, if it begins with one.
fn after_sign(text: &str) -> Option<&str> {
    text.trim_start().strip_prefix('+').or_else(|| text.strip_prefix(" . "))
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
const LONGEST_VALUE: usize = 2048;

/// The most texts that are added to a value.
const MOST_PARTS: usize = 8;
