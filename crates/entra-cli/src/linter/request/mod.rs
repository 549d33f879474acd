//! Requests in a file: the URL of an endpoint, and the parameters that belong to it.

mod brackets;
mod pairing;

use std::collections::HashSet;

use crate::linter::kind::Kind;
use crate::linter::line::{Line, ending};
use crate::linter::param::{Param, Role};
use crate::linter::request::brackets::spans_around;
use crate::linter::request::pairing::{Event, pair};
use crate::linter::work;

/// The parameters of a request, with the indices of their lines.
pub(crate) type Body<'a> = Vec<(usize, Param<'a>)>;

/// The URL of an endpoint, and the parameters that belong to it, as far as the lines show.
pub(crate) struct Request<'a> {
    /// The index of the line with the URL.
    pub(crate) line: usize,
    /// The position of the URL in the line, in bytes.
    pub(crate) at: usize,
    pub(crate) url: &'a str,
    pub(crate) is_v2: bool,
    /// True for the token endpoint, false for the authorize endpoint.
    pub(crate) is_token: bool,
    /// The part of the path before `/oauth2`.
    pub(crate) tenant: &'a str,
    pub(crate) params: Body<'a>,
}

/// Returns true if these parameters request an app-only token.
pub(crate) fn is_app_only(body: &[(usize, Param<'_>)]) -> bool {
    let mut grants = body.iter().filter(|(_, param)| param.role == Some(Role::GrantType));
    grants.any(|(_, param)| {
        let literal = param.literal();
        literal.is_some_and(|value| value.to_ascii_lowercase().starts_with("client"))
    })
}

/// Returns the requests of a file, and the bodies that belong to none of them.
pub(crate) fn requests_in<'a>(lines: &[Line<'a>], kind: Kind) -> (Vec<Request<'a>>, Vec<Body<'a>>) {
    let mut requests: Vec<Request<'a>> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if requests.len() < MOST {
            requests.extend(endpoints(line).map(|endpoint| Request { line: at, ..endpoint }));
        }
    }
    let responses = responses(lines, &requests);
    let mut taken: HashSet<usize> = HashSet::new();
    for index in 0..requests.len() {
        let own = own_params(lines, &requests, index);
        taken.extend(own.iter().map(|(line, _)| *line));
        requests[index].params = own;
    }
    let is_body =
        |line: usize| !responses[line] && !taken.contains(&line) && body_of(&lines[line], line).next().is_some();
    let bodies: Vec<bool> = (0..lines.len()).map(is_body).collect();
    let events = Event::all(lines, kind, &requests, &bodies);
    let groups = pair(&events, &requests, lines);
    for (request, found) in groups.of_requests {
        requests[request].params = params_of(lines, &found);
    }
    let bodies = groups.others.iter().map(|found| params_of(lines, found)).collect();
    (requests, bodies)
}

/// Returns the parameters of a line that are sent, or name the grant type.
fn body_of<'b, 'a>(line: &'b Line<'a>, at: usize) -> impl Iterator<Item = (usize, Param<'a>)> + use<'a, 'b> {
    let params = line.params.iter();
    params
        .filter(|param| param.is_sent() || param.role == Some(Role::GrantType))
        .map(move |param| (at, *param))
}

fn params_of<'a>(lines: &[Line<'a>], found: &[usize]) -> Body<'a> {
    found
        .iter()
        .flat_map(|line| body_of(&lines[*line], *line))
        .take(MOST_PARAMS)
        .collect()
}

/// Returns the parameters that clearly belong to a URL: in its query, in the call around it, or in
/// the same command.
fn own_params<'a>(lines: &[Line<'a>], requests: &[Request<'a>], index: usize) -> Body<'a> {
    let request = &requests[index];
    let line = &lines[request.line];
    let end = request.at + request.url.len();
    let is_other = |(from, to): ((usize, usize), (usize, usize))| {
        let near = [index.checked_sub(1), Some(index + 1)].into_iter().flatten();
        let mut near = near
            .filter_map(|near| requests.get(near))
            .map(|near| (near.line, near.at));
        near.any(|place| from <= place && place <= to)
    };
    let between = |from: (usize, usize), to: (usize, usize)| -> Body<'a> {
        let lines = lines.iter().enumerate().take(to.0 + 1).skip(from.0);
        let lines = lines.inspect(|(_, line)| work::count(1 + line.params.len()));
        let params = lines.flat_map(|(at, line)| body_of(line, at));
        params
            .filter(|(at, param)| (*at, param.at) >= from && (*at, param.at) <= to)
            .take(MOST_PARAMS)
            .collect()
    };
    let query = &line.text[end..];
    if query.starts_with('?') {
        let length = query
            .find(|c: char| c.is_whitespace() || "\"'`<>".contains(c))
            .unwrap_or(query.len());
        // A long query continues in the lines below.
        let below = lines[request.line + 1..].iter().take(REACH);
        let below = below.take_while(|line| line.text.trim_start().starts_with('&')).count();
        let last = if below > 0 {
            (request.line + below, usize::MAX)
        } else {
            (request.line, end + length)
        };
        let params = between((request.line, end), last);
        if !params.is_empty() {
            return params;
        }
    }
    for (from, to) in spans_around(lines, request.line, request.at) {
        if is_other((from, to)) {
            return Vec::new();
        }
        let params = between(from, to);
        if params.iter().any(|(_, param)| param.is_sent()) {
            return params;
        }
    }
    let (first, last) = command_around(lines, request.line);
    let (from, to) = ((first, 0), (last, usize::MAX));
    if is_other((from, to)) {
        // With several requests in a line, each has the parameters after its URL.
        let next = requests.get(index + 1).filter(|next| next.line == request.line);
        between(
            (request.line, end),
            (request.line, next.map_or(usize::MAX, |next| next.at)),
        )
    } else {
        between(from, to)
    }
}

