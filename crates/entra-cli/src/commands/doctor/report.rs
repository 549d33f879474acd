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

/// What was looked at, and what came of it.
#[derive(Debug)]
pub(crate) struct Check {
    name: &'static str,
    mark: Mark,
    found: String,
    /// What to do about it. Every failure and every warning has some.
    hints: Vec<String>,
    source: Option<Source>,
    details: Map<String, Value>,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Ok,
    /// It may be on purpose, or do no harm.
    Warn,
    /// No token comes, or none that helps. The command ends so.
    Fail(Exit),
    /// It was not looked at.
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

    /// A failure that says what to do itself; where it does not, `hint` does.
    pub(crate) fn failure(name: &'static str, failure: &Failure, hint: &str) -> Self {
        let mut check = Self::fail(name, failure.exit, failure.problem.as_str(), hint);
        if !failure.hints().is_empty() {
            check.hints.clear();
        }
        check.advise(failure)
    }

    #[cfg(test)]
    pub(crate) fn mark(&self) -> Mark {
        self.mark
    }

    /// Adds a doubt: what is in order so far becomes a warning.
    pub(crate) fn but(mut self, problem: &str, hint: &str) -> Self {
        if self.mark == Mark::Ok {
            self.mark = Mark::Warn;
        }
        self.found = format!("{}; {problem}", self.found);
        self.hints.push(hint.to_owned());
        self
    }

    /// Adds what the failure itself advises.
    pub(crate) fn advise(mut self, failure: &Failure) -> Self {
        self.hints.extend(failure.hints().iter().map(ToString::to_string));
        self
    }

    /// Adds what else was found.
    pub(crate) fn and(mut self, found: &str) -> Self {
        self.found = format!("{}: {found}", self.found);
        self
    }

    /// Says where the setting comes from. What is missing comes from nowhere.
    pub(crate) fn taken_from(mut self, source: Source) -> Self {
        let missing = source == Source::Default && matches!(self.mark, Mark::Fail(_));
        self.source = Some(source).filter(|_| !missing);
        self
    }

    /// Adds a moment that a program may want to read out of it.
    pub(crate) fn with_moment(mut self, name: &str, moment: Timestamp) -> Self {
        put_time(&mut self.details, name, moment);
        self
    }

    /// Adds what a program may want to read out of it, under this name.
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

    /// The check in words, wrapped to the width of a terminal.
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

    fn blot(&mut self, secrets: &[Zeroizing<String>]) {
        let blot = |text: &mut String| {
            *text = without_secrets(text);
            for secret in secrets {
                *text = text.replace(secret.as_str(), REDACTED);
            }
        };
        blot(&mut self.found);
        self.hints.iter_mut().for_each(blot);
        self.details.values_mut().for_each(|value| each_text(value, &blot));
    }
}

impl Mark {
    /// The word in the colour of the mark, on a terminal.
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

/// What to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// One line a check, and below it what to do
    Text,
    /// One object with the list of checks, for programs
    Json,
}

/// All checks so far. As a text, each is printed as soon as it is made: some take their time.
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

    /// Keeps a secret out of whatever is added from now on. None is put there on purpose; but settings get mixed up, and a server may
    /// send back what it was sent.
    pub(crate) fn register_secret(&mut self, secret: &str) {
        if secret.len() >= SHORTEST {
            self.secrets.push(Zeroizing::new(secret.to_owned()));
        }
    }

    pub(crate) fn add(&mut self, mut check: Check) -> Result<(), Failure> {
        check.blot(&self.secrets);
        if self.output == Output::Text {
            let text = check.to_text(Stream::Out.width());
            // No text from outside stands in it unescaped, and the colours must not be escaped.
            let (mark, rest) = text.split_at(check.mark.as_str().len());
            print_secret(&(check.mark.painted(mark) + &printable(rest)))?;
        }
        self.checks.push(check);
        Ok(())
    }

    /// Whether one of these checks went wrong, or was left out itself.
    pub(crate) fn lacks(&self, needs: &[&str]) -> bool {
        !self.missing(needs).is_empty()
    }

    /// Leaves a check out because of those that it needs and that went wrong, or were left out themselves.
    pub(crate) fn skip(&mut self, name: &'static str, needs: &[&str]) -> Result<(), Failure> {
        let missing = self.missing(needs);
        let found = format!("needs {}", missing.join(", "));
        self.add(Check::new(name, Mark::Skipped, found, Vec::new()).with("needs", missing))
    }

    /// Ends the report. It is a failure where a check failed: the first of them gives the exit code.
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

    /// The worst of all. What was left out was so because of something that failed.
    fn worst(&self) -> Mark {
        let marks = || self.checks.iter().map(|check| check.mark);
        let failed = marks().find(|mark| matches!(mark, Mark::Fail(_)));
        failed
            .or_else(|| marks().find(|mark| *mark == Mark::Warn))
            .unwrap_or(Mark::Ok)
    }
}

/// Changes each text in a value.
fn each_text(value: &mut Value, change: &impl Fn(&mut String)) {
    match value {
        Value::String(text) => change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, change)),
        Value::Object(members) => members.values_mut().for_each(|member| each_text(member, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What is shorter is no secret, and would be found in every other word.
const SHORTEST: usize = 4;

/// How many characters of a text are shown: a token may name a thousand roles.
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
    fn the_first_check_that_failed_gives_the_exit_code() {
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
    fn what_is_left_out_says_because_of_what() {
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
    fn a_check_is_wrapped_to_the_terminal() {
        let text = Check::warn("clock", "a b ".repeat(20), "c d ".repeat(20)).to_text(Some(40));
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
        assert!(text.contains("\n         hint: c d "), "{text}");
    }

    #[test]
    fn a_secret_is_kept_out_of_every_part() {
        let mut report = report(Vec::new());
        report.register_secret("canary");
        report.register_secret("");
        let check = Check::fail("a", Exit::Token, "x canary", "y canary").with("z", vec!["canary"]);
        report.add(check).unwrap();
        let shown = format!("{:?} {}", report.checks, report.checks[0].to_json());
        assert!(!shown.contains("canary") && shown.contains("[not shown]"), "{shown}");
    }

    #[test]
    fn a_check_stays_on_its_lines_and_short() {
        let text = Check::warn("a", "b\n\u{1b}[2Jc", "d".repeat(5000)).to_text(None);
        assert_eq!(text.lines().count(), 2);
        assert!(!text.contains('\u{1b}') && text.chars().count() < 1000, "{text}");
    }
}
