//! Names and their values in a line, whatever the language: `name=value`, `"name": "value"`, `| name | value |`.

mod names;
mod scan;
mod value;

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

pub(crate) use self::names::{Role, known};
pub(crate) use self::scan::Scanner;

/// A name and its value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Param<'a> {
    pub(crate) name: &'a str,
    /// The place of the name in its line, in bytes.
    pub(crate) at: usize,
    pub(crate) value: &'a str,
    pub(crate) value_at: usize,
    pub(crate) shape: Shape,
    pub(crate) role: Option<Role>,
    /// The parameter of a token request that the name is, in whatever case it is written.
    pub(crate) wire: Option<&'static str>,
    /// Whether the value stands in quotes.
    pub(crate) is_quoted: bool,
    /// Whether the value is a text and not an expression of a program.
    pub(crate) is_text: bool,
    /// Whether blanks stand between the separator and a value without quotes.
    pub(crate) has_gap: bool,
}

/// The way in which a name and its value stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `name=value`, as in a form, a URL or a file of variables.
    Form,
    /// `"name": value`, `form["name"] = value`, or an argument or member with the name of a parameter.
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
    /// Whether it stands as a request has it, not as a variable of a program.
    pub(crate) fn is_sent(&self) -> bool {
        use Shape::{Cell, Form, Member, Pair, Tuple};
        matches!(self.shape, Form | Member | Tuple | Pair | Cell) && self.wire.is_some()
    }

    /// The value, if it is written out: without quotes and percent signs, and nothing that a program or a reader fills in.
    pub(crate) fn literal(&self) -> Option<Cow<'a, str>> {
        let text = match self.shape {
            Shape::Cell => self.value.split('`').nth(1)?,
            _ if self.is_text => self.value,
            _ => return None,
        };
        let is_filled_in = text.contains(['{', '$', '<', '(', '[', '*']) || text.contains("%s") || text.contains("...");
        // A form writes a blank as a plus.
        let is_form = self.shape == Shape::Form && !self.is_quoted && text.contains('+');
        let text = match percent_decode_str(text.trim()).decode_utf8().ok()? {
            text if is_form => Cow::Owned(text.replace('+', " ")),
            text => text,
        };
        (!is_filled_in && !text.is_empty()).then_some(text)
    }
}
