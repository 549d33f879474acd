//! The error about an input of the caller.

use std::fmt;

use crate::printable::excerpt;
use crate::secrecy::may_be_secret;

/// Something the caller gave that cannot be sent: what it is, what is wrong with it, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError {
    field: &'static str,
    value: Option<String>,
    problem: String,
    advice: Option<String>,
}

impl InputError {
    /// What is wrong with this input.
    #[must_use]
    pub fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self {
            field,
            value: None,
            problem: problem.into(),
            advice: None,
        }
    }

    /// Shows the value, cut and escaped, unless it may be a secret that was put into the wrong place.
    pub(crate) fn value(mut self, value: &str) -> Self {
        self.value = quotable(value);
        self
    }

    /// What to do instead.
    #[must_use]
    pub fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Which input it is about: `tenant`, `scope`, `client id` and so on.
    #[must_use]
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// Returns what is wrong, without [what to do instead](Self::hint).
    #[must_use]
    pub fn problem(&self) -> String {
        match &self.value {
            Some(value) => format!("{} \"{value}\" {}", self.field, self.problem),
            None => format!("{} {}", self.field, self.problem),
        }
    }

    /// Returns what to do instead, where that can be told.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.advice.as_deref()
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&both(&self.problem(), self.hint()))
    }
}

impl std::error::Error for InputError {}

/// A problem and what to do about it, as `Display` shows them.
pub(crate) fn both(problem: &str, hint: Option<&str>) -> String {
    match hint {
        Some(hint) => format!("{problem}; {hint}"),
        None => problem.to_owned(),
    }
}

/// A refused value as an error may show it, cut and escaped; `None` where it may be a secret.
pub(crate) fn quotable(value: &str) -> Option<String> {
    (!may_be_secret(value)).then(|| excerpt(value, SHOWN))
}

/// How many characters of a refused value an error shows.
const SHOWN: usize = 100;
