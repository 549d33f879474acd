//! A line of a file, with its parameters.

use crate::linter::kind::Kind;
use crate::linter::param::{Param, Shape};
use crate::linter::work;

/// A line, or a part of a very long line.
pub(crate) struct Line<'a> {
    pub(crate) text: &'a str,
    /// The number of the line, from 1.
    pub(crate) number: usize,
    /// The number of characters of the line before this part.
    pub(crate) column: usize,
    pub(crate) params: Vec<Param<'a>>,
    /// The kind of the file, or of the block of code in a document.
    pub(crate) kind: Kind,
    /// True for code. In a document, true only inside blocks of code.
    pub(crate) is_code: bool,
    /// True if the line opens or closes a block of code.
    pub(crate) is_fence: bool,
}

impl Line<'_> {
    /// Returns true if the line has several form parameters, like the body of a request.
    pub(crate) fn is_form(&self) -> bool {
        let forms = self
            .params
            .iter()
            .filter(|param| param.shape == Shape::Form && param.wire.is_some());
        forms.count() > 1 || (self.text.trim_start().starts_with('&') && !self.params.is_empty())
    }
}

/// Returns the beginning of a text, of at most this many bytes.
pub(crate) fn beginning(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    work::count(end);
    &text[..end]
}

/// Returns the end of a text, of at most this many bytes.
pub(crate) fn ending(text: &str, most: usize) -> &str {
    let mut start = text.len().saturating_sub(most);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    work::count(text.len() - start);
    &text[start..]
}
