//! Rules about names and values.

use entra_proto::Guid;

use crate::environment::distance;
use crate::files::excerpt;
use crate::mistakes::Findings;
use crate::mistakes::param::{Param, Role, Shape};
use crate::mistakes::text::{Kind, Line, Text};

pub(super) fn grant_type(text: &Text<'_>, found: &mut Findings) {
    for (line, param) in text.params().filter(|(_, param)| param.role() == Some(Role::GrantType)) {
        let mut literal = param.literal();
        // YAML and the prose of documents have no quotes.
        if literal.is_none() && param.shape == Shape::Assigned && text.kind != Kind::Code {
            literal = Some(param.value.into());
        }
        let Some(value) = literal.filter(|value| !GRANTS.contains(&&**value)) else {
            continue;
        };
        let value = value.trim_matches(['.', '`']);
        let plain = |text: &str| {
            text.chars()
                .filter(char::is_ascii_alphanumeric)
                .collect::<String>()
                .to_ascii_lowercase()
        };
        let is_wire = param.wire_name().is_some_and(|name| name == param.name) || param.is_sent();
        let is_near = |grant: &&&str| {
            let apart = distance(&value.to_ascii_lowercase(), grant);
            (apart > 0 && apart <= 2 && value.len() > 6)
                || (is_wire && plain(value) == plain(grant) && value != **grant)
        };
        if value.len() <= 40
            && let Some(grant) = GRANTS.iter().find(is_near)
        {
            found.told(
                line,
                param.value_at,
                format!("\"{}\" is not a grant type", excerpt(value, 40)),
                format!("write {grant}"),
            );
        }
    }
}

pub(super) fn parameter_case(text: &Text<'_>, found: &mut Findings) {
    // Counted once for each line, since many lines and cells ask for it.
    let exact: Vec<usize> = text.lines.iter().map(exact_cells).collect();
    for (at, line) in text.numbered() {
        let is_table = is_table_of_parameters(&exact, at);
        let is_form = line.is_form();
        let row = line.text.trim_start().strip_prefix('|');
        for param in &line.params {
            let Some(wire) = param.wire_name().filter(|wire| *wire != param.name) else {
                continue;
            };
            let is_cell = param.shape == Shape::Cell
                && row.is_some_and(|row| row.trim_start().trim_start_matches('`').starts_with(param.name))
                && is_table;
            if is_cell || (is_form && param.shape == Shape::Form) {
                found.told(
                    at,
                    param.at,
                    format!("the service does not read the parameter {}", excerpt(param.name, 40)),
                    format!("write {wire}"),
                );
            }
        }
    }
}

/// The cells of a line that name a parameter of a token request as it is on the wire.
fn exact_cells(line: &Line<'_>) -> usize {
    let cells = line.params.iter().filter(|param| param.shape == Shape::Cell);
    cells.filter(|param| param.wire_name() == Some(param.name)).count()
}

/// Whether rows near this one name parameters of a token request.
fn is_table_of_parameters(exact: &[usize], at: usize) -> bool {
    exact[at.saturating_sub(8)..(at + 9).min(exact.len())]
        .iter()
        .sum::<usize>()
        > 1
}

pub(super) fn blank_in_value(text: &Text<'_>, found: &mut Findings) {
    for (at, line) in text.numbered() {
        let is_form = line.is_form();
        for param in &line.params {
            let Some(what) = blank(text, line.text, param, is_form) else {
                continue;
            };
            let place = if param.is_quoted { param.value_at - 1 } else { param.at };
            found.told(at, place, format!("{what} {}", excerpt(param.name, 40)), None);
            if is_form {
                break;
            }
        }
    }
}

/// What is wrong with the blanks around a value, if anything is.
fn blank(text: &Text<'_>, line: &str, param: &Param<'_>, is_form: bool) -> Option<&'static str> {
    const AROUND: &str = "a blank stands at the beginning or the end of the value of";
    param.role()?;
    if param.is_quoted {
        let trimmed = param.value.trim();
        let is_value = trimmed.parse::<Guid>().is_ok()
            || ["http://", "https://", "api://"]
                .iter()
                .any(|start| trimmed.starts_with(start));
        return (is_value && trimmed.len() < param.value.len() && !trimmed.contains(' ')).then_some(AROUND);
    }
    if param.shape != Shape::Form {
        return None;
    }
    let end = param.value_at + param.value.len();
    let rest = line.get(end..).unwrap_or_default();
    if is_form {
        let is_followed = rest.trim_start_matches([' ', '\t']).len() < rest.len() && rest.trim_start().starts_with('&');
        let has_blank = param.has_gap && !param.value.is_empty() || is_followed || param.value.contains(" }");
        return has_blank.then_some("a blank stands in a form, around the value of");
    }
    let is_alone = line[..param.at].trim().trim_start_matches("export ").is_empty()
        || line[..param.at]
            .chars()
            .all(|c| c.is_alphanumeric() || "_.-".contains(c));
    let is_variable = text.kind == Kind::Settings && is_alone && !param.value.is_empty();
    (is_variable && (param.has_gap || (!rest.is_empty() && rest.trim().is_empty()))).then_some(AROUND)
}

