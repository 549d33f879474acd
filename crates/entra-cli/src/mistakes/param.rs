//! Names and their values in a line, whatever the language: `name=value`, `"name": "value"`, `| name | value |`.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A name and its value.
#[derive(Clone, Debug)]
pub(crate) struct Param<'a> {
    pub(crate) name: &'a str,
    /// Where the name begins in its line, in bytes.
    pub(crate) at: usize,
    pub(crate) value: &'a str,
    pub(crate) value_at: usize,
    pub(crate) shape: Shape,
    /// Whether the value stands in quotes.
    pub(crate) is_quoted: bool,
    /// Whether blanks stand between the separator and a value without quotes.
    pub(crate) has_gap: bool,
}

/// How a name and its value stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `name=value`, as in a form, a URL or a file of variables.
    Form,
    /// `"name": value`, or `name: "value"` with the name of a parameter.
    Member,
    /// `("name", value)`.
    Tuple,
    /// `| name | value |`.
    Cell,
    /// `name = value`, `name: value`.
    Assigned,
}

/// What a parameter is for, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    ClientId,
    ClientSecret,
    Scope,
    Resource,
    GrantType,
    RedirectUri,
    Tenant,
    Authority,
}

impl<'a> Param<'a> {
    pub(crate) fn role(&self) -> Option<Role> {
        let plain = plain(self.name);
        ROLES
            .iter()
            .find(|(end, _)| plain.ends_with(end))
            .map(|(_, role)| *role)
    }

    /// The parameter of a token request that this name is, in whatever case it is written.
    pub(crate) fn wire_name(&self) -> Option<&'static str> {
        let plain = plain(self.name);
        WIRE_NAMES.into_iter().find(|name| name.replace('_', "") == plain)
    }

    /// Whether it stands as a request has it, not as a variable of a program.
    pub(crate) fn is_sent(&self) -> bool {
        self.shape != Shape::Assigned && self.wire_name().is_some()
    }

    /// The value, if it is written out: without quotes and percent signs, and nothing that a program or a reader fills in.
    pub(crate) fn literal(&self) -> Option<Cow<'a, str>> {
        let text = match self.shape {
            Shape::Cell => self.value.split('`').nth(1)?,
            Shape::Form => self.value,
            _ if self.is_quoted => self.value,
            _ => return None,
        };
        let is_filled_in = text.contains(['{', '$', '<', '(', '[', '*']) || text.contains("%s") || text.contains("...");
        let text = percent_decode_str(text.trim()).decode_utf8().ok()?;
        (!is_filled_in && !text.is_empty()).then_some(text)
    }
}

/// The parameters of a line.
pub(crate) fn params_in(line: &str) -> Vec<Param<'_>> {
    let bytes = line.as_bytes();
    let is_row = line.trim_start().starts_with('|');
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() && found.len() < MOST {
        if !is_name(bytes[at]) {
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && (is_name(bytes[at]) || bytes[at] == b'-') {
            at += 1;
        }
        let name = &line[start..at];
        // What is percent-encoded is no name.
        if start > 0 && bytes[start - 1] == b'%'
            || name.len() > 64
            || ROLES.iter().all(|(end, _)| !plain(name).ends_with(end)) && wire(name).is_none()
        {
            continue;
        }
        if let Some(param) = param(line, start, at, is_row) {
            // A value of a form may have parameters of its own, such as a URL with a query.
            at = if param.shape == Shape::Cell {
                at
            } else {
                param.value_at.max(at)
            };
            found.push(param);
        }
    }
    found
}

