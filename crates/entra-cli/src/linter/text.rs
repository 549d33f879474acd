//! A file as the rules see it: lines, the parameters in them, and the requests that they form.

use crate::linter::kind::Kind;
use crate::linter::line::{Line, beginning};
use crate::linter::param::{Param, Scanner};
use crate::linter::request::{Body, Request, requests_in};

/// A scanned file.
pub(crate) struct Text<'a> {
    pub(crate) kind: Kind,
    pub(crate) lines: Vec<Line<'a>>,
    pub(crate) requests: Vec<Request<'a>>,
    /// Bodies of requests with an unknown URL.
    pub(crate) bodies: Vec<Body<'a>>,
}

impl<'a> Text<'a> {
    pub(crate) fn new(name: &str, text: &'a str) -> Self {
        let kind = Kind::of(name, text);
        let has_fences = kind == Kind::Document && text.contains("```");
        let mut fence: Option<Kind> = None;
        let mut scanner = Scanner::default();
        let mut lines = Vec::new();
        for (index, whole) in lines_of(text).enumerate() {
            let trimmed = whole.trim_start();
            let is_fence = has_fences && trimmed.starts_with("```");
            if is_fence {
                let info = trimmed.trim_start_matches('`');
                fence = fence
                    .is_none()
                    .then(|| Kind::of_block(info))
                    .filter(|_| !info.contains('`'));
                scanner = Scanner::default();
            }
            let kind = fence.unwrap_or(kind);
            let mut column = 0;
            for part in parts_of(whole) {
                if let Some(Line { text, params, kind, .. }) = lines.last_mut() {
                    let last = params.iter_mut().rev().take(LAST_VALUES);
                    last.for_each(|param| param.read_below(text, part, *kind));
                }
                lines.push(Line {
                    text: part,
                    number: index + 1,
                    column,
                    params: scanner.params(part, kind),
                    kind,
                    is_code: !has_fences || (fence.is_some() && !is_fence),
                    is_fence,
                });
                column += part.chars().count();
            }
        }
        let (requests, bodies) = requests_in(&lines, kind);
        Self {
            kind,
            lines,
            requests,
            bodies,
        }
    }

    /// Returns the lines with their indices.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (usize, &Line<'a>)> {
        self.lines.iter().enumerate()
    }

    /// Returns the parameters with the indices of their lines.
    pub(crate) fn params(&self) -> impl Iterator<Item = (usize, &Param<'a>)> {
        self.numbered()
            .flat_map(|(at, line)| line.params.iter().map(move |param| (at, param)))
    }

    /// Returns true if any line contains one of these words.
    pub(crate) fn has_any(&self, words: &[&str]) -> bool {
        self.lines
            .iter()
            .any(|line| words.iter().any(|word| line.text.contains(word)))
    }
}

/// Returns the lines of a text. A line ends with LF, CR LF or CR.
fn lines_of(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text).filter(|text| !text.is_empty());
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\n', '\r']) else {
            rest = None;
            return Some(text);
        };
        let after = &text[end..];
        let after = &after[if after.starts_with("\r\n") { 2 } else { 1 }..];
        rest = Some(after).filter(|text| !text.is_empty());
        Some(&text[..end])
    })
}

/// Returns the parts of a line. Only a long line has several, so that the work for each is bounded.
fn parts_of(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let text = rest?;
        if text.len() <= LONGEST_PART {
            rest = None;
            return Some(text);
        }
        let most = beginning(text, LONGEST_PART);
        // A part ends at the end of a name or a value, if there is one in its second half.
        let near = most.len() - most.len().min(LONGEST_PART / 2);
        let is_apart = |byte: &u8| matches!(byte, b' ' | b',' | b';' | b'&' | b'}' | b'>');
        let end = most.as_bytes()[near..].iter().rposition(is_apart);
        let end = end.map_or(most.len(), |end| near + end + 1);
        rest = Some(&text[end..]);
        Some(&text[..end])
    })
}

/// The most parameters of a line whose values may continue on the next one.
const LAST_VALUES: usize = 4;

/// The greatest length of a part of a line, in bytes.
const LONGEST_PART: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_with_any_line_ending() {
        let all = |text| lines_of(text).collect::<Vec<_>>();
        assert_eq!(all("a\nb\r\nc\rd"), ["a", "b", "c", "d"]);
        assert_eq!(all("a\n\r\n\rb\n"), ["a", "", "", "b"]);
        assert_eq!(all("\n"), [""]);
        assert!(all("").is_empty());
    }

    #[test]
    fn long_lines_are_split_between_words() {
        for line in [
            "\u{e9}".repeat(30_000),
            "ab ".repeat(30_000),
            "a&b ".repeat(10),
            String::new(),
        ] {
            let parts: Vec<&str> = parts_of(&line).collect();
            assert_eq!(parts.concat(), line);
            assert!(parts.iter().all(|part| part.len() <= LONGEST_PART));
            assert!(!line.contains("ab ") || parts.iter().all(|part| part.ends_with(' ')));
        }
    }
}
