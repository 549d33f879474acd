//! Pairs URLs with the bodies near them.
//!
//! A file has all its bodies on the same side of their URLs: `url = ..; data = ..; post(url, data)`
//! or `body = ..; fetch(url, body)`. The first of both in a function, a chapter or a block of code
//! shows which side it is.

use std::collections::HashSet;
use std::mem::take;

use crate::linter::kind::Kind;
use crate::linter::line::Line;
use crate::linter::request::{REACH, Request};
use crate::linter::work;

/// An item of a file that matters for pairing. Events are in the order of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The URL of the request with this index, which has no parameters yet.
    Url(usize),
    /// The index of a line with parameters that are sent.
    Body(usize),
    /// A certain separator of requests.
    Break,
    /// The beginning of a function. The function may use a constant above it.
    Function,
    /// A mark after which bodies are below their URLs.
    Below,
}

/// The result of pairing: the lines of each request, and the bodies without a URL.
#[derive(Default)]
pub(super) struct Groups {
    /// The index of a request, and its lines.
    pub(super) of_requests: Vec<(usize, Vec<usize>)>,
    pub(super) others: Vec<Vec<usize>>,
    requests: HashSet<usize>,
    lines: HashSet<usize>,
}

impl Event {
    pub(super) fn all(lines: &[Line<'_>], kind: Kind, requests: &[Request<'_>], bodies: &[bool]) -> Vec<Self> {
        let mut events = Vec::new();
        let mut urls = requests.iter().enumerate().peekable();
        let closed = blocks_with_both(lines, requests, bodies);
        let is_prose = kind == Kind::Document && lines.iter().any(|line| line.is_fence);
        for (at, line) in lines.iter().enumerate() {
            let text = line.text.trim_start();
            if line.is_fence && closed.contains(&at) {
                events.push(Self::Break);
            }
            if is_prose && line.is_fence && !closed.contains(&at)
                || (is_prose && events.last() == Some(&Self::Break) && !line.is_code)
            {
                events.push(Self::Below);
            }
            let is_chapter = kind == Kind::Document && !line.is_code && text.starts_with('#');
            if is_chapter || text.starts_with("HTTP/") || text.starts_with("###") {
                events.push(Self::Break);
                if is_prose {
                    events.push(Self::Below);
                }
            } else if line.is_code && begins_function(text) {
                events.push(Self::Function);
            }
            let is_start = ["POST ", "GET "].iter().any(|method| text.starts_with(method));
            while let Some((index, request)) = urls.next_if(|(_, request)| request.line == at) {
                if is_start {
                    events.extend([Self::Break, Self::Below]);
                }
                events.push(if request.params.is_empty() {
                    Self::Url(index)
                } else {
                    Self::Break
                });
            }
            if bodies[at] {
                events.push(Self::Body(at));
            }
        }
        events
    }
}

/// Pairs the lines with their requests.
pub(super) fn pair(events: &[Event], requests: &[Request<'_>], lines: &[Line<'_>]) -> Groups {
    let pairing = Pairing { requests, lines };
    let mut groups = Groups::default();
    let mut left = Vec::new();
    for part in events.split_inclusive(|event| matches!(event, Event::Break | Event::Function)) {
        let before = groups.of_requests.len();
        pairing.part(part, &mut groups);
        if groups.of_requests.len() > before {
            left.push(Event::Break);
        }
        left.extend(part.iter().filter_map(|event| match event {
            Event::Url(index) if groups.requests.contains(index) => None,
            // Functions may use a constant above them.
            Event::Url(index) if is_constant(lines[requests[*index].line].text) => Some(*event),
            Event::Body(line) if groups.lines.contains(line) => None,
            Event::Body(_) => Some(*event),
            Event::Break | Event::Url(_) => Some(Event::Break),
            Event::Function | Event::Below => None,
        }));
    }
    for part in left.split(|event| *event == Event::Break) {
        if matches!(part.first(), Some(Event::Url(_))) {
            pairing.part(part, &mut groups);
        }
        let bodies = part.iter().filter_map(|event| match event {
            Event::Body(line) if !groups.lines.contains(line) => Some(*line),
            _ => None,
        });
        let bodies: Vec<usize> = bodies.collect();
        let mut rest = &bodies[..];
        while let Some(first) = rest.first() {
            let found = pairing.body(*first, rest.iter().copied(), NEAR);
            rest = &rest[found.len().max(1)..];
            groups.others.push(found);
        }
    }
    groups
}

struct Pairing<'r, 'a> {
    requests: &'r [Request<'a>],
    lines: &'r [Line<'a>],
}

