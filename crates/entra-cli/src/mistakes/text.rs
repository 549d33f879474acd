//! A file as the rules see it: lines, the parameters in them, and the requests that they make up.

use crate::mistakes::param::{Param, Shape, params_in};
use crate::mistakes::request::{Request, requests_in};

/// A file, whole or in part.
pub(crate) struct Text<'a> {
    pub(crate) kind: Kind,
    pub(crate) lines: Vec<Line<'a>>,
    pub(crate) requests: Vec<Request<'a>>,
}

pub(crate) struct Line<'a> {
    pub(crate) text: &'a str,
    pub(crate) params: Vec<Param<'a>>,
    /// Whether it is code: in a document, only what stands in a block of code.
    pub(crate) is_code: bool,
}

/// What a file is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// HTML or XML, in which `&amp;` is right.
    Markup,
    /// A document with code in it.
    Document,
    /// Settings, such as a `.env` file.
    Settings,
    Code,
}

impl<'a> Text<'a> {
    pub(crate) fn new(name: &str, text: &'a str) -> Self {
        let kind = Kind::of(name, text);
        let has_fences = text.contains("```");
        let mut in_fence = false;
        let mut lines = Vec::new();
        for line in text.lines() {
            let line = bounded(line);
            let is_fence = line.trim_start().starts_with("```");
            in_fence ^= is_fence;
            lines.push(Line {
                text: line,
                params: params_in(line),
                is_code: kind != Kind::Document || !has_fences || (in_fence && !is_fence),
            });
        }
        let requests = requests_in(&lines, kind);
        Self { kind, lines, requests }
    }

    /// The lines with their indices.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (usize, &Line<'a>)> {
        self.lines.iter().enumerate()
    }

    /// The parameters with the indices of their lines.
    pub(crate) fn params(&self) -> impl Iterator<Item = (usize, &Param<'a>)> {
        self.numbered()
            .flat_map(|(at, line)| line.params.iter().map(move |param| (at, param)))
    }

    /// Whether a line has one of these words.
    pub(crate) fn has_any(&self, words: &[&str]) -> bool {
        self.lines
            .iter()
            .any(|line| words.iter().any(|word| line.text.contains(word)))
    }
}

impl Line<'_> {
    /// Whether several parameters of a form stand in it, as in the body of a request.
    pub(crate) fn is_form(&self) -> bool {
        let forms = self
            .params
            .iter()
            .filter(|param| param.shape == Shape::Form && param.wire_name().is_some());
        forms.count() > 1 || (self.text.trim_start().starts_with('&') && !self.params.is_empty())
    }
}

impl Kind {
    fn of(name: &str, text: &str) -> Self {
        let name = name.rsplit(['/', '\\']).next().unwrap_or_default().to_ascii_lowercase();
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        match extension {
            "html" | "htm" | "xhtml" | "xml" | "svg" | "jsp" | "cshtml" | "razor" | "csproj" | "config" => Self::Markup,
            "md" | "markdown" | "mdx" | "txt" | "rst" | "adoc" => Self::Document,
            "env" | "json" | "jsonc" | "yaml" | "yml" | "toml" | "ini" | "properties" | "cfg" | "conf" | "tfvars" => {
                Self::Settings
            }
            _ if name.starts_with(".env") => Self::Settings,
            // Standard input.
            "" if text.contains("```") => Self::Document,
            _ => Self::Code,
        }
    }
}

/// A line without what makes it longer than anybody writes.
fn bounded(line: &str) -> &str {
    if line.len() <= LONGEST_LINE {
        return line;
    }
    let end = (0..=LONGEST_LINE)
        .rev()
        .find(|end| line.is_char_boundary(*end))
        .unwrap_or(0);
    &line[..end]
}

/// How much of a line is looked at, in bytes.
const LONGEST_LINE: usize = 16 * 1024;
