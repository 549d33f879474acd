//! The value behind a name.

use crate::mistakes::line::beginning;

/// A value, and where it stands in its line.
pub(super) struct Value<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    pub(super) is_quoted: bool,
    /// Whether something is added to the text in quotes: `"a" + b`.
    pub(super) is_joined: bool,
    /// Whether blanks stand before it.
    pub(super) has_gap: bool,
}

/// Returns the value that begins here or behind blanks. With `is_long`, one without quotes ends with the line or at a comment.
pub(super) fn value(line: &str, behind: usize, is_long: bool) -> Value<'_> {
    let first = blanks(line, behind);
    let open = quote_at(line, first);
    let is_quoted = open.is_some();
    let mut at = open.map_or(first, |open| open + 1);
    let quote = open.map_or("", |open| &line[open..=open]);
    // Three quotes, as Python has them.
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
    let is_added = added.trim_start().starts_with('+') || added.starts_with(" . ");
    Value {
        text: text.trim_end_matches('\\'),
        at,
        is_quoted,
        is_joined: is_quoted && is_added,
        has_gap: first > behind,
    }
}

/// The place of the quote that opens the value, if one does: `"x"`, `f"x"`, `["x"]`, `{"x"}`, `[]string{"x"}`.
fn quote_at(line: &str, first: usize) -> Option<usize> {
    let mut at = first;
    for _ in 0..MOST_OPENERS {
        at = blanks(line, at);
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

/// A value of a file of settings: up to a comment, or the next member in the same line.
fn scalar(rest: &str) -> &str {
    let end = rest.find([',', '}', '"', '\'', '`', '<']).unwrap_or(rest.len());
    let end = rest[..end].find(" #").or_else(|| rest[..end].find(" ;")).unwrap_or(end);
    rest[..end].trim_end()
}

/// A value of a form, or the first word of an expression.
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

/// The first place from here that is no blank.
pub(super) fn blanks(line: &str, at: usize) -> usize {
    let rest = line.get(at..).unwrap_or_default();
    line.len().max(at) - rest.trim_start_matches([' ', '\t']).len()
}

/// What may stand before the quote of a value, beside the letter of a kind of strings: lists with one member, and wrappers.
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
const MOST_OPENERS: usize = 6;

const LONGEST_VALUE: usize = 2048;
