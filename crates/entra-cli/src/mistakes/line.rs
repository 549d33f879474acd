//! A line of a file, with the parameters in it.

use crate::mistakes::kind::Kind;
use crate::mistakes::param::{Param, Shape};

/// A line, or a part of one that is longer than anybody writes.
pub(crate) struct Line<'a> {
    pub(crate) text: &'a str,
    /// The number of the line, from 1.
    pub(crate) number: usize,
    /// The number of characters of the line before this part.
    pub(crate) column: usize,
    pub(crate) params: Vec<Param<'a>>,
    /// The kind of the file; of a block of code in a document, the kind of the block.
    pub(crate) kind: Kind,
    /// Whether it is code: in a document, only what stands in a block of code.
    pub(crate) is_code: bool,
    /// Whether it opens or closes a block of code.
    pub(crate) is_fence: bool,
}

impl Line<'_> {
    /// Whether several parameters of a form stand in it, as in the body of a request.
    pub(crate) fn is_form(&self) -> bool {
        let forms = self
            .params
            .iter()
            .filter(|param| param.shape == Shape::Form && param.wire.is_some());
        forms.count() > 1 || (self.text.trim_start().starts_with('&') && !self.params.is_empty())
    }
}

/// The beginning of a text, of at most this many bytes.
pub(crate) fn beginning(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The last part of a text, of at most this many bytes.
pub(crate) fn ending(text: &str, most: usize) -> &str {
    let mut start = text.len().saturating_sub(most);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}
