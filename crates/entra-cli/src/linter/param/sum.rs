//! Values that continue after their closing quote: sums such as `"a" + "b"`, and adjacent texts
//! such as `"a" "b"`, in one line or in several.

use crate::linter::line::beginning;
use crate::linter::param::value::LONGEST_VALUE;

/// Joins the quoted texts of a sum such as `"a" + "b"`, or `'a' . 'b'` in PHP. `added` is the text
/// after the first one.
///
/// Returns `None` if a part is not a quoted text, or if the sum is too long or continues on another
/// line.
pub(crate) fn joined(first: &str, added: &str) -> Option<String> {
    sum(first, added).map(|(text, _)| text)
}

/// Returns the joined text of a sum, and the text after it.
fn sum<'a>(first: &str, added: &'a str) -> Option<(String, &'a str)> {
    let mut text = first.to_owned();
    let mut rest = beginning(added, LONGEST_VALUE);
    let is_adjacent = adjacent(added).is_some();
    for _ in 0..MOST_PARTS {
        // After a sum, a quote without a space before it may close a string around the sum.
        let next = adjacent(rest).filter(|_| is_adjacent || rest.starts_with([' ', '\t']));
        let Some(part) = after_sign(rest).or(next) else {
            return Some((text, rest));
        };
        let part = adjacent(part)?;
        let quote = part.chars().next()?;
        let (inner, after) = part[1..].split_once(quote)?;
        text.push_str(inner);
        rest = after;
    }
    None
}

/// Returns the text from the opening quote of a string that begins here, after spaces and a prefix
/// letter such as that of `f"x"`.
pub(crate) fn adjacent(text: &str) -> Option<&str> {
    let is_quote = |text: &&str| text.starts_with(['"', '\'', '`']);
    let text = text.trim_start();
    let unprefixed = text.strip_prefix(['f', 'r', 'b', 'u', 'L', 'F', '@', '$']);
    Some(text).filter(is_quote).or_else(|| unprefixed.filter(is_quote))
}

/// Returns the text after the sign of a sum, if it begins with one.
pub(crate) fn after_sign(text: &str) -> Option<&str> {
    let trimmed = text.trim_start();
    sign_at(trimmed, trimmed.len() < text.len())
}

/// Returns the text after the sign at the beginning, if there is one. Some signs must have spaces
/// around them.
fn sign_at(text: &str, has_space: bool) -> Option<&str> {
    let is_apart = |rest: &&str| has_space && (rest.is_empty() || rest.starts_with(' '));
    let signs = ["+", "..", "<>"].into_iter();
    if let Some(rest) = signs.filter_map(|sign| text.strip_prefix(sign)).next() {
        return Some(rest);
    }
    if let Some(rest) = text.strip_prefix('&') {
        return Some(rest).filter(is_apart);
    }
    let rest = text.strip_prefix('.')?;
    let is_sum = is_apart(&rest)
        || rest.starts_with(['"', '\'', '$'])
        || rest.starts_with("concat(")
        || rest.starts_with("format(");
    is_sum.then_some(rest)
}

/// Returns true if the line below continues the value above it. `rest` is the text after the
/// closing quote of the value. With `is_adjacent`, a text alone continues it.
pub(crate) fn continues_below(rest: &str, below: &str, is_adjacent: bool) -> bool {
    let below = beginning(below, LONGEST_VALUE).trim_start();
    let is_text = || {
        let text = adjacent(below).filter(|_| is_adjacent)?;
        let quote = text.chars().next()?;
        let (_, after) = text[1..].split_once(quote)?;
        // A text before a colon or an equals sign is the name of the next member.
        Some(!after.trim_start().starts_with([':', '=']))
    };
    let is_sum = || {
        let closes = |rest: &str| rest.trim_start().starts_with([')', ']', '}']);
        below.starts_with('.') || sign_at(below, true).is_some_and(|rest| !closes(rest))
    };
    if !is_sum() && !is_text().unwrap_or(false) {
        return false;
    }
    let rest = sum("", rest).map_or("", |(_, rest)| rest).trim();
    matches!(rest, "" | "\\") || ["//", "#", "--", "/*"].iter().any(|mark| rest.starts_with(mark))
}

/// The most texts that are added to a value.
const MOST_PARTS: usize = 8;
