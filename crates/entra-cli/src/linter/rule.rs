//! The definition of a rule, and the collection of its findings.

use crate::files::excerpt;
use crate::linter::text::Text;
use crate::secret_detection::looks_secret;

/// A rule that a file can violate.
pub(crate) struct Rule {
    pub(crate) id: &'static str,
    pub(crate) level: Level,
    /// The problem, in a few words.
    pub(crate) title: &'static str,
    /// The text to write instead.
    pub(crate) instead: &'static str,
    /// The reason, with the error of the service.
    pub(crate) why: &'static str,
    pub(super) check: fn(&Text<'_>, &mut Findings),
}

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// The code does not work, or is not secure.
    Problem,
    /// The code works, but there is a better way.
    Note,
}

impl Level {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Note => "note",
        }
    }
}

/// The findings of one rule: the index of the line, the byte in the line, and texts that replace
/// those of the rule.
#[derive(Default)]
pub(crate) struct Findings(pub(super) Vec<(usize, usize, Option<String>, Option<String>)>);

impl Findings {
    /// Adds a finding with the texts of the rule.
    pub(super) fn add(&mut self, line: usize, byte: usize) {
        self.push(line, byte, None, None);
    }

    /// Adds a finding with its own texts. Parts of the file in them must be [`shown`].
    pub(super) fn add_with(&mut self, line: usize, byte: usize, problem: String, instead: impl Into<Option<String>>) {
        self.push(line, byte, Some(problem), instead.into());
    }

    fn push(&mut self, line: usize, byte: usize, problem: Option<String>, instead: Option<String>) {
        if self.0.len() < MOST * 8 {
            self.0.push((line, byte, problem, instead));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Returns a part of the file as a finding can show it: shortened, and redacted if it looks like a
/// secret.
pub(super) fn shown(text: &str, limit: usize) -> String {
    if looks_secret(text) {
        "[not shown]".to_owned()
    } else {
        excerpt(text, limit)
    }
}

/// The most findings of one rule that are reported for one file.
pub(super) const MOST: usize = 200;
