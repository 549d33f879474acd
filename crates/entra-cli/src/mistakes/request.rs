//! Requests in a text: the URL of a token endpoint, and the parameters near it.

use crate::mistakes::param::{Param, Role, Shape};
use crate::mistakes::text::{Kind, Line};

/// The URL of an endpoint, and the parameters that belong to it as far as lines can tell.
pub(crate) struct Request<'a> {
    /// The index of the line with the URL.
    pub(crate) line: usize,
    /// Where the URL begins in it.
    pub(crate) at: usize,
    pub(crate) url: &'a str,
    pub(crate) is_v2: bool,
    /// Whether it is the token endpoint, not the authorize endpoint.
    pub(crate) is_token: bool,
    /// What stands before `/oauth2`.
    pub(crate) tenant: &'a str,
    /// The parameters, with the indices of their lines.
    pub(crate) params: Vec<(usize, Param<'a>)>,
}

impl Request<'_> {
    /// Whether it asks for a token of the application itself.
    pub(crate) fn is_app_only(&self) -> bool {
        let grants = self
            .params
            .iter()
            .filter(|(_, param)| param.role() == Some(Role::GrantType));
        let mut values = grants.filter_map(|(_, param)| param.literal());
        values.any(|value| value.to_ascii_lowercase().starts_with("client"))
    }
}

pub(crate) fn requests_in<'a>(lines: &[Line<'a>], kind: Kind) -> Vec<Request<'a>> {
    let mut requests: Vec<Request<'a>> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        requests.extend(
            endpoints(line.text)
                .into_iter()
                .map(|endpoint| Request { line: at, ..endpoint }),
        );
        if requests.len() > MOST {
            break;
        }
    }
    for index in 0..requests.len() {
        let first = requests[index].line;
        let is_of_other = |line: usize| requests.iter().any(|other| other.line == line && line != first);
        // What is on the line of the URL stands behind it, or around it.
        let mut own = vec![first];
        own.extend((first + 1..lines.len()).take(REACH).take_while(|line| {
            let text = lines[*line].text;
            let is_chapter = kind == Kind::Document && !lines[*line].is_code && text.starts_with('#');
            !is_of_other(*line) && !begins_response(text) && !is_chapter
        }));
        // Data before the URL, without a blank line between them.
        let is_joined = |line: &usize| {
            let text = lines[*line].text;
            lines[*line].is_code && !text.trim().is_empty() && !is_of_other(*line) && !begins_response(text)
        };
        own.extend((0..first).rev().take(REACH / 3).take_while(is_joined));
        let is_response = |line: &usize| near(lines, *line).any(is_response);
        let params = own
            .into_iter()
            .filter(|line| !is_response(line))
            .flat_map(|line| lines[line].params.iter().map(move |param| (line, param.clone())))
            .filter(|(_, param)| param.shape != Shape::Assigned || param.role() == Some(Role::GrantType))
            .take(MOST)
            .collect();
        requests[index].params = params;
    }
    requests
}

/// The endpoints in a line.
fn endpoints(text: &str) -> Vec<Request<'_>> {
    let mut found = Vec::new();
    for (at, mark) in text.match_indices("/oauth2/") {
        let rest = &text[at + mark.len()..];
        let (is_v2, rest) = match rest.strip_prefix("v2.0/") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let word = rest
            .split(|c: char| !c.is_ascii_alphabetic())
            .next()
            .unwrap_or_default();
        if !matches!(word, "token" | "authorize")
            || rest[word.len()..].starts_with(['_', '-', '/', '.']) && !rest[word.len()..].starts_with(". ")
        {
            continue;
        }
        let before = &text[..at];
        let start = before
            .rfind(|c: char| c.is_whitespace() || "\"'`(|>".contains(c) || (c == '<' && !before.ends_with('>')))
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let url = &text[start..at + mark.len() + (text.len() - at - mark.len() - rest.len()) + word.len()];
        // The path of a request's first line.
        let tenant = before[start..].rsplit('/').next().unwrap_or_default();
        found.push(Request {
            line: 0,
            at: start,
            url,
            is_v2,
            is_token: word == "token",
            tenant,
            params: Vec::new(),
        });
    }
    found
}

/// Whether a response begins in a line.
fn begins_response(text: &str) -> bool {
    text.trim_start().starts_with("HTTP/") || is_response(text)
}

/// Whether a line is part of the service's response, in which `scope` and `resource` are told and not asked for.
fn is_response(text: &str) -> bool {
    [
        "access_token\":",
        "access_token\" :",
        "token_type\":",
        "expires_in\":",
        "access_token':",
    ]
    .iter()
    .any(|mark| text.contains(mark))
}

fn near<'a>(lines: &[Line<'a>], at: usize) -> impl Iterator<Item = &'a str> {
    let near = &lines[at.saturating_sub(4)..(at + 5).min(lines.len())];
    near.iter().map(|line| line.text)
}

/// How many lines below a URL may belong to its request.
const REACH: usize = 30;

/// How many requests, and parameters of each, are looked at.
const MOST: usize = 500;
