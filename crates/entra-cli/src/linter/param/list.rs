//! YAML values below a name: `scope:`, with `- value` on the lines below it, and `scope: |`, with
//! text on the lines below it.

use crate::linter::kind::Kind;
use crate::linter::param::names::{Known, Role};
use crate::linter::param::value::{after_spaces, is_scalar, value};
use crate::linter::param::{Param, Shape};

/// A name without a value in its line, whose values may be the items of a list below it.
pub(super) struct List<'a> {
    name: &'a str,
    known: Known,
    /// The indentation of the name, in bytes. Items have at least the same.
    indent: usize,
    /// True if the lines below are a text (`|` or `>`), false if they are items.
    is_block: bool,
    /// The number of lines left to read.
    left: usize,
}

impl<'a> List<'a> {
    /// Returns the list that may follow below a line, if the line ends with the name of a scope and
    /// a colon, or with the mark of a text. `last` is the last parameter of the line.
    pub(super) fn below(line: &'a str, kind: Kind, last: Option<&Param<'a>>) -> Option<Self> {
        let param = last.filter(|param| param.role == Some(Role::Scope) && !param.is_quoted)?;
        let is_block = matches!(param.value, "|" | "|-" | "|+" | ">" | ">-" | ">+");
        let is_list = param.value.is_empty() && line.trim_end().ends_with(':');
        let is_open = kind == Kind::Settings && (is_list || is_block);
        is_open.then(|| Self {
            name: param.name,
            known: Known {
                role: param.role,
                wire: param.wire,
            },
            indent: after_spaces(line, 0),
            is_block,
            left: MOST_LINES,
        })
    }

    /// Returns the item in the next line, if there is one. Every other line ends the list, except
    /// an empty line or a comment.
    pub(super) fn item(&mut self, line: &'a str) -> Option<Param<'a>> {
        self.left -= 1;
        let start = after_spaces(line, 0);
        let text = &line[start..];
        if text.is_empty() || text.starts_with('#') {
            return None;
        }
        let item = if self.is_block {
            Some(text).filter(|_| start > self.indent)
        } else {
            text.strip_prefix("- ").filter(|_| start >= self.indent)
        };
        // An item with a colon and a space is an object.
        let Some(item) = item.filter(|item| !item.contains(": ")) else {
            self.left = 0;
            return None;
        };
        let value = value(line, line.len() - item.len(), true);
        Some(Param {
            name: self.name,
            at: value.at,
            value: value.text,
            value_at: value.at,
            shape: Shape::Member,
            role: self.known.role,
            wire: self.known.wire,
            is_quoted: value.is_quoted,
            added: "",
            is_item: true,
            is_text: value.is_quoted || is_scalar(value.text),
            has_gap: false,
        })
    }

    /// Returns true if no further line belongs to the list.
    pub(super) fn is_over(&self) -> bool {
        self.left == 0
    }
}

/// The most lines of a list that are read.
const MOST_LINES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linter::param::Scanner;

    fn items(kind: Kind, text: &str) -> Vec<String> {
        let mut scanner = Scanner::default();
        let params = text.lines().flat_map(|line| scanner.params(line, kind));
        let items = params.filter(|param| param.is_item);
        items.filter_map(|param| Some(param.literal()?.into_owned())).collect()
    }

    #[test]
    fn items_below_a_scope_are_its_values() {
        for (text, expected) in [
            ("scope:\n  - a\n  - \"b c\" # of the API\n", vec!["a", "b c"]),
            ("scopes:\n- a\n\n# one more\n- 'b'\nnext:\n- c", vec!["a", "b"]),
            ("x:\n  scope:\n  - a\n- b", vec!["a"]),
            ("scope: a\n- b", vec![]),
            ("scope:\n  - name: a\n  - b", vec![]),
            ("client_id:\n  - a", vec![]),
            ("scope: >-\n  a b\n  c\nd", vec!["a b", "c"]),
            ("x:\n  scope: |\n    a\n  b", vec!["a"]),
            ("scope: |\nb", vec![]),
            ("scope:\n  - *anchor\n  - ${SCOPE}\n  - b", vec!["b"]),
        ] {
            assert_eq!(items(Kind::Settings, text), expected, "{text}");
        }
        assert!(items(Kind::Code, "scope:\n  - a").is_empty());
        let long = format!("scope:\n{}", "- a\n".repeat(100));
        assert_eq!(items(Kind::Settings, &long).len(), MOST_LINES);
    }
}
