//! The classic mistakes of applications for Entra, found in code, configuration and documents without a parser of any language.
//!
//! A rule is a row of [`RULES`]. It sees lines, the parameters in them and the requests that they make up ([`text::Text`]).

mod param;
mod request;
mod rules;
mod text;
mod walk;

use std::borrow::Cow;

pub(crate) use self::rules::RULES;
pub(crate) use self::walk::{Skipped, inputs};
use crate::mistakes::text::Text;

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
    check: fn(&Text<'_>, &mut Findings),
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

/// A place where a rule is broken.
pub(crate) struct Finding {
    pub(crate) rule: &'static Rule,
    /// From 1.
    pub(crate) line: usize,
    /// In characters, from 1.
    pub(crate) column: usize,
    /// What is wrong there. It repeats no secret of the file.
    pub(crate) problem: Cow<'static, str>,
    pub(crate) instead: Cow<'static, str>,
}

/// What the rule at work found: the place as an index of a line and bytes in it.
#[derive(Default)]
pub(crate) struct Findings(Vec<(usize, usize, Option<String>, Option<String>)>);

impl Findings {
    /// Notes a place, with the words of the rule.
    fn at(&mut self, line: usize, byte: usize) {
        self.0.push((line, byte, None, None));
    }

    /// Notes a place, with words of its own.
    fn told(&mut self, line: usize, byte: usize, problem: String, instead: impl Into<Option<String>>) {
        self.0.push((line, byte, Some(problem), instead.into()));
    }
}

/// Looks for the mistakes in a text. `allowed` are the rules that are not looked at.
pub(crate) fn check(name: &str, text: &str, allowed: &[String]) -> Vec<Finding> {
    let text = Text::new(name, text);
    let mut found = Vec::new();
    for rule in RULES.iter().filter(|rule| !allowed.iter().any(|id| id == rule.id)) {
        let mut findings = Findings::default();
        (rule.check)(&text, &mut findings);
        // A document says the same thing on a line once.
        findings.0.sort_by_key(|(line, byte, ..)| (*line, *byte));
        findings
            .0
            .dedup_by_key(|(line, _, problem, _)| (*line, problem.clone()));
        findings.0.truncate(MOST);
        for (line, byte, problem, instead) in findings.0 {
            if is_allowed(&text, line, rule.id) {
                continue;
            }
            let whole = text.lines[line].text;
            let before = whole.get(..byte).unwrap_or(whole);
            found.push(Finding {
                rule,
                line: line + 1,
                column: before.chars().count() + 1,
                problem: problem.map_or(Cow::Borrowed(rule.title), Cow::Owned),
                instead: instead.map_or(Cow::Borrowed(rule.instead), Cow::Owned),
            });
        }
    }
    found.sort_by_key(|finding| (finding.line, finding.column));
    found
}

/// Whether the file allows it: `entra-lint: allow RULE` in the line or the one above it.
fn is_allowed(text: &Text<'_>, line: usize, rule: &str) -> bool {
    let allows = |line: usize| {
        let behind = text.lines.get(line).and_then(|line| line.text.split_once(ALLOW));
        behind.is_some_and(|(_, rules)| {
            rules
                .split(|c: char| c.is_whitespace() || c == ',')
                .any(|word| word == rule)
        })
    };
    allows(line) || line > 0 && allows(line - 1)
}

const ALLOW: &str = "entra-lint: allow ";

/// How many findings of a rule are told of one file.
const MOST: usize = 200;
