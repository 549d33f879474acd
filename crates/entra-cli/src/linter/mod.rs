//! Finds common Entra errors in code, configuration and documents, without parsing any language.
//!
//! A rule is an item of [`RULES`]. It sees lines, the parameters in them, and the requests that
//! they form ([`text::Text`]). The work is linear in the length of the file, because each rule
//! reads a bounded text around a position.

mod kind;
mod line;
mod param;
mod request;
mod rule;
mod rules;
mod text;
mod walk;
mod work;

use std::borrow::Cow;

pub(crate) use self::rule::{Level, Rule};
pub(crate) use self::rules::RULES;
pub(crate) use self::walk::{Skipped, inputs};
use crate::linter::rule::{Findings, MOST};
use crate::linter::text::Text;

/// A violation of a rule, with its position in the file.
pub(crate) struct Finding {
    pub(crate) rule: &'static Rule,
    /// The number of the line, from 1.
    pub(crate) line: usize,
    /// The column in characters, from 1.
    pub(crate) column: usize,
    /// The problem. It never repeats a secret of the file.
    pub(crate) problem: Cow<'static, str>,
    /// The text to write instead.
    pub(crate) instead: Cow<'static, str>,
}

/// Checks a text with all rules except those in `allowed`.
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
        // Each problem is reported once per line.
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

/// Returns the comments `entra-lint: allow RULE` of a file, in the order of their lines.
fn allowances<'a>(text: &Text<'a>) -> Vec<(usize, &'a str)> {
    let lines = text.lines.iter();
    lines
        .filter_map(|line| Some((line.number, line.text.split_once(ALLOW)?.1)))
        .collect()
}

/// Returns true if a comment in the line or in the line above it allows the rule.
fn is_allowed(allowances: &[(usize, &str)], line: usize, rule: &str) -> bool {
    let first = allowances.partition_point(|(at, _)| at + 1 < line);
    let mut near = allowances[first..].iter().take_while(|(at, _)| *at <= line);
    near.any(|(_, rules)| {
        let mut words = rules.split(|c: char| c.is_whitespace() || c == ',');
        words.any(|word| word == rule)
    })
}

const ALLOW: &str = "entra-lint: allow ";
