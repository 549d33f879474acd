//! The report of a run.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) lines: Vec<Line>,
}

#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) took: Duration,
    pub(crate) outcome: Ended,
}

impl Report {
    /// The names of the cases that passed.
    pub fn passed(&self) -> impl Iterator<Item = &'static str> {
        self.lines
            .iter()
            .filter(|line| line.outcome == Ok(None))
            .map(|line| line.name)
    }

    /// The names of the cases that this machine cannot show, each with the reason.
    pub fn skipped(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.lines
            .iter()
            .filter_map(|line| Some((line.name, line.outcome.as_ref().ok().copied().flatten()?)))
    }

    /// The names of the cases that failed, each with what was seen.
    pub fn failed(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.lines
            .iter()
            .filter_map(|line| Some((line.name, line.outcome.as_ref().err()?.as_str())))
    }

    /// # Panics
    /// If any case failed: the message lists them all. A case that is skipped only says so, because nothing can be installed
    /// that would make this machine show it.
    pub fn assert(&self) {
        assert!(self.failed().next().is_none(), "\n{self}");
        for (name, why) in self.skipped() {
            // Not by `eprintln!`, which the test harness keeps to itself.
            let _ = writeln!(io::stderr(), "{name}: SKIPPED: {why}");
        }
    }

    /// Adds the cases of another run.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.lines.extend(other.lines);
        self
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line { name, took, outcome } in &self.lines {
            let milliseconds = took.as_millis();
            match outcome {
                Ok(None) => writeln!(f, "ok      {milliseconds:5} ms  {name}")?,
                Ok(Some(why)) => writeln!(f, "SKIPPED {milliseconds:5} ms  {name}: {why}")?,
                Err(seen) => writeln!(f, "FAILED  {milliseconds:5} ms  {name}: {seen}")?,
            }
        }
        write!(f, "{} cases, {} failed", self.lines.len(), self.failed().count())
    }
}

/// `Ok` holds the reason where the case was skipped.
pub(crate) type Ended = Result<Option<&'static str>, String>;
