//! The outcome of each rule for one token, from the code that decides.

use std::fmt;

use crate::rejection::Rejection;
use crate::rule::Rule;

/// The outcome of each rule for one token. `Display` writes one line for each rule.
///
/// The rules after the first that fails are not reached: the content of a token that is not valid
/// means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    lines: Vec<(Rule, Outcome)>,
}

/// The outcome of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The token passed.
    Passed,
    /// The token failed.
    Failed(Rejection),
    /// An earlier rule failed, or the keys could not be fetched.
    NotReached,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            lines: Rule::ALL.iter().map(|rule| (*rule, Outcome::NotReached)).collect(),
        }
    }

    /// Returns each rule in order, with its outcome.
    pub fn lines(&self) -> impl Iterator<Item = (Rule, &Outcome)> {
        self.lines.iter().map(|(rule, outcome)| (*rule, outcome))
    }

    /// Returns true if every rule passed.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.lines.iter().all(|(_, outcome)| *outcome == Outcome::Passed)
    }

    /// Returns the rejection of the rule that failed.
    #[must_use]
    pub fn rejection(&self) -> Option<&Rejection> {
        self.lines.iter().find_map(|(_, outcome)| match outcome {
            Outcome::Failed(rejection) => Some(rejection),
            Outcome::Passed | Outcome::NotReached => None,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (rule, outcome) in self.lines() {
            let (id, name) = (rule.id(), rule.name());
            match outcome {
                Outcome::Passed => writeln!(f, "{id} {name:<11} pass: {}", rule.about())?,
                Outcome::Failed(rejection) => {
                    write!(f, "{id} {name:<11} FAIL: {}", rejection.problem())?;
                    match rejection.hint() {
                        Some(hint) => writeln!(f, "; {hint}")?,
                        None => writeln!(f)?,
                    }
                }
                Outcome::NotReached => writeln!(f, "{id} {name:<11} not reached")?,
            }
        }
        Ok(())
    }
}

/// A recorder of the outcome of each rule.
pub(crate) trait Log {
    fn note(&mut self, rule: Rule, outcome: &Result<(), Rejection>);
}

/// A recorder that discards the outcomes, for callers that need only the verdict.
pub(crate) struct Silent;

impl Log for Silent {
    fn note(&mut self, _: Rule, _: &Result<(), Rejection>) {}
}

impl Log for Report {
    fn note(&mut self, rule: Rule, outcome: &Result<(), Rejection>) {
        if let Some(line) = self.lines.iter_mut().find(|(of, _)| *of == rule) {
            line.1 = match outcome {
                Ok(()) => Outcome::Passed,
                Err(rejection) => Outcome::Failed(rejection.clone()),
            };
        }
    }
}
