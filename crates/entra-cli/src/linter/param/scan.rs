//! Finds the parameters of a line, with the context of the lines above it.

use crate::linter::kind::Kind;
use crate::linter::line::{beginning, ending};
use crate::linter::param::list::List;
use crate::linter::param::names::{Known, Role, is_parameter, known};
use crate::linter::param::pair::{MARKS, pair, separator_at, value_in};
use crate::linter::param::value::{after_spaces, first_item, is_scalar, value};
use crate::linter::param::{Param, Shape};
use crate::linter::work;

/// A scanner that reads the lines of a file in order.
#[derive(Default)]
pub(crate) struct Scanner<'a> {
    /// True inside a PowerShell hash table, in which `name = value` is a member.
    in_table: bool,
    /// A name with its value on a line below, and the number of lines left to search.
    pending: Option<(&'a str, Known, usize)>,
    /// A value with its name on a line below: its line, the position after its separator, and the
    /// number of lines left to search.
    above: Option<(&'a str, usize, usize)>,
    /// True if the line above opened an object.
    opens: bool,
    /// The YAML list that the lines below a name may form.
    list: Option<List<'a>>,
}

impl<'a> Scanner<'a> {
    /// Returns the parameters of the next line.
    pub(crate) fn params(&mut self, line: &'a str, kind: Kind) -> Vec<Param<'a>> {
        work::count(line.len());
        let bytes = line.as_bytes();
        let mut found = Vec::new();
        self.value_of_pending(line, kind, &mut found);
        self.value_without_name(line);
        found.extend(self.list.as_mut().and_then(|list| list.item(line)));
        self.list = self.list.take().filter(|list| !list.is_over());
        let is_row = line.trim_start().starts_with('|');
        let mut quote = 0;
        let mut string_at = 0;
        let mut at = 0;
        while at < bytes.len() && found.len() < MOST {
            let byte = bytes[at];
            if !is_name(byte) {
                match byte {
                    b'"' | b'\'' | b'`' if quote == byte => quote = 0,
                    b'"' | b'\'' | b'`' if quote == 0 => (quote, string_at) = (byte, at),
                    b'@' if bytes.get(at + 1) == Some(&b'{') => self.in_table = true,
                    b'}' => self.in_table = false,
                    _ => {}
                }
                at += 1;
                continue;
            }
            let start = at;
            while at < bytes.len() && (is_name(bytes[at]) || bytes[at] == b'-') {
                at += 1;
            }
            let name = &line[start..at];
            // A percent-encoded byte is not the start of a name.
            if start > 0 && bytes[start - 1] == b'%' {
                continue;
            }
            let Some(known) = known(name) else { continue };
            let name_at = Name {
                line,
                kind,
                start,
                end: at,
                known,
                is_row,
                in_table: self.in_table,
                in_string: quote != 0,
                begins_string: quote != 0 && string_at + 1 == start,
            };
            if name_at.is_keyed() {
                match (
                    name_at.pair(),
                    self.above.take_if(|(above, ..)| !std::ptr::eq(*above, line)),
                ) {
                    (Some(param), _) => found.push(param),
                    (None, Some((above, separator, _))) => found.push(Param {
                        at: start,
                        value_at: start,
                        ..pair(above, kind, name, known, separator)
                    }),
                    (None, None) => self.pending = Some((name, known, LINES_TO_VALUE)),
                }
            } else {
                found.extend(name_at.param());
            }
        }
        if let Some(list) = List::below(line, kind, found.last()) {
            self.list = Some(list);
        }
        found
    }

    /// Adds the value of a name in a line above: `value: x` below `name: AZURE_CLIENT_SECRET`.
    fn value_of_pending(&mut self, line: &'a str, kind: Kind, found: &mut Vec<Param<'a>>) {
        let Some((name, known, left)) = self.pending.take() else {
            return;
        };
        if let Some(separator) = value_in(line) {
            found.push(pair(line, kind, name, known, separator));
        } else if left > 1 && !line.trim_start_matches(MARKS).is_empty() {
            self.pending = Some((name, known, left - 1));
        }
    }

    /// Remembers a value whose name may follow: `- value: x` above `name: AZURE_CLIENT_SECRET`. It
    /// must be the first member of its item or object; otherwise it belongs to a name above it.
    fn value_without_name(&mut self, line: &'a str) {
        let trimmed = line.trim();
        let is_item = trimmed.starts_with("- ");
        let is_first = is_item || self.opens;
        self.opens = trimmed.ends_with('{');
        let is_over = is_item || trimmed.is_empty() || trimmed.starts_with('}');
        let above = self.above.take().filter(|(.., left)| *left > 1 && !is_over);
        let first = value_in(line).filter(|_| is_first);
        self.above = match first {
            Some(separator) => Some((line, separator, LINES_TO_VALUE)),
            None => above.map(|(above, separator, left)| (above, separator, left - 1)),
        };
    }
}

/// A name in a line, which may have a value.
struct Name<'a> {
    line: &'a str,
    kind: Kind,
    start: usize,
    end: usize,
    known: Known,
    is_row: bool,
    in_table: bool,
    in_string: bool,
    /// True if a string begins before the name, as before every quoted name.
    begins_string: bool,
}

impl<'a> Name<'a> {
    fn byte(&self, at: usize) -> u8 {
        self.line.as_bytes().get(at).copied().unwrap_or(0)
    }

    fn before(&self) -> u8 {
        self.start.checked_sub(1).map_or(0, |at| self.byte(at))
    }

    /// Returns true if adjacent texts may be one value.
    fn is_program(&self) -> bool {
        matches!(self.kind, Kind::Code | Kind::Mixed | Kind::Document)
    }

    fn param(&self) -> Option<Param<'a>> {
        let before = self.before();
        let is_quote = matches!(before, b'"' | b'\'' | b'`');
        let is_escaped = self.start > 1 && self.byte(self.start - 2) == b'\\' && self.byte(self.end) == b'\\';
        let is_name_quoted = is_quote && (self.byte(self.end) == before || is_escaped);
        if self.byte(self.end) == b'>' && matches!(before, b'<' | b':') {
            return self.element();
        }
        if self.byte(self.end) == b'(' {
            return self.call();
        }
        // \"name\": in a string, and form["name"] =.
        let mut at = self.end + usize::from(is_name_quoted);
        let mut is_indexed = false;
        while matches!(self.byte(at), b'\\' | b']' | b')' | b'"' | b'\'') && at < self.end + 4 {
            is_indexed |= is_name_quoted && self.byte(at) == b']';
            at += 1;
        }
        let sign = after_spaces(self.line, at);
        let (shape, after) = match (self.byte(sign), self.byte(sign + 1)) {
            (b'=', b'=' | b'~') | (b':', b':') => return None,
            (b'=', b'>') if is_name_quoted => (Shape::Member, sign + 2),
            (b'=', b'>') | (b':', b'=') => (Shape::Assigned, sign + 2),
            (b'=', _) if is_indexed => (Shape::Member, sign + 1),
            (b'=', b'"' | b'\'' | b'`') => (Shape::Assigned, sign + 1),
            (b'=', _) if sign == at => (Shape::Form, sign + 1),
            (b'=', _) => (Shape::Assigned, sign + 1),
            (b':', _) if is_name_quoted => (Shape::Member, sign + 1),
            (b':', _) => (Shape::Assigned, self.after_type(sign + 1).unwrap_or(sign + 1)),
            (b'-', b'>') if is_name_quoted => (Shape::Member, sign + 2),
            (b't', b'o') if is_name_quoted && self.byte(sign + 2) == b' ' => (Shape::Tuple, sign + 2),
            (b',', _) if is_name_quoted => (Shape::Tuple, sign + 1),
            (b'|', _) if self.is_row => (Shape::Cell, sign + 1),
            _ if before == b'-' && sign > at => (Shape::Flag, sign),
            _ if sign > at && !is_name_quoted => (Shape::Assigned, self.after_type(sign)?),
            _ => return None,
        };
        if shape == Shape::Cell {
            let value = &self.line[after..];
            return Some(self.made(shape, value, after, false, false, false));
        }
        let is_long = self.kind == Kind::Settings && shape != Shape::Form;
        let value = value(self.line, after, is_long);
        let item = first_item(value.text).filter(|_| is_long && self.known.role == Some(Role::Scope));
        if let Some(item) = item {
            let at = value.at + value.text.find(item).unwrap_or_default();
            return Some(self.made(self.member(shape, sign, false), item, at, false, true, false));
        }
        let is_inside = self.in_string && !(is_name_quoted && self.begins_string);
        let value = if !is_inside && shape != Shape::Flag && (self.is_program() || is_name_quoted) {
            value.with_adjacent()
        } else {
            value
        };
        if shape == Shape::Tuple && (!value.is_quoted || is_parameter(value.text)) {
            return None;
        }
        let shape = self.member(shape, sign, value.is_quoted);
        let is_variable = shape == Shape::Form && self.is_variable(value.text, value.at);
        let shape = if is_variable { Shape::Assigned } else { shape };
        let is_text = match shape {
            _ if value.is_quoted => value.is_quoted_text(),
            Shape::Form | Shape::Flag => true,
            _ => is_long && is_scalar(value.text),
        };
        Some(Param {
            added: value.added,
            ..self.made(shape, value.text, value.at, value.is_quoted, is_text, value.has_gap)
        })
    }

    /// Returns the shape of a name that is a member of an object or a variable.
    fn member(&self, shape: Shape, sign: usize, is_quoted: bool) -> Shape {
        let is_exact = self.known.wire == Some(&self.line[self.start..self.end]);
        if shape != Shape::Assigned || !is_exact {
            return shape;
        }
        let is_colon = self.byte(sign) == b':' || self.byte(sign + 1) == b'>';
        let before = ending(&self.line[..self.start], 80).trim_end();
        let is_argument = before.ends_with(['(', ',', '{'])
            || before.is_empty() && sign == self.end && self.line.trim_end().ends_with([',', ')']);
        let is_member = match self.byte(sign) {
            // JavaScript objects have no quotes around their names.
            _ if is_colon => is_quoted || self.kind == Kind::Settings,
            b'=' => self.in_table || is_quoted && is_argument,
            _ => false,
        };
        if is_member { Shape::Member } else { shape }
    }

    /// Returns true if `name=value` is an argument in a program, with a variable as its value.
    fn is_variable(&self, value: &str, value_at: usize) -> bool {
        let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
        let is_word =
            value.starts_with(is_first) && value.chars().all(|c| c.is_ascii_alphanumeric() || "_.".contains(c));
        let in_form = matches!(self.before(), b'&' | b'?' | b';') || self.byte(value_at + value.len()) == b'&';
        let before = ending(&self.line[..self.start], 24).trim_end();
        let is_data = before
            .rsplit([' ', '\t'])
            .next()
            .is_some_and(|word| word.starts_with('-'));
        matches!(self.kind, Kind::Code | Kind::Mixed) && is_word && !in_form && !is_data && !self.in_string
    }

    /// Returns the position after a type and an equals sign: `name: string = "x"`,
    /// `name string = 'x'`.
    fn after_type(&self, at: usize) -> Option<usize> {
        if self.kind == Kind::Settings {
            return None;
        }
        let rest = beginning(&self.line[at..], 48);
        let sign = rest.find('=')?;
        let is_type = |c: char| c.is_ascii_alphanumeric() || " _&'<>[]?.|".contains(c);
        let after = rest[sign + 1..].trim_start();
        let is_value = after.starts_with(['"', '\'', '`']) || after.get(1..2) == Some("\"");
        (rest[..sign].chars().all(is_type) && is_value).then_some(at + sign + 1)
    }

    /// Returns the parameter of the notation `<name>value</name>`.
    fn element(&self) -> Option<Param<'a>> {
        let rest = beginning(&self.line[self.end + 1..], LONGEST_ELEMENT);
        let end = rest.find('<').filter(|end| rest[*end..].starts_with("</"))?;
        Some(self.made(Shape::Element, &rest[..end], self.end + 1, false, true, false))
    }

    /// Returns the parameter of the notation `.name("value")`.
    fn call(&self) -> Option<Param<'a>> {
        let value = value(self.line, self.end + 1, false);
        let value = if self.is_program() && !self.in_string {
            value.with_adjacent()
        } else {
            value
        };
        value.is_quoted.then(|| Param {
            added: value.added,
            ..self.made(Shape::Call, value.text, value.at, true, value.is_quoted_text(), false)
        })
    }

    /// Returns true if the name is itself a value: `"key": "name"`, `<add key="name"`,
    /// `variable "name"`.
    fn is_keyed(&self) -> bool {
        const MARKS: [char; 5] = [' ', '\t', '"', '\'', '\\'];
        let before = ending(&self.line[..self.start], 80);
        // The name may have a prefix, as in "ida:ClientId".
        let before = before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || "_:.-".contains(c));
        let before = before.trim_end_matches(MARKS);
        if before.ends_with("variable") {
            return true;
        }
        let Some(before) = before.strip_suffix([':', '=']) else {
            return false;
        };
        let before = before.trim_end_matches(MARKS);
        let mut keys = ["key", "name", "Key", "Name"].into_iter();
        let key = keys.find_map(|key| before.strip_suffix(key));
        key.is_some_and(|before| !before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.'))
    }

    /// Returns the parameter of a key-value pair with its value in the same line.
    fn pair(&self) -> Option<Param<'a>> {
        let rest = beginning(&self.line[self.end..], 200);
        let mut places = rest
            .match_indices("alue")
            .map(|(at, word)| (at, self.end + at + word.len()));
        let separator = places.find_map(|(at, end)| {
            let is_value = rest[..at].ends_with(['v', 'V']);
            is_value.then(|| separator_at(self.line, end)).flatten()
        })?;
        let name = &self.line[self.start..self.end];
        Some(pair(self.line, self.kind, name, self.known, separator))
    }

    fn made(
        &self,
        shape: Shape,
        value: &'a str,
        value_at: usize,
        is_quoted: bool,
        is_text: bool,
        has_gap: bool,
    ) -> Param<'a> {
        Param {
            name: &self.line[self.start..self.end],
            at: self.start,
            value,
            value_at,
            shape,
            role: self.known.role,
            wire: self.known.wire,
            is_quoted,
            added: "",
            is_item: false,
            is_text,
            has_gap: has_gap && !is_quoted,
        }
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The most parameters of a line that are checked.
const MOST: usize = 200;

