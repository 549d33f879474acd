//! Rules about values that were not copied correctly.

use entra_proto::Guid;

use crate::linter::kind::Kind;
use crate::linter::line::{Line, ending};
use crate::linter::param::{Param, Role, Shape};
use crate::linter::rule::Level::Problem;
use crate::linter::rule::{Findings, Rule, shown};
use crate::linter::text::Text;

pub(super) const BLANK_IN_VALUE: Rule = Rule {
    id: "blank-in-value",
    level: Problem,
    title: "there is white space around a value",
    instead: "remove the white space",
    why: "White space is part of the value: an authority that begins with it is not a URL, and an ID with it is not found.",
    check: white_space,
};

fn white_space(text: &Text<'_>, found: &mut Findings) {
    for (at, line) in text.numbered() {
        let before = found.len();
        let is_form = line.is_form();
        for param in line.params.iter().filter(|param| param.role.is_some()) {
            let Some(problem) = white_space_problem(line, param, is_form) else {
                continue;
            };
            let start = if param.is_quoted { param.value_at - 1 } else { param.at };
            found.add_with(at, start, format!("{problem} {}", shown(param.name, 40)), None);
            if is_form {
                break;
            }
        }
        // A quoted authority is checked whatever its name is.
        if found.len() == before
            && let Some(byte) = authority_after_space(line.text)
        {
            let problem = "there is white space at the beginning of the URL of an authority".to_owned();
            found.add_with(at, byte, problem, None);
        }
    }
}

/// Returns the problem with white space around a value, if there is one.
fn white_space_problem(line: &Line<'_>, param: &Param<'_>, is_form: bool) -> Option<&'static str> {
    const AROUND: &str = "there is white space at the beginning or the end of the value of";
    if param.is_quoted {
        let trimmed = param.value.trim();
        let is_value = trimmed.parse::<Guid>().is_ok()
            || ["http://", "https://", "api://"]
                .iter()
                .any(|start| trimmed.starts_with(start));
        // A message continues after a URL; a list of scopes has several.
        let is_alone = !trimmed.contains(' ') || param.role == Some(Role::Scope) && param.is_sent();
        return (is_value && is_alone && trimmed.len() < param.value.len()).then_some(AROUND);
    }
    if param.shape != Shape::Form || param.value.is_empty() {
        return None;
    }
    let rest = line.text.get(param.value_at + param.value.len()..).unwrap_or_default();
    if is_form {
        let is_followed =
            rest.starts_with([' ', '\t']) && rest.trim_start().starts_with('&') && !rest.trim_start().starts_with("&&");
        let has_space = param.has_gap || is_followed || param.value.contains(" }");
        return has_space.then_some("in a form, there is white space around the value of");
    }
    let has_space = param.has_gap || (!rest.is_empty() && rest.trim().is_empty());
    if line.kind != Kind::Settings || !has_space {
        return None;
    }
    let before = &line.text[..param.at];
    let is_variable = before.trim().trim_start_matches("export ").is_empty()
        || before.chars().all(|c| c.is_alphanumeric() || "_.-".contains(c));
    is_variable.then_some(AROUND)
}

/// Returns the position of a quoted text that consists of white space and the URL of an authority.
fn authority_after_space(line: &str) -> Option<usize> {
    let mut places = line.match_indices(" https://login.").map(|(byte, _)| byte);
    places.find(|byte| {
        let before = ending(&line[..*byte], 80).trim_end_matches(' ');
        let Some(quote) = before.chars().next_back().filter(|c| "\"'".contains(*c)) else {
            return false;
        };
        let before = before[..before.len() - 1].trim_end();
        let rest = &line[byte + 1..];
        let end = rest.find([quote, ' ']).unwrap_or(rest.len());
        before.ends_with(['(', '=', ':', ',', '[', '{']) && rest[end..].starts_with(quote)
    })
}

pub(super) const PLACEHOLDER: Rule = Rule {
    id: "placeholder",
    level: Problem,
    title: "a placeholder was not replaced",
    instead: "write the value of your application",
    why: "The service rejects the placeholder: AADSTS900023 (tenant), AADSTS700016 (application) or AADSTS7000215 (secret).",
    check: placeholder,
};

fn placeholder(text: &Text<'_>, found: &mut Findings) {
    for (at, line) in text.numbered().filter(|(_, line)| line.is_code) {
        let trimmed = line.text.trim_start();
        // Comments explain placeholders, and comparisons detect them.
        if COMMENTS.iter().any(|mark| trimmed.starts_with(mark))
            || COMPARISONS.iter().any(|mark| trimmed.contains(mark))
        {
            continue;
        }
        let lower = line.text.to_ascii_lowercase();
        let sample = SAMPLES.iter().find_map(|words| lower.find(words));
        // Placeholders are normal in a document, but not in a settings file.
        let placeholder_value = || {
            let mut params = line
                .params
                .iter()
                .filter(|param| text.kind == Kind::Settings && is_placeholder(param));
            params.next().map(|param| param.value_at)
        };
        if let Some(byte) = sample.or_else(placeholder_value) {
            found.add(at, byte);
        }
    }
}

/// Returns true if the value of a setting is a placeholder.
fn is_placeholder(param: &Param<'_>) -> bool {
    let is_value = param.is_quoted || param.is_text;
    is_value && param.role.is_some() && {
        let value = param.value.trim();
        PLACEHOLDERS.iter().any(|start| {
            value
                .get(..start.len())
                .is_some_and(|beginning| beginning.eq_ignore_ascii_case(start))
        })
    }
}

/// Beginnings of the placeholders of samples, in lower case.
const SAMPLES: [&str; 3] = ["enter_the_", "\"enter the ", "'enter the "];
/// Beginnings of placeholders in settings, in lower case.
const PLACEHOLDERS: [&str; 12] = [
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
];
/// Beginnings of comments.
const COMMENTS: [&str; 6] = ["//", "#", "*", "--", "<!--", ";"];
/// Texts that show that a line compares a value.
const COMPARISONS: [&str; 6] = ["contains(", "starts_with(", "startsWith(", "StartsWith(", "==", "!="];
