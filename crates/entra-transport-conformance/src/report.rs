//! The report of a run.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

/// The outcome of a run: each case passed, failed or was skipped.
///
/// `Display` lists all cases with their time.
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
    /// Returns the names of the cases that passed.
    pub fn passed(&self) -> impl Iterator<Item = &'static str> {
        self.lines
            .iter()
            .filter(|line| line.outcome == Ok(None))
            .map(|line| line.name)
    }

    /// Returns the names of the cases that this machine cannot run, each with the reason.
    pub fn skipped(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.skips().map(|(name, skip)| (name, skip.why))
    }

    fn skips(&self) -> impl Iterator<Item = (&'static str, Skip)> {
        self.lines
            .iter()
            .filter_map(|line| Some((line.name, line.outcome.as_ref().ok().copied().flatten()?)))
    }

    /// Returns the names of the cases that failed, each with the finding.
    pub fn failed(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.lines
            .iter()
            .filter_map(|line| Some((line.name, line.outcome.as_ref().err()?.as_str())))
    }

    /// Checks that no case failed, and prints the skipped cases to standard error.
    ///
    /// # Panics
    /// Panics if a case failed, with a list of all cases. If the variable `CI` is set, panics if a
    /// case was skipped as well, unless the variable `CI_NOT_INSTALLED` names the feature of the
    /// machine that it requires: `localhost`, `backlog` or
    /// `local-route` (of the transport).
    pub fn assert(&self) {
        let variable = |name| std::env::var(name).unwrap_or_default();
        let is_ci = !variable("CI").is_empty();
        // The test harness captures `eprintln!`.
        self.assert_in(is_ci, &variable("CI_NOT_INSTALLED"), &mut io::stderr());
    }

    fn assert_in(&self, is_ci: bool, not_installed: &str, output: &mut impl Write) {
        assert!(self.failed().next().is_none(), "\n{self}");
        for (name, Skip { need, why }) in self.skips() {
            let is_excused = not_installed.split_whitespace().any(|name| name == need);
            assert!(!is_ci || is_excused, "{name} is skipped for want of {need}: {why}");
            let _ = writeln!(output, "{name}: SKIPPED: {why}");
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
                Ok(Some(skip)) => writeln!(f, "SKIPPED {milliseconds:5} ms  {name}: {}", skip.why)?,
                Err(seen) => writeln!(f, "FAILED  {milliseconds:5} ms  {name}: {seen}")?,
            }
        }
        write!(f, "{} cases, {} failed", self.lines.len(), self.failed().count())
    }
}

/// The reason why a case cannot run on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Skip {
    /// The missing feature of the machine, as in `CI_NOT_INSTALLED`.
    pub(crate) need: &'static str,
    pub(crate) why: &'static str,
}

/// The outcome of a case. `Ok` contains the reason if the case was skipped.
pub(crate) type Ended = Result<Option<Skip>, String>;

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn report(outcome: Ended) -> Report {
        let line = |outcome| Line {
            name: "a_case",
            took: Duration::ZERO,
            outcome,
        };
        Report {
            lines: vec![line(Ok(None)), line(outcome)],
        }
    }

    #[test]
    fn skipped_case_fails_in_ci_unless_excused() {
        let skipped = report(Ok(Some(Skip {
            need: "localhost",
            why: "there is no localhost",
        })));
        let printed = |is_ci, excused: &'static str| {
            let mut output = Vec::new();
            catch_unwind(AssertUnwindSafe(|| skipped.assert_in(is_ci, excused, &mut output))).ok()?;
            Some(String::from_utf8(output).unwrap())
        };
        let line = "a_case: SKIPPED: there is no localhost\n";
        assert_eq!(printed(false, "").as_deref(), Some(line));
        assert_eq!(printed(true, ""), None);
        assert_eq!(printed(true, "backlog localhosts"), None);
        assert_eq!(printed(true, "backlog localhost").as_deref(), Some(line));
        assert_eq!(skipped.skipped().next(), Some(("a_case", "there is no localhost")));
    }

    #[test]
    fn failed_case_fails_everywhere() {
        let failed = report(Err("a finding".to_owned()));
        assert!(catch_unwind(|| failed.assert_in(false, "localhost", &mut io::sink())).is_err());
        report(Ok(None)).assert_in(true, "", &mut io::sink());
    }
}
