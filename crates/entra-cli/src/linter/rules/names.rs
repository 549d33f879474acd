//! Rules about the names of parameters and grant types, which the service compares exactly.

use crate::environment::distance;
use crate::linter::kind::Kind;
use crate::linter::line::Line;
use crate::linter::param::{Role, Shape};
use crate::linter::rule::Level::Problem;
use crate::linter::rule::{Findings, Rule, shown};
use crate::linter::text::Text;

pub(super) const GRANT_TYPE: Rule = Rule {
    id: "grant-type",
    level: Problem,
    title: "a grant type is misspelled",
    instead: "write client_credentials",
    why: "The service compares grant_type exactly: client_credential, without the s, causes AADSTS70003 (unsupported_grant_type).",
    check: grant_type,
};

fn grant_type(text: &Text<'_>, found: &mut Findings) {
    for (line, param) in text.params().filter(|(_, param)| param.role == Some(Role::GrantType)) {
        let mut literal = param.literal();
        // In the prose of documents the value has no quotes.
        if literal.is_none() && param.shape == Shape::Assigned && text.kind == Kind::Document {
            literal = Some(param.value.into());
        }
        let Some(value) = literal.filter(|value| !GRANTS.contains(&&**value)) else {
            continue;
        };
        let value = value.trim_matches(['.', '`']);
        if value.len() > LONGEST_GRANT || !value.is_ascii() {
            continue;
        }
        let plain = |text: &str| {
            text.replace(|c: char| !c.is_ascii_alphanumeric(), "")
                .to_ascii_lowercase()
        };
        let is_wire = param.wire.is_some_and(|name| name == param.name) || param.is_sent();
        let is_near = |grant: &&&str| {
            let apart = distance(&value.to_ascii_lowercase(), grant);
            (apart > 0 && apart <= 2 && value.len() > 6)
                || (is_wire && plain(value) == plain(grant) && value != **grant)
        };
        if let Some(grant) = GRANTS.iter().find(is_near) {
            found.add_with(
                line,
                param.value_at,
                format!("\"{}\" is not a grant type", shown(value, LONGEST_GRANT)),
                format!("write {grant}"),
            );
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

/// The longest grant type, in bytes.
const LONGEST_GRANT: usize = 60;

pub(super) const PARAMETER_CASE: Rule = Rule {
    id: "parameter-case",
    level: Problem,
    title: "the service does not know the name of a parameter",
    instead: "write the names of parameters in lower case with underscores",
    why: "The service compares the names of parameters exactly: Scope is not scope, and clientId is not client_id. It responds that the \
          parameter is missing (AADSTS900144).",
    check: parameter_case,
};

fn parameter_case(text: &Text<'_>, found: &mut Findings) {
    // The number of cells with exact names of parameters before each line.
    let mut exact = vec![0];
    for line in &text.lines {
        exact.push(exact.last().unwrap_or(&0) + exact_cells(line));
    }
    for (at, line) in text.numbered() {
        let from = at.saturating_sub(TABLE);
        let to = (at + TABLE + 1).min(text.lines.len());
        // The table is about token requests if rows near this one have exact names.
        let is_table = exact[to] - exact[from] > 1;
        let is_form = line.is_form();
        let row = line.text.trim_start().strip_prefix('|');
        for param in &line.params {
            let Some(wire) = param.wire.filter(|wire| *wire != param.name) else {
                continue;
            };
            let is_cell = param.shape == Shape::Cell
                && row.is_some_and(|row| row.trim_start().trim_start_matches('`').starts_with(param.name))
                && is_table;
            if is_cell || (is_form && param.shape == Shape::Form) {
                found.add_with(
                    at,
                    param.at,
                    format!("the service does not know the parameter {}", shown(param.name, 40)),
                    format!("write {wire}"),
                );
            }
        }
    }
}

/// Returns the number of cells of a line with the exact name of a parameter.
fn exact_cells(line: &Line<'_>) -> usize {
    let cells = line.params.iter().filter(|param| param.shape == Shape::Cell);
    cells.filter(|param| param.wire == Some(param.name)).count()
}

/// The number of rows on each side of a row that show the subject of its table.
const TABLE: usize = 8;