impl Pairing<'_, '_> {
    /// Pairs the URLs and bodies of a function, a chapter or a block of code.
    fn part(&self, part: &[Event], groups: &mut Groups) {
        let is_below = part.contains(&Event::Below);
        let first = part
            .iter()
            .find(|event| matches!(event, Event::Url(_) | Event::Body(_)));
        let is_below = is_below || matches!(first, Some(Event::Url(_)));
        let mut urls: Vec<usize> = Vec::new();
        let mut bodies: Vec<usize> = Vec::new();
        for event in part {
            match event {
                Event::Url(_) if is_below && !bodies.is_empty() => {
                    self.join(&take(&mut urls), take(&mut bodies), is_below, groups);
                }
                Event::Body(_) if !is_below && !urls.is_empty() => {
                    self.join(&take(&mut urls), take(&mut bodies), is_below, groups);
                }
                _ => {}
            }
            match event {
                Event::Url(index) => urls.push(*index),
                Event::Body(line) if !is_below || !urls.is_empty() => bodies.push(*line),
                _ => {}
            }
        }
        self.join(&urls, bodies, is_below, groups);
    }

    fn join(&self, urls: &[usize], mut bodies: Vec<usize>, is_below: bool, groups: &mut Groups) {
        let (Some(first), Some(last)) = (urls.first(), urls.last()) else {
            return;
        };
        let start = if is_below {
            self.requests[*last].line
        } else {
            bodies.reverse();
            self.requests[*first].line
        };
        let mut found = self.body(start, bodies.into_iter(), REACH);
        found.sort_unstable();
        if let Some(url) = self.url_of(urls, &found).filter(|_| !found.is_empty()) {
            groups.requests.insert(url);
            groups.lines.extend(&found);
            groups.of_requests.push((url, found));
        }
    }

    /// Returns the lines of one body, from the nearest one on. It ends before a repeated parameter,
    /// because a request has each parameter once. Only items of a list repeat their name.
    fn body(&self, start: usize, lines: impl Iterator<Item = usize>, reach: usize) -> Vec<usize> {
        let mut found = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        let mut last = start;
        for line in lines {
            work::count(1 + self.lines[line].params.len());
            let params = self.lines[line].params.iter();
            let own = params.filter(|param| param.is_sent() && !param.is_item);
            let own: Vec<&str> = own
                .filter_map(|param| param.wire)
                .filter(|name| *name != "code")
                .collect();
            let is_again = own.iter().any(|name| names.contains(name));
            if is_again || line.abs_diff(start) > REACH || line.abs_diff(last) > reach {
                break;
            }
            names.extend(own);
            found.push(line);
            last = line;
        }
        found
    }

    /// Returns the URL for this body, out of several URLs. It is unknown if there are two different
    /// token endpoints.
    fn url_of(&self, urls: &[usize], body: &[usize]) -> Option<usize> {
        if let [only] = urls {
            return Some(*only);
        }
        let params = || body.iter().flat_map(|line| &self.lines[*line].params);
        let is_token = !params().any(|param| param.wire == Some("response_type"));
        let mut same = urls.iter().filter(|url| self.requests[**url].is_token == is_token);
        let last = same.next_back()?;
        let is_same = |url: &usize| self.requests[*url].is_v2 == self.requests[*last].is_v2;
        same.all(is_same).then_some(*last)
    }
}

/// Returns the lines that open or close a block of code with both a URL and a body.
fn blocks_with_both(lines: &[Line<'_>], requests: &[Request<'_>], bodies: &[bool]) -> HashSet<usize> {
    let fences: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].is_fence).collect();
    let mut urls = requests.iter().peekable();
    let mut found = HashSet::new();
    for pair in fences.chunks(2) {
        let [open, close] = pair else { continue };
        while urls.next_if(|request| request.line < *open).is_some() {}
        let mut has_url = false;
        while urls.next_if(|request| request.line < *close).is_some() {
            has_url = true;
        }
        if has_url && bodies[*open..*close].contains(&true) {
            found.extend(pair);
        }
    }
    found
}

/// Returns true if a line defines a constant.
fn is_constant(text: &str) -> bool {
    !text.starts_with([' ', '\t'])
        || ["const ", "static ", "final ", "readonly "]
            .iter()
            .any(|word| text.contains(word))
}

/// Returns true if a function or a test begins in a line.
fn begins_function(text: &str) -> bool {
    const WORDS: [&str; 18] = [
        "fn ",
        "pub fn ",
        "pub(crate) fn ",
        "async fn ",
        "pub async fn ",
        "def ",
        "async def ",
        "class ",
        "func ",
        "fun ",
        "function ",
        "async function ",
        "export function ",
        "export async ",
        "export default ",
        "it(",
        "test(",
        "describe(",
    ];
    const MODIFIERS: [&str; 5] = ["public ", "private ", "protected ", "internal ", "static "];
    let is_method = || text.contains('(') && !text.trim_end().ends_with(';');
    WORDS.iter().any(|word| text.starts_with(word))
        || MODIFIERS.iter().any(|word| text.starts_with(word)) && is_method()
        || ["#[test]", "#[tokio::test", "@Test", "[Fact]", "[Test"]
            .iter()
            .any(|word| text.starts_with(word))
}

/// The most lines between two parameters of a body without a URL.
const NEAR: usize = 3;
