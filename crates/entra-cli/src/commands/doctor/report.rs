//! The checks of `entra doctor` and the report that prints them.

use std::fmt::Write as _;

use clap::ValueEnum;
use entra_proto::Timestamp;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};
use crate::files::{excerpt, print_json, print_secret};
use crate::sanitize::{REDACTED, printable, without_secrets};
use crate::source::Source;
use crate::terminal::{Stream, Style, wrapped_behind};
use crate::time_format::put_time;

/// One check and its result.
#[derive(Debug)]
pub(crate) struct Check {
    name: &'static str,
    mark: Mark,
    found: String,
    /// The hints. Every failure and every warning has at least one.
    hints: Vec<String>,
    source: Option<Source>,
    details: Map<String, Value>,
}

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Ok,
    /// The finding may be intended or harmless.
    Warn,
    /// The daemon gets no usable token. Holds the exit code of the command.
    Fail(Exit),
    /// The check did not run.
    Skipped,
}

impl Check {
    pub(crate) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, Mark::Ok, found.into(), Vec::new())
    }

    pub(crate) fn warn(name: &'static str, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(name, Mark::Warn, found.into(), vec![hint.into()])
    }

    pub(crate) fn fail(name: &'static str, exit: Exit, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(name, Mark::Fail(exit), found.into(), vec![hint.into()])
    }

    /// Creates a failed check with the hints of the failure, or with `hint` if it has none.
    pub(crate) fn failure(name: &'static str, failure: &Failure, hint: &str) -> Self {
        let mut check = Self::fail(name, failure.exit, failure.problem.as_str(), hint);
        if !failure.hints().is_empty() {
            check.hints.clear();
        }
        check.with_hints_of(failure)
    }

    #[cfg(test)]
    pub(crate) fn mark(&self) -> Mark {
        self.mark
    }

    /// Adds a problem and a hint. A check that is ok so far becomes a warning.
    pub(crate) fn with_warning(mut self, problem: &str, hint: &str) -> Self {
        if self.mark == Mark::Ok {
            self.mark = Mark::Warn;
        }
        self.found = format!("{}; {problem}", self.found);
        self.hints.push(hint.to_owned());
        self
    }

    /// Adds the hints of the failure.
    pub(crate) fn with_hints_of(mut self, failure: &Failure) -> Self {
        self.hints.extend(failure.hints().iter().map(ToString::to_string));
        self
    }

    /// Appends to what was found.
    pub(crate) fn with_found(mut self, found: &str) -> Self {
        self.found = format!("{}: {found}", self.found);
        self
    }

    /// Adds the source of the setting. A missing setting has none.
    pub(crate) fn with_source(mut self, source: Source) -> Self {
        let missing = source == Source::Default && matches!(self.mark, Mark::Fail(_));
        self.source = Some(source).filter(|_| !missing);
        self
    }

    /// Adds a time to the details, which are for programs.
    pub(crate) fn with_moment(mut self, name: &str, moment: Timestamp) -> Self {
        put_time(&mut self.details, name, moment);
        self
    }

    /// Adds a value to the details, which are for programs.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    fn new(name: &'static str, mark: Mark, found: String, hints: Vec<String>) -> Self {
        Self {
            name,
            mark,
            found,
            hints,
            source: None,
            details: Map::new(),
        }
    }

    /// Formats the check as text, wrapped to the width of a terminal.
    fn to_text(&self, width: Option<usize>) -> String {
        let width = width.unwrap_or(usize::MAX);
        let behind = |label: &str, text: &str| {
            let taken = label.chars().count();
            format!("{label}{}", wrapped_behind(taken, text, width, taken))
        };
        let mut found = excerpt(&self.found, SHOWN);
        if let Some(source) = &self.source {
            let _ = write!(found, "  ({})", excerpt(&source.to_string(), SHOWN));
        }
        let mut text = behind(&format!("{:<7}  {:<15}  ", self.mark.as_str(), self.name), &found);
        for hint in &self.hints {
            text.push('\n');
            text += &behind("         hint: ", &excerpt(hint, SHOWN));
        }
        text
    }

    fn to_json(&self) -> Value {
        let mut object = json!({
            "check": self.name,
            "status": self.mark.as_str(),
            "found": self.found,
            "hints": self.hints,
        });
        if let Some(source) = &self.source {
            object["source"] = source.to_json();
        }
        if !self.details.is_empty() {
            object["details"] = self.details.clone().into();
        }
        object
    }

    fn redact(&mut self, secrets: &[Zeroizing<String>]) {
        let redact = |text: &mut String| {
            *text = without_secrets(text);
            for secret in secrets {
                *text = text.replace(secret.as_str(), REDACTED);
            }
        };
        redact(&mut self.found);
        self.hints.iter_mut().for_each(redact);
        self.details.values_mut().for_each(|value| each_text(value, &redact));
    }
}

