//! What a rule is, and what it finds.

use crate::files::excerpt;
use crate::mistakes::text::Text;
use crate::secret_detection::looks_secret;

/// A mistake that is looked for.
pub(crate) struct Rule {
    pub(crate) id: &'static str,
    pub(crate) level: Level,
    /// What is wrong, in a few words.
    pub(crate) title: &'static str,
    /// What to write instead.
    pub(crate) instead: &'static str,
    /// Why it is wrong, and what the service says.
    pub(crate) why: &'static str,
    pub(super) check: fn(&Text<'_>, &mut Findings),
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// It does not work, or it is not safe.
    Problem,
    /// It works, and there is something better.
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

/// What the rule at work found: the place as an index of a line and bytes in it.
#[derive(Default)]
pub(crate) struct Findings(pub(super) Vec<(usize, usize, Option<String>, Option<String>)>);

impl Findings {
    /// Notes a place, with the words of the rule.
    pub(super) fn at(&mut self, line: usize, byte: usize) {
        self.note(line, byte, None, None);
    }

    /// Notes a place, with words of its own. What they repeat of the file is [`shown`].
    pub(super) fn told(&mut self, line: usize, byte: usize, problem: String, instead: impl Into<Option<String>>) {
        self.note(line, byte, Some(problem), instead.into());
    }

    fn note(&mut self, line: usize, byte: usize, problem: Option<String>, instead: Option<String>) {
        if self.0.len() < MOST * 8 {
            self.0.push((line, byte, problem, instead));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// A part of the file as a finding may repeat it: short, and without what may be a secret.
pub(super) fn shown(text: &str, limit: usize) -> String {
    if looks_secret(text) {
        "[not shown]".to_owned()
    } else {
        excerpt(text, limit)
    }
}

/// The number of findings of a rule that are reported of one file.
pub(super) const MOST: usize = 200;
