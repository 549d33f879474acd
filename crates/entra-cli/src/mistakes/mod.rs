//! The classic mistakes of applications for Entra, found in code, configuration and documents without a parser of any language.
//!
//! A rule is a member of [`RULES`]. It sees lines, the parameters in them and the requests that they make up ([`text::Text`]). The work
//! is linear in the file: what is looked at around a place is bounded.

mod kind;
mod param;
mod request;
mod rules;
mod text;
mod walk;

use std::borrow::Cow;

pub(crate) use self::rules::RULES;
pub(crate) use self::walk::{Skipped, inputs};
use crate::files::excerpt;
use crate::mistakes::text::Text;
use crate::suspects::looks_secret;

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
        self.note(line, byte, None, None);
    }

    /// Notes a place, with words of its own. What they repeat of the file is [`shown`].
    fn told(&mut self, line: usize, byte: usize, problem: String, instead: impl Into<Option<String>>) {
        self.note(line, byte, Some(problem), instead.into());
    }

    fn note(&mut self, line: usize, byte: usize, problem: Option<String>, instead: Option<String>) {
        if self.0.len() < MOST * 8 {
            self.0.push((line, byte, problem, instead));
        }
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// Looks for the mistakes in a text. `allowed` are the rules that are not looked at.
pub(crate) fn check(name: &str, text: &str, allowed: &[String]) -> Vec<Finding> {
    let text = Text::new(name, text);
    let allowances = allowances(&text);
    let mut found = Vec::new();
    for rule in RULES.iter().filter(|rule| !allowed.iter().any(|id| id == rule.id)) {
        let mut findings = Findings::default();
        (rule.check)(&text, &mut findings);
        findings
            .0
            .retain(|(line, ..)| !is_allowed(&allowances, text.lines[*line].number, rule.id));
        // A document says the same thing on a line once.
        findings.0.sort_by_key(|(line, byte, ..)| (*line, *byte));
        findings
            .0
            .dedup_by_key(|(line, _, problem, _)| (text.lines[*line].number, problem.clone()));
        findings.0.truncate(MOST);
        for (line, byte, problem, instead) in findings.0 {
            let line = &text.lines[line];
            let before = line.text.get(..byte).unwrap_or(line.text);
            found.push(Finding {
                rule,
                line: line.number,
                column: line.column + before.chars().count() + 1,
                problem: problem.map_or(Cow::Borrowed(rule.title), Cow::Owned),
                instead: instead.map_or(Cow::Borrowed(rule.instead), Cow::Owned),
            });
        }
    }
    found.sort_by_key(|finding| (finding.line, finding.column));
    found
}

/// A part of the file as a finding may repeat it: short, and without what may be a secret.
fn shown(text: &str, limit: usize) -> String {
    if looks_secret(text) {
        "[not shown]".to_owned()
    } else {
        excerpt(text, limit)
    }
}

/// What the file allows, in the order of its lines: `entra-lint: allow RULE`.
fn allowances<'a>(text: &Text<'a>) -> Vec<(usize, &'a str)> {
    let lines = text.lines.iter();
    lines
        .filter_map(|line| Some((line.number, line.text.split_once(ALLOW)?.1)))
        .collect()
}

/// Whether the file allows it, in the line or the one above it.
fn is_allowed(allowances: &[(usize, &str)], line: usize, rule: &str) -> bool {
    let first = allowances.partition_point(|(at, _)| at + 1 < line);
    let mut near = allowances[first..].iter().take_while(|(at, _)| *at <= line);
    near.any(|(_, rules)| {
        let mut words = rules.split(|c: char| c.is_whitespace() || c == ',');
        words.any(|word| word == rule)
    })
}

const ALLOW: &str = "entra-lint: allow ";

/// The number of findings of a rule that are reported of one file.
const MOST: usize = 200;