/// Returns the first and the last line of the command around a line. All lines of a command but the
/// last end with a continuation mark.
fn command_around(lines: &[Line<'_>], line: usize) -> (usize, usize) {
    let is_continued = |at: usize| {
        let text = ending(lines[at].text, 80).trim_end();
        text.ends_with(" \\")
            || text.ends_with(" `")
            || text.ends_with(" ^")
            || text.ends_with('|') && !text.trim_start().starts_with('|')
    };
    let is_within = |at: &usize| is_continued(*at) && lines[*at].is_code;
    let above = (0..line).rev().take(REACH).take_while(is_within).count();
    let below = (line..lines.len() - 1).take(REACH).take_while(is_within).count();
    (line - above, line + below)
}

/// Returns the URLs of endpoints in a line.
fn endpoints<'a>(line: &Line<'a>) -> impl Iterator<Item = Request<'a>> + use<'a> {
    let (text, is_code) = (line.text, line.is_code);
    // In prose, a path without a host is only the name of an endpoint.
    let is_start = ["POST ", "GET "]
        .iter()
        .any(|method| text.trim_start().starts_with(method));
    let names_path = move |start: usize| {
        let before = text[..start].chars().next_back();
        !is_start && !before.is_some_and(|c| "\"'".contains(c) || c == '`' && is_code)
    };
    text.match_indices("/oauth2/").filter_map(move |(at, mark)| {
        let rest = &text[at + mark.len()..];
        let (is_v2, rest) = match rest.strip_prefix("v2.0/") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let word = ["token", "authorize"].into_iter().find(|word| rest.starts_with(word))?;
        let after = &rest[word.len()..];
        let is_longer = after.starts_with(|c: char| c.is_ascii_alphanumeric() || "_-/.".contains(c));
        let ends_sentence = after
            .strip_prefix('.')
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        if is_longer && !ends_sentence {
            return None;
        }
        let before = ending(&text[..at], LONGEST_URL);
        let start = before
            .rfind(|c: char| c.is_whitespace() || "\"'`(|>,=".contains(c) || (c == '<' && !before.ends_with('>')))
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let start = at - before.len() + start;
        let end = text.len() - rest.len() + word.len();
        if start == at && names_path(start) {
            return None;
        }
        Some(Request {
            line: 0,
            at: start,
            url: &text[start..end],
            is_v2,
            is_token: word == "token",
            tenant: text[start..at].rsplit('/').next().unwrap_or_default(),
            params: Vec::new(),
        })
    })
}

/// Returns for each line true if it is part of a response, which also has `scope` and `resource`.
fn responses(lines: &[Line<'_>], requests: &[Request<'_>]) -> Vec<bool> {
    let is_member = |text: &str| RESPONSES.iter().any(|mark| text.contains(mark));
    let members: Vec<bool> = lines.iter().map(|line| is_member(line.text)).collect();
    let mut responses = vec![false; lines.len()];
    for at in (0..lines.len()).filter(|at| members[*at]) {
        let last = (at + NEAR_RESPONSE + 1).min(lines.len());
        responses[at.saturating_sub(NEAR_RESPONSE)..last].fill(true);
    }
    // A response continues from its first line up to the next request.
    let mut urls = requests.iter().map(|request| request.line).peekable();
    let mut is_open = false;
    for (at, line) in lines.iter().enumerate() {
        let text = line.text.trim_start();
        let has_url = urls.next_if_eq(&at).is_some();
        while urls.next_if(|line| *line <= at).is_some() {}
        is_open = (is_open || text.starts_with("HTTP/")) && !has_url && !line.is_fence && !text.starts_with("###");
        responses[at] |= is_open;
    }
    for request in requests {
        responses[request.line] = false;
    }
    responses
}

/// Members that show that a text is a response.
const RESPONSES: [&str; 5] = [
    "access_token\":",
    "access_token\" :",
    "token_type\":",
    "expires_in\":",
    "access_token':",
];
/// The number of lines around such a member that belong to the response.
const NEAR_RESPONSE: usize = 4;

/// The number of lines around a URL that may belong to its request.
pub(super) const REACH: usize = 30;

/// The most requests of a file that are checked.
const MOST: usize = 2000;

/// The most parameters of a request that are checked.
const MOST_PARAMS: usize = 100;

/// The longest part of a URL before the endpoint, in bytes.
const LONGEST_URL: usize = 512;