pub(super) fn placeholder(text: &Text<'_>, found: &mut Findings) {
    for (at, line) in text.numbered().filter(|(_, line)| line.is_code) {
        // Comments tell what to replace.
        let trimmed = line.text.trim_start();
        if ["//", "#", "*", "--", "<!--", ";"]
            .iter()
            .any(|mark| trimmed.starts_with(mark))
        {
            continue;
        }
        let lower = line.text.to_ascii_lowercase();
        let sample = ["enter_the_", "\"enter the ", "'enter the "]
            .iter()
            .find_map(|words| lower.find(words));
        let yours = || {
            let is_placeholder = |param: &&Param<'_>| {
                let value = param.value.trim().to_ascii_lowercase();
                let is_named = [
                    "your_",
                    "your-",
                    "<your",
                    "[your",
                    "<enter",
                    "<tenant",
                    "<client",
                    "<application",
                    "<secret",
                    "replace_me",
                    "changeme",
                    "todo",
                ]
                .iter()
                .any(|start| value.starts_with(start));
                is_named && (param.is_quoted || param.shape == Shape::Form)
            };
            let param = line
                .params
                .iter()
                .filter(|param| param.role().is_some())
                .find(is_placeholder)?;
            Some(param.value_at)
        };
        // A document explains; a file of settings is used.
        let yours = (text.kind == Kind::Settings).then(yours).flatten();
        if let Some(byte) = sample.or(yours) {
            found.at(at, byte);
        }
    }
}

pub(super) fn tls_off(text: &Text<'_>, found: &mut Findings) {
    for (at, line) in text.numbered() {
        if !SWITCHES.iter().any(|(name, _)| line.text.contains(name)) {
            continue;
        }
        for (name, values) in SWITCHES {
            for (byte, _) in line.text.match_indices(name) {
                let rest = &line.text[byte + name.len()..];
                let value = rest.trim_start_matches([' ', '"', '\'', ']', '`', ')', ':', '=', '(']);
                let is_set = rest.len() > value.len()
                    && !rest.trim_start_matches(['"', '\'', ']']).trim_start().starts_with("==");
                let is_off = values.iter().any(|off| {
                    let behind = value.strip_prefix(off);
                    behind.is_some_and(|behind| !behind.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
                });
                if is_set && is_off {
                    found.at(at, byte);
                }
            }
        }
    }
}

pub(super) fn adal(text: &Text<'_>, found: &mut Findings) {
    for (at, line) in text.numbered() {
        let byte = ADAL.iter().find_map(|mark| {
            let byte = line.text.find(mark)?;
            let is_letter = |c: char| c.is_alphanumeric() || c == '_';
            let before = line.text[..byte].chars().next_back();
            let behind = line.text[byte + mark.len()..].chars().next();
            (!before.is_some_and(is_letter) && !behind.is_some_and(is_letter)).then_some(byte)
        });
        if let Some(byte) = byte {
            found.at(at, byte);
        }
    }
}

/// The grant types of the service.
const GRANTS: [&str; 9] = [
    "client_credentials",
    "authorization_code",
    "refresh_token",
    "password",
    "device_code",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "urn:ietf:params:oauth:grant-type:saml2-bearer",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange",
];

/// What turns the check of certificates off, and the values that do so.
const SWITCHES: [(&str, &[&str]); 8] = [
    ("NODE_TLS_REJECT_UNAUTHORIZED", &["0", "false"]),
    ("rejectUnauthorized", &["false"]),
    ("PYTHONHTTPSVERIFY", &["0"]),
    ("AZURE_CLI_DISABLE_CONNECTION_VERIFICATION", &["1", "true", "True"]),
    ("ADAL_PYTHON_SSL_NO_VERIFY", &["1", "true", "True"]),
    ("verify", &["False"]),
    ("InsecureSkipVerify", &["true"]),
    ("danger_accept_invalid_certs", &["true"]),
];

/// What shows that a text is about ADAL.
const ADAL: [&str; 7] = [
    "ADAL",
    "Azure AD Authentication Library",
    "Microsoft.IdentityModel.Clients.ActiveDirectory",
    "adal-node",
    "adal4j",
    "import adal",
    "com.microsoft.aad.adal",
];