fn param(line: &str, start: usize, end: usize, is_row: bool) -> Option<Param<'_>> {
    let bytes = line.as_bytes();
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let blanks = |mut at: usize| {
        while matches!(byte(at), b' ' | b'\t') {
            at += 1;
        }
        at
    };
    let before = if start == 0 { 0 } else { bytes[start - 1] };
    let is_name_quoted = matches!(before, b'"' | b'\'' | b'`') && byte(end) == before;
    // \"name\": in a string.
    let mut at = end + usize::from(is_name_quoted);
    while matches!(byte(at), b'\\' | b']' | b')' | b'"' | b'\'') && at < end + 3 {
        at += 1;
    }
    let gap_before = blanks(at);
    let separator = byte(gap_before);
    let next = byte(gap_before + 1);
    let (shape, mut at) = match separator {
        b'=' if next == b'=' || next == b'~' => return None,
        b'=' if next == b'>' => (Shape::Assigned, gap_before + 2),
        b'=' if gap_before == at && !matches!(next, b'"' | b'\'' | b'`') => (Shape::Form, gap_before + 1),
        b'=' => (Shape::Assigned, gap_before + 1),
        b':' if next == b':' => return None,
        b':' if next == b'=' => (Shape::Assigned, gap_before + 2),
        b':' if is_name_quoted => (Shape::Member, gap_before + 1),
        b':' => (Shape::Assigned, gap_before + 1),
        b',' if is_name_quoted => (Shape::Tuple, gap_before + 1),
        b'|' if is_row => (Shape::Cell, gap_before + 1),
        _ => return None,
    };
    let after = at;
    at = blanks(at);
    let has_gap = at > after;
    if shape == Shape::Cell {
        return Some(Param {
            name: &line[start..end],
            at: start,
            value: &line[after..],
            value_at: after,
            shape,
            is_quoted: false,
            has_gap: false,
        });
    }
    // A letter before the quotes makes them another kind of string.
    if matches!(byte(at), b'f' | b'r' | b'@' | b'b' | b'$') && matches!(byte(at + 1), b'"' | b'\'') {
        at += 1;
    }
    while matches!(byte(at), b'[' | b'\\') && matches!(byte(at + 1), b'"' | b'\'') {
        at += 1;
    }
    let quote = byte(at);
    let is_quoted = matches!(quote, b'"' | b'\'' | b'`');
    let value_at = at + usize::from(is_quoted);
    // An object of JavaScript has no quotes around its names.
    let is_member = separator == b':' && is_quoted && wire(&line[start..end]) == Some(&line[start..end]);
    let shape = if is_member { Shape::Member } else { shape };
    let rest = line.get(value_at..)?;
    let length = if is_quoted {
        rest.find(char::from(quote)).unwrap_or(rest.len())
    } else if let Some(close) = [('{', '}'), ('<', '>')]
        .into_iter()
        .find_map(|(open, close)| rest.starts_with(open).then_some(close))
    {
        rest.find(close).map_or(rest.len(), |end| end + 1)
    } else {
        rest.find(|c: char| c.is_whitespace() || "&\"'`;,)<>|\\]}".contains(c))
            .unwrap_or(rest.len())
    };
    Some(Param {
        name: &line[start..end],
        at: start,
        value: rest[..length].trim_end_matches('\\'),
        value_at,
        shape,
        is_quoted,
        has_gap: has_gap && !is_quoted,
    })
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// A name without case and marks.
fn plain(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase()
}

fn wire(name: &str) -> Option<&'static str> {
    let plain = plain(name);
    WIRE_NAMES.into_iter().find(|name| name.replace('_', "") == plain)
}

/// How the names of parameters and settings end, without case and marks.
const ROLES: [(&str, Role); 14] = [
    ("clientsecret", Role::ClientSecret),
    ("appsecret", Role::ClientSecret),
    ("clientkey", Role::ClientSecret),
    ("clientid", Role::ClientId),
    ("applicationid", Role::ClientId),
    ("appid", Role::ClientId),
    ("scopes", Role::Scope),
    ("scope", Role::Scope),
    ("resource", Role::Resource),
    ("granttype", Role::GrantType),
    ("redirecturi", Role::RedirectUri),
    ("redirecturl", Role::RedirectUri),
    ("tenantid", Role::Tenant),
    ("authority", Role::Authority),
];

/// The parameters of token requests, as the service reads them.
const WIRE_NAMES: [&str; 14] = [
    "client_id",
    "client_secret",
    "scope",
    "resource",
    "grant_type",
    "redirect_uri",
    "client_assertion",
    "client_assertion_type",
    "response_type",
    "refresh_token",
    "code_verifier",
    "requested_token_use",
    "device_code",
    "code",
];

/// How many parameters of a line are looked at.
const MOST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Vec<(&str, &str, Shape)> {
        params_in(line)
            .into_iter()
            .map(|param| (param.name, param.value, param.shape))
            .collect()
    }

    #[test]
    fn parameters_are_read_in_every_notation() {
        use Shape::{Assigned, Cell, Form, Member, Tuple};
        for (line, expected) in [
            (
                "client_id=a&scope=b%2F.default",
                vec![("client_id", "a", Form), ("scope", "b%2F.default", Form)],
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
            ("form.append(\"grant_type\", \"b\")", vec![("grant_type", "b", Tuple)]),
            ("| Scope | `b` |", vec![("Scope", " `b` |", Cell)]),
            ("ClientSecret = \"b c\"", vec![("ClientSecret", "b c", Assigned)]),
            ("AZURE_CLIENT_ID=b", vec![("AZURE_CLIENT_ID", "b", Form)]),
            ("azure.client-secret=b", vec![("client-secret", "b", Form)]),
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
            let found = read(line);
            if line.starts_with("\\\"") {
                assert_eq!(found.len(), 1, "{line}");
                continue;
            }
            assert_eq!(found, expected, "{line}");
        }
    }
}