impl Mark {
    /// Returns the word in the color of the mark, if standard output is a terminal.
    fn painted(self, word: &str) -> String {
        match self {
            Self::Fail(_) => Style::Error.paint(word, Stream::Out),
            Self::Warn => Style::Warning.paint(word, Stream::Out),
            Self::Ok | Self::Skipped => word.to_owned(),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail(_) => "fail",
            Self::Skipped => "skipped",
        }
    }
}

/// The output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// One line for each check, with its hints below
    Text,
    /// One JSON object with the list of checks, for programs
    Json,
}

/// The checks so far. In text form each is printed at once, because some checks take long.
pub(crate) struct Report {
    output: Output,
    checks: Vec<Check>,
    secrets: Vec<Zeroizing<String>>,
}

impl Report {
    pub(crate) fn new(output: Output) -> Self {
        Self {
            output,
            checks: Vec::new(),
            secrets: Vec::new(),
        }
    }

    /// Redacts a secret in all checks that are added later. No check contains one on purpose, but
    /// users mix up settings, and a server may echo what it received.
    pub(crate) fn redact(&mut self, secret: &str) {
        if secret.len() >= SHORTEST {
            self.secrets.push(Zeroizing::new(secret.to_owned()));
        }
    }

    pub(crate) fn add(&mut self, mut check: Check) -> Result<(), Failure> {
        check.redact(&self.secrets);
        if self.output == Output::Text {
            let text = check.to_text(Stream::Out.width());
            // Only the part after the mark is escaped: the mark may have a color.
            let (mark, rest) = text.split_at(check.mark.as_str().len());
            print_secret(&(check.mark.painted(mark) + &printable(rest)))?;
        }
        self.checks.push(check);
        Ok(())
    }

    /// Returns true if one of these checks failed or was skipped.
    pub(crate) fn lacks(&self, needs: &[&str]) -> bool {
        !self.missing(needs).is_empty()
    }

    /// Skips a check because checks that it needs failed or were skipped.
    pub(crate) fn skip(&mut self, name: &'static str, needs: &[&str]) -> Result<(), Failure> {
        let missing = self.missing(needs);
        let found = format!("needs {}", missing.join(", "));
        self.add(Check::new(name, Mark::Skipped, found, Vec::new()).with("needs", missing))
    }

