//! URLs and the bodies near them: which belong together.
//!
//! A file puts all its bodies on the same side of the URLs: `url = ..; data = ..; post(url, data)`, or `body = ..; fetch(url, body)`.
//! What stands first in a function, a chapter or a block of code tells which side it is.

use std::collections::HashSet;
use std::mem::take;

use crate::mistakes::kind::Kind;
use crate::mistakes::line::Line;
use crate::mistakes::request::{REACH, Request};

/// Something in a file that matters here, in the order of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The URL of the request with this index, which has no parameters yet.
    Url(usize),
    /// The index of a line with parameters that are sent.
    Body(usize),
    /// What separates requests for certain.
    Break,
    /// The beginning of a function. A constant above it may be used in it.
    Function,
    /// Behind this, bodies stand below their URLs.
    Below,
}

/// The lines that belong together.
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

/// Returns which lines belong to which request.
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
            // A constant above the functions is used in them.
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
    /// Puts the URLs and bodies of a function, a chapter or a block of code together.
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
                    self.put_together(&take(&mut urls), take(&mut bodies), is_below, groups);
                }
                Event::Body(_) if !is_below && !urls.is_empty() => {
                    self.put_together(&take(&mut urls), take(&mut bodies), is_below, groups);
                }
                _ => {}
            }
            match event {
                Event::Url(index) => urls.push(*index),
                Event::Body(line) if !is_below || !urls.is_empty() => bodies.push(*line),
                _ => {}
            }
        }
        self.put_together(&urls, bodies, is_below, groups);
    }

    fn put_together(&self, urls: &[usize], mut bodies: Vec<usize>, is_below: bool, groups: &mut Groups) {
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

    /// The lines of one body, from the nearest one on: a request has each parameter once.
    fn body(&self, start: usize, lines: impl Iterator<Item = usize>, reach: usize) -> Vec<usize> {
        let mut found = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        let mut last = start;
        for line in lines {
            let own = self.lines[line].params.iter().filter(|param| param.is_sent());
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

    /// Of several URLs that stand together, the one that takes this body. With two token endpoints, that is not known.
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

/// The lines that open and close blocks of code with both a URL and a body in them.
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

/// Whether a line is the definition of a constant.
fn is_constant(text: &str) -> bool {
    !text.starts_with([' ', '\t'])
        || ["const ", "static ", "final ", "readonly "]
            .iter()
            .any(|word| text.contains(word))
}

/// Whether a function or a test begins in a line.
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

/// The number of lines without parameters that may stand inside a body without a URL.
const NEAR: usize = 3;
