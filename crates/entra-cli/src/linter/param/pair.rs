//! Pairs of a key and a value, as in `"key": "name", "value": "x"`, in one line or in several.

use crate::linter::kind::Kind;
use crate::linter::param::names::Known;
use crate::linter::param::value::{is_scalar, value};
use crate::linter::param::{Param, Shape};

/// Returns the position after the separator of a line with only a value: `value: x` or
/// `"value": "x"`.
pub(super) fn value_in(line: &str) -> Option<usize> {
    let trimmed = line.trim_start_matches(MARKS);
    let keys = ["value", "Value", "default"];
    let key = keys.into_iter().find(|key| trimmed.starts_with(key))?;
    separator_at(line, line.len() - trimmed.len() + key.len())
}

/// Returns the position after the colon or equals sign that follows a key.
pub(super) fn separator_at(line: &str, end: usize) -> Option<usize> {
    let rest = &line[end..];
    let after = rest.trim_start_matches(['"', '\'', '\\', ' ', '\t']);
    let after = after.strip_prefix([':', '=', '>'])?;
    Some(line.len() - after.len())
}

/// Returns the parameter with this name and the value after the separator.
pub(super) fn pair<'a>(line: &'a str, kind: Kind, name: &'a str, known: Known, separator: usize) -> Param<'a> {
    let is_plain = matches!(kind, Kind::Settings | Kind::Markup);
    let value = value(line, separator, is_plain);
    let is_text = if value.is_quoted {
        value.is_quoted_text()
    } else {
        is_plain && is_scalar(value.text)
    };
    Param {
        name,
        at: value.at,
        value: value.text,
        value_at: value.at,
        shape: Shape::Pair,
        role: known.role,
        wire: known.wire,
        is_quoted: value.is_quoted,
        added: value.added,
        is_item: false,
        is_text,
        has_gap: false,
    }
}

/// The characters before the first key of a line.
pub(super) const MARKS: [char; 6] = [' ', '\t', '"', '\'', '-', '<'];