    /// Ends the report.
    ///
    /// # Errors
    /// Returns an error if a check failed, with the exit code of the first one.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let failed: Vec<(&str, Exit)> = self
            .checks
            .iter()
            .filter_map(|check| match check.mark {
                Mark::Fail(exit) => Some((check.name, exit)),
                _ => None,
            })
            .collect();
        let first = failed.first().map(|(_, exit)| *exit);
        if self.output == Output::Json {
            let checks: Vec<Value> = self.checks.iter().map(Check::to_json).collect();
            let code = first.map_or(0, |exit| exit as u8);
            print_json(&json!({ "status": self.worst().as_str(), "exit_code": code, "checks": checks }))?;
        }
        let Some(exit) = first else { return Ok(()) };
        let names: Vec<&str> = failed.iter().map(|(name, _)| *name).collect();
        let count = match names.len() {
            1 => "1 check".to_owned(),
            count => format!("{count} checks"),
        };
        Err(Failure::text(
            exit,
            format_args!("{count} failed: {}", names.join(", ")),
        ))
    }

    fn missing(&self, needs: &[&str]) -> Vec<&'static str> {
        let wrong = |check: &&Check| matches!(check.mark, Mark::Fail(_) | Mark::Skipped) && needs.contains(&check.name);
        self.checks.iter().filter(wrong).map(|check| check.name).collect()
    }

    /// Returns the worst mark. Skipped checks do not count: each depends on one that failed.
    fn worst(&self) -> Mark {
        let marks = || self.checks.iter().map(|check| check.mark);
        let failed = marks().find(|mark| matches!(mark, Mark::Fail(_)));
        failed
            .or_else(|| marks().find(|mark| *mark == Mark::Warn))
            .unwrap_or(Mark::Ok)
    }
}

/// Applies `change` to each string in a value.
fn each_text(value: &mut Value, change: &impl Fn(&mut String)) {
    match value {
        Value::String(text) => change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, change)),
        Value::Object(members) => members.values_mut().for_each(|member| each_text(member, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The least length in bytes of a secret to redact. Shorter texts would match parts of words.
const SHORTEST: usize = 4;

/// The most characters shown of a text. A token may contain a thousand roles.
const SHOWN: usize = 800;

#[cfg(test)]
mod tests {
    use super::*;

    fn report(checks: Vec<Check>) -> Report {
        let mut report = Report::new(Output::Json);
        for check in checks {
            report.add(check).unwrap();
        }
        report
    }

    #[test]
    fn first_failed_check_determines_exit_code() {
        let ended = |checks| report(checks).finish().map_err(|failure| failure.exit);
        assert_eq!(ended(vec![Check::ok("a", ""), Check::warn("b", "", "")]), Ok(()));
        let failed = vec![
            Check::warn("a", "", ""),
            Check::fail("b", Exit::Rejected, "", ""),
            Check::fail("c", Exit::Network, "", ""),
        ];
        assert_eq!(ended(failed), Err(Exit::Rejected));
    }

    #[test]
    fn skipped_check_names_what_it_needs() {
        let mut report = report(vec![
            Check::ok("a", ""),
            Check::fail("b", Exit::Rejected, "", ""),
            Check::warn("c", "", ""),
        ]);
        report.skip("d", &["a", "b", "c"]).unwrap();
        report.skip("e", &["d"]).unwrap();
        let [.., d, e] = report.checks.as_slice() else { panic!() };
        assert_eq!((d.found.as_str(), e.found.as_str()), ("needs b", "needs d"));
        assert_eq!(report.worst(), Mark::Fail(Exit::Rejected));
    }

    #[test]
    fn check_is_wrapped_to_the_terminal() {
        let text = Check::warn("clock", "a b ".repeat(20), "c d ".repeat(20)).to_text(Some(40));
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
        assert!(text.contains("\n         hint: c d "), "{text}");
    }

    #[test]
    fn secret_is_redacted_in_every_part() {
        let mut report = report(Vec::new());
        report.redact("canary");
        report.redact("");
        let check = Check::fail("a", Exit::Token, "x canary", "y canary").with("z", vec!["canary"]);
        report.add(check).unwrap();
        let shown = format!("{:?} {}", report.checks, report.checks[0].to_json());
        assert!(!shown.contains("canary") && shown.contains("[not shown]"), "{shown}");
    }

    #[test]
    fn check_text_is_short_and_escaped() {
        let text = Check::warn("a", "b\n\u{1b}[2Jc", "d".repeat(5000)).to_text(None);
        assert_eq!(text.lines().count(), 2);
        assert!(!text.contains('\u{1b}') && text.chars().count() < 1000, "{text}");
    }
}
