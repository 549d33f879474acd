//! Names and values in a line, in any language: `name=value`, `"name": "value"`,
//! `| name | value |`.

mod list;
mod names;
mod pair;
mod scan;
mod sum;
mod value;

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

pub(crate) use self::names::{Role, known};
pub(crate) use self::scan::Scanner;
pub(crate) use self::sum::{adjacent, after_sign, continues_below, joined};
use crate::linter::kind::Kind;

/// A name and its value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Param<'a> {
    pub(crate) name: &'a str,
    /// The position of the name in its line, in bytes.
    pub(crate) at: usize,
    pub(crate) value: &'a str,
    /// The position of the value in its line, in bytes.
    pub(crate) value_at: usize,
    pub(crate) shape: Shape,
    pub(crate) role: Option<Role>,
    /// The parameter of a token request with this name, in any case and with any separators.
    pub(crate) wire: Option<&'static str>,
    /// True if the value is in quotes.
    pub(crate) is_quoted: bool,
    /// The text after a quoted value to which something is added: ` + "b"` in `"a" + "b"`.
    added: &'a str,
    /// True for an item of a list: the name then has several values.
    pub(crate) is_item: bool,
    /// True if the value is a text, false if it is an expression of a program.
    pub(crate) is_text: bool,
    /// True if there are spaces between the separator and a value without quotes.
    pub(crate) has_gap: bool,
}

/// The notation of a name and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `name=value`, as in a form, a URL or a file of variables.
    Form,
    /// `"name": value`, `form["name"] = value`, or an argument or member named like a parameter.
    Member,
    /// `("name", value)`.
    Tuple,
    /// `"key": "name", "value": value`.
    Pair,
    /// `| name | value |`.
    Cell,
    /// `name = value`, `name: value`.
    Assigned,
    /// `.name("value")`.
    Call,
    /// `--name value`.
    Flag,
    /// `<name>value</name>`.
    Element,
}

impl<'a> Param<'a> {
    /// Returns true if the notation is that of a request, not of a variable of a program.
    pub(crate) fn is_sent(&self) -> bool {
        use Shape::{Cell, Form, Member, Pair, Tuple};
        matches!(self.shape, Form | Member | Tuple | Pair | Cell) && self.wire.is_some()
    }

    /// Returns true if the value is a sum of texts: `"a" + "b"`.
    pub(crate) fn is_joined(&self) -> bool {
        !self.added.is_empty()
    }

    /// Marks the value as an expression if the next line continues it. `line` is the line of the
    /// value.
    pub(crate) fn read_below(&mut self, line: &str, below: &str, kind: Kind) {
        let quote = self.value_at.checked_sub(1).and_then(|at| line.get(at..self.value_at));
        let after = line.get(self.value_at + self.value.len()..).unwrap_or_default();
        let Some(quote) = quote.filter(|quote| self.is_quoted && after.starts_with(quote)) else {
            return;
        };
        // A change to a file also begins with a plus.
        let is_change = line.starts_with('+') && below.starts_with('+');
        let is_adjacent = matches!(kind, Kind::Code | Kind::Mixed | Kind::Document) && self.shape != Shape::Flag;
        let is_program = !matches!(kind, Kind::Settings | Kind::Markup);
        let mut after = &after[1..];
        // Python has triple quotes.
        after = after.strip_prefix(&quote.repeat(2)).unwrap_or(after);
        if is_program && !is_change && continues_below(after, below, is_adjacent) {
            self.is_text = false;
        }
    }

    /// Returns the decoded value, or `None` if it has a part that a program or a reader fills in.
    pub(crate) fn literal(&self) -> Option<Cow<'a, str>> {
        let text = match self.shape {
            Shape::Cell => Cow::Borrowed(self.value.split('`').nth(1)?),
            _ if !self.is_text => return None,
            _ if self.is_joined() => Cow::Owned(joined(self.value, self.added)?),
            _ => Cow::Borrowed(self.value),
        };
        let is_filled_in = text.contains(['{', '$', '<', '(', '[', '*']) || text.contains("%s") || text.contains("...");
        // In a form, a plus stands for a space.
        let is_form = self.shape == Shape::Form && !self.is_quoted && text.contains('+');
        let text = match text {
            Cow::Borrowed(text) => percent_decode_str(text.trim()).decode_utf8().ok()?,
            Cow::Owned(text) => Cow::Owned(percent_decode_str(text.trim()).decode_utf8().ok()?.into_owned()),
        };
        let text = if is_form {
            Cow::Owned(text.replace('+', " "))
        } else {
            text
        };
        (!is_filled_in && !text.is_empty()).then_some(text)
    }
}
