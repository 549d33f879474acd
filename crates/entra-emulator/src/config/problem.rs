//! Descriptions of errors in a JSON configuration: the member, the problem and the line, never a
//! value.

use std::fmt::Write;

use serde_json::Value;
use serde_json::error::Category;

/// Describes an error of the JSON parser.
pub(super) fn describe(text: &str, error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    let place = format!(" at line {line} column {column}");
    let message = error.to_string();
    let problem = rephrase(message.strip_suffix(&place).unwrap_or(&message));
    if error.classify() != Category::Data {
        return format!("this is not valid JSON: {problem}{place}");
    }
    let path = path(text, offset(text, line, column));
    // Some problems begin with the name of the member.
    if path.is_empty() || problem.starts_with(&format!("`{path}`")) {
        return problem + &place;
    }
    format!("{path}: {problem}{place}")
}

/// Returns the path of a list directly inside a list. It must be rejected, because serde accepts
/// the values of a list as the members of an object.
pub(super) fn list_in_list(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) => items.iter().enumerate().find_map(|(at, item)| {
            let below = if item.is_array() {
                Some(String::new())
            } else {
                list_in_list(item)
            };
            below.map(|below| format!("[{at}]{below}"))
        }),
        Value::Object(members) => members.iter().find_map(|(name, member)| {
            let name = if is_name(name) { name } else { "" };
            list_in_list(member).map(|below| match below.starts_with('[') {
                true => format!("{name}{below}"),
                false => format!("{name}.{below}"),
            })
        }),
        _ => None,
    }
}

/// Returns the text of a serde error without values, which may be secrets, and without Rust type
/// names.
fn rephrase(problem: &str) -> String {
    if let Some(rest) = problem.strip_prefix("unknown field `") {
        // The name may contain this text as well.
        let (name, rest) = rest.split_at(rest.rfind("`, expected ").unwrap_or(rest.len()));
        let name = if is_name(name) {
            format!(" `{name}`")
        } else {
            String::new()
        };
        return format!("unknown field{name}{}", rest.trim_start_matches('`'));
    }
    let mut text = without_value(problem);
    for (jargon, plain) in [
        ("invalid type: map", "invalid type: an object"),
        ("invalid type: sequence", "invalid type: a list"),
        ("invalid type: boolean", "invalid type:"),
        ("expected a sequence", "expected a list"),
        ("expected u64", "expected a whole number from 0"),
        ("expected u32", "expected a whole number from 0 to 4294967295"),
        ("expected u8", "expected a whole number"),
    ] {
        text = text.replace(jargon, plain);
    }
    match text.split_once("expected struct ") {
        Some((before, _)) => format!("{before}expected an object"),
        None => text,
    }
}

fn without_value(problem: &str) -> String {
    for (kind, quote, plain) in [
        ("string \"", '"', "a string"),
        ("integer `", '`', "a number"),
        ("floating point `", '`', "a fraction or a number that is too large"),
    ] {
        let Some((before, rest)) = problem.split_once(kind) else {
            continue;
        };
        let mut is_escaped = false;
        let end = rest.find(|c: char| {
            let ends = c == quote && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            ends
        });
        let after = end.map_or("", |end| &rest[end + 1..]);
        return format!("{before}{plain}{after}");
    }
    problem.to_owned()
}

/// Returns whether a text may be the name of a member. A misplaced secret usually contains digits
/// or punctuation.
fn is_name(text: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '$';
    (1..=LONGEST_NAME).contains(&text.len()) && text.chars().all(is_of_name)
}

/// Converts a line and column, which count bytes from 1, to an offset in the text.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let lines = text.split_inclusive('\n').take(line.saturating_sub(1));
    lines.map(str::len).sum::<usize>() + column
}

/// Returns the path to the value before the offset, such as `apps[0].secrets[1].end`. The text
/// before it is valid JSON.
fn path(text: &str, end: usize) -> String {
    let bytes = text.as_bytes();
    let end = end.min(bytes.len());
    let mut steps: Vec<Step<'_>> = Vec::new();
    let mut word = "";
    let mut at = 0;
    while at < end {
        match (bytes[at], steps.last_mut()) {
            (b'"', _) => {
                let start = at + 1;
                at = start;
                while at < end && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                word = text.get(start..at).unwrap_or_default();
            }
            (b':', Some(Step::Member(name))) => *name = word,
            (b',', Some(Step::Member(name))) => *name = "",
            (b',', Some(Step::Item(number))) => *number += 1,
            (b'{', _) => steps.push(Step::Member("")),
            (b'[', _) => steps.push(Step::Item(0)),
            (b'}' | b']', _) => drop(steps.pop()),
            _ => {}
        }
        at += 1;
    }
    let mut path = String::new();
    for step in steps {
        let _ = match step {
            Step::Member(name) if !is_name(name) => Ok(()),
            Step::Member(name) if path.is_empty() => write!(path, "{name}"),
            Step::Member(name) => write!(path, ".{name}"),
            Step::Item(number) => write!(path, "[{number}]"),
        };
    }
    path
}

enum Step<'a> {
    Member(&'a str),
    Item(usize),
}

const LONGEST_NAME: usize = 32;