/// The number of lines below a name that are searched for its value, and the other way round.
const LINES_TO_VALUE: usize = 4;

/// The longest content of an element, in bytes.
const LONGEST_ELEMENT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: Kind, text: &str) -> Vec<(&str, &str, Shape)> {
        let mut scanner = Scanner::default();
        let params = text.lines().flat_map(|line| scanner.params(line, kind));
        params.map(|param| (param.name, param.value, param.shape)).collect()
    }

    #[test]
    fn parameters_are_read_in_every_notation() {
        use Shape::{Assigned, Call, Cell, Element, Flag, Form, Member, Pair, Tuple};
        for (line, expected) in [
            (
                "client_id=a-1&scope=b%2F.default",
                vec![("client_id", "a-1", Form), ("scope", "b%2F.default", Form)],
            ),
            (
                "&client_secret={your key }&amp;x",
                vec![("client_secret", "{your key }", Form)],
            ),
            (
                "{\"scope\": [\"https://a/.default\"],",
                vec![("scope", "https://a/.default", Member)],
            ),
            ("\\\"scope\\\":\\\"b\\\"", vec![("scope", "b", Member)]),
            ("    'resource': 'b',", vec![("resource", "b", Member)]),
            ("form[\"scope\"] = \"b\";", vec![("scope", "b", Member)]),
            (
                "@{ scope = 'b'; resource = $c }",
                vec![("scope", "b", Member), ("resource", "$c", Member)],
            ),
            ("'scope' => 'b'", vec![("scope", "b", Member)]),
            ("\"scope\": {\"b\"},", vec![("scope", "b", Member)]),
            (
                "f(scope=\"b\", code=c)",
                vec![("scope", "b", Member), ("code", "c", Assigned)],
            ),
            ("form.append(\"grant_type\", \"b\")", vec![("grant_type", "b", Tuple)]),
            ("[\"client_id\", \"scope\", \"state\"]", vec![]),
            ("| Scope | `b` |", vec![("Scope", " `b` |", Cell)]),
            ("ClientSecret = \"b c\"", vec![("ClientSecret", "b c", Assigned)]),
            (
                "const clientSecret: string = 'b'",
                vec![("clientSecret", "b", Assigned)],
            ),
            ("param clientSecret string = 'b'", vec![("clientSecret", "b", Assigned)]),
            (".clientSecret(\"b\")", vec![("clientSecret", "b", Call)]),
            ("--client-secret b -x", vec![("client-secret", "b", Flag)]),
            (
                "<clientSecret>b c</clientSecret>",
                vec![("clientSecret", "b c", Element)],
            ),
            ("<add key=\"ida:AppKey\" value=\"b\" />", vec![("AppKey", "b", Pair)]),
            ("{ \"key\": \"scope\", \"value\": \"b\" }", vec![("scope", "b", Pair)]),
            ("- name: CLIENT_ID\n  value: \"b\"", vec![("CLIENT_ID", "b", Pair)]),
            ("- value: \"b\"\n  name: CLIENT_ID", vec![("CLIENT_ID", "b", Pair)]),
            (
                "{\n\"value\": \"b\",\n\"name\": \"CLIENT_ID\"\n}",
                vec![("CLIENT_ID", "b", Pair)],
            ),
            // The value belongs to the name above it, or to no name.
            ("- name: LEVEL\n  value: \"b\"\n  key: CLIENT_ID", vec![]),
            ("- value: \"b\"\n- name: CLIENT_ID\n  valueFrom: c", vec![]),
            ("{\n\"value\": \"b\"\n},\n{\n\"name\": \"CLIENT_ID\"\n}", vec![]),
            (
                "variable \"client_secret\" {\n  type = string\n  default = \"b\"",
                vec![("client_secret", "b", Pair)],
            ),
            ("AZURE_CLIENT_ID=1", vec![("AZURE_CLIENT_ID", "1", Form)]),
            ("azure.client-secret=1", vec![("client-secret", "1", Form)]),
            (
                "grant_type: client_credentials",
                vec![("grant_type", "client_credentials", Assigned)],
            ),
            ("let scope = f(x);", vec![("scope", "f(x", Assigned)]),
            ("if scope == \"b\" && scope::new()", vec![]),
            ("%scope=1", vec![]),
            ("", vec![]),
            ("scope", vec![]),
            ("scope=", vec![("scope", "", Form)]),
        ] {
            assert_eq!(read(Kind::Code, line), expected, "{line}");
        }
        let setting = "client_secret: b c # of the daemon";
        assert_eq!(read(Kind::Settings, setting), [("client_secret", "b c", Member)]);
    }

    #[test]
    fn expressions_are_not_literals() {
        let literal = |kind, line| {
            let params = Scanner::default().params(line, kind);
            params[0].literal().map(|value| value.into_owned())
        };
        for line in [
            "scope: api + \"/.default\"",
            "scope: \"https://a\" + end",
            "scope: \"https://a\" + \"/.default\" + end",
            "scope: \"https://a\" +",
            "'scope' => 'https://a' . $end",
            "scope: `${api}/.default`",
            "f(scope=scope)",
            "scope = config.scope",
            "scope=\"%s/.default\"",
        ] {
            assert_eq!(literal(Kind::Code, line), None, "{line}");
        }
        for line in [
            "scope: 'a b'",
            "x = \"scope=a%20b\"",
            "-d scope=a+b",
            "&scope=a+b&",
            "scope: (\"a b\")",
            "scope: b\"a b\"",
            "scope: \"a\" + \" b\"",
            "'scope' => 'a' . ' ' . 'b',",
            "scope: \"a%20\"+'b', x + y",
        ] {
            assert_eq!(literal(Kind::Code, line).as_deref(), Some("a b"), "{line}");
        }
        let long = format!("scope: \"a\"{}", " + \"b\"".repeat(9));
        assert_eq!(literal(Kind::Code, &long), None);
    }
}
