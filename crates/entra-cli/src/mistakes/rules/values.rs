//! Rules about values that were copied from somewhere, and not completely.

use entra_proto::Guid;

use crate::mistakes::kind::Kind;
use crate::mistakes::line::{Line, ending};
use crate::mistakes::param::{Param, Role, Shape};
use crate::mistakes::rule::Level::Problem;
use crate::mistakes::rule::{Findings, Rule, shown};
use crate::mistakes::text::Text;

pub(super) const BLANK_IN_VALUE: Rule = Rule {
    id: "blank-in-value",
    level: Problem,
    title: "a blank stands around a value",
    instead: "take the blank out",
    why: "A blank is part of the value: an authority that begins with one is no URL, and an ID with one is not found.",
    check: blank_in_value,
};

fn blank_in_value(text: &Text<'_>, found: &mut Findings) {
    for (at, line) in text.numbered() {
        let before = found.len();
        let is_form = line.is_form();
        for param in line.params.iter().filter(|param| param.role.is_some()) {
            let Some(what) = blank(line, param, is_form) else {
                continue;
            };
            let place = if param.is_quoted { param.value_at - 1 } else { param.at };
            found.told(at, place, format!("{what} {}", shown(param.name, 40)), None);
            if is_form {
                break;
            }
        }
        // Whatever it is called: an authority in quotes is used as it is.
        if found.len() == before
            && let Some(byte) = authority_behind_blank(line.text)
        {
            let problem = "a blank stands at the beginning of the URL of an authority".to_owned();
            found.told(at, byte, problem, None);
        }
    }
}

/// What is wrong with the blanks around a value, if anything is.
fn blank(line: &Line<'_>, param: &Param<'_>, is_form: bool) -> Option<&'static str> {
    const AROUND: &str = "a blank stands at the beginning or the end of the value of";
    if param.is_quoted {
        let trimmed = param.value.trim();
        let is_value = trimmed.parse::<Guid>().is_ok()
            || ["http://", "https://", "api://"]
                .iter()
                .any(|start| trimmed.starts_with(start));
        // A message goes on behind a URL; a list of scopes has several.
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
        let has_blank = param.has_gap || is_followed || param.value.contains(" }");
        return has_blank.then_some("a blank stands in a form, around the value of");
    }
    let has_blank = param.has_gap || (!rest.is_empty() && rest.trim().is_empty());
    if line.kind != Kind::Settings || !has_blank {
        return None;
    }
    let before = &line.text[..param.at];
    let is_variable = before.trim().trim_start_matches("export ").is_empty()
        || before.chars().all(|c| c.is_alphanumeric() || "_.-".contains(c));
    is_variable.then_some(AROUND)
}

/// The place of a text in quotes that is a blank and the URL of an authority, and nothing else.
fn authority_behind_blank(line: &str) -> Option<usize> {
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
    title: "a placeholder is not replaced",
    instead: "put the value of your application there",
    why: "The service is sent the words of the sample: AADSTS900023 (tenant), AADSTS700016 (application) or AADSTS7000215 (secret).",
    check: placeholder,
};

fn placeholder(text: &Text<'_>, found: &mut Findings) {
    for (at, line) in text.numbered().filter(|(_, line)| line.is_code) {
        let trimmed = line.text.trim_start();
        // Comments tell what to replace, and comparisons look for what was not.
        if COMMENTS.iter().any(|mark| trimmed.starts_with(mark))
            || COMPARISONS.iter().any(|mark| trimmed.contains(mark))
        {
            continue;
        }
        let lower = line.text.to_ascii_lowercase();
        let sample = SAMPLES.iter().find_map(|words| lower.find(words));
        // A document explains; a file of settings is used.
        let yours = || {
            let mut params = line
                .params
                .iter()
                .filter(|param| text.kind == Kind::Settings && is_yours(param));
            params.next().map(|param| param.value_at)
        };
        if let Some(byte) = sample.or_else(yours) {
            found.at(at, byte);
        }
    }
}

/// Whether a setting has a value that stands for the reader's own.
fn is_yours(param: &Param<'_>) -> bool {
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

/// How the placeholders of samples begin.
const SAMPLES: [&str; 3] = ["enter_the_", "\"enter the ", "'enter the "];
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
const COMMENTS: [&str; 6] = ["//", "#", "*", "--", "<!--", ";"];
const COMPARISONS: [&str; 6] = ["contains(", "starts_with(", "startsWith(", "StartsWith(", "==", "!="];
