//! Errors of the command line, and the requested help and version.

use std::process::ExitCode;
use std::{env, fmt};

use clap::Command;
use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::environment;
use crate::exit::{Exit, Failure};
use crate::failure::report_outcome;
use crate::files::{harmless, not_written, print, tell_always};
use crate::json_requested::json_requested;
use crate::terminal::{Stream, width_of};

/// Shows an error of the command line, or the requested help or version, and returns the exit code.
/// `command` is the definition of the whole command line.
pub(crate) fn report(error: clap::Error, command: Command) -> ExitCode {
    // clap does not report which variable it is.
    if error.kind() == ErrorKind::InvalidUtf8
        && let Some(name) = environment::not_utf8()
    {
        return environment::not_utf8_failure(Exit::Configuration, name).end();
    }
    // For a subcommand, clap would print "entra-token" and the version.
    if error.kind() == ErrorKind::DisplayVersion {
        return report_outcome(print_version());
    }
    let mut error = without_variables(error, command);
    let repeated: Vec<(ContextKind, ContextValue)> = error
        .context()
        .filter_map(|(kind, value)| Some((kind, sanitized(value)?)))
        .collect();
    for (kind, value) in repeated {
        error.insert(kind, value);
    }
    if error.use_stderr() && json_requested() {
        return usage(&error).end();
    }
    if !error.use_stderr() {
        return report_outcome(error.print().map_err(|error| not_written("standard output", &error)));
    }
    let text = error.render().to_string();
    match Stream::Error.width() {
        // clap wraps only help. On a narrow terminal, wrapping matters more than colours.
        Some(width) if text.lines().any(|line| width_of(line) > width) => {
            tell_always(text.trim_end());
        }
        _ => {
            // A closed standard error is not a failure.
            let _ = error.print();
        }
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8))
}

/// Converts an error of the command line to a [`Failure`].
pub(crate) fn usage(error: &clap::Error) -> Failure {
    let texts = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        Some(ContextValue::StyledStrs(texts)) => texts.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    };
    let is_twice =
        error.kind() == ErrorKind::ArgumentConflict && texts(ContextKind::InvalidArg) == texts(ContextKind::PriorArg);
    let named: &[ContextKind] = if is_twice { &[ContextKind::InvalidArg] } else { &NAMED };
    let named: Vec<String> = named.iter().flat_map(|kind| texts(*kind)).collect();
    let is_without_value = error.kind() == ErrorKind::InvalidValue && named.iter().any(String::is_empty);
    let mut problem = match error.kind().as_str() {
        _ if is_twice => "an argument was given more than once".to_owned(),
        _ if is_without_value => "an argument was given without a value".to_owned(),
        Some(what) => what.to_owned(),
        None => error.kind().to_string(),
    };
    let named: Vec<String> = named.into_iter().filter(|name| !name.is_empty()).collect();
    if !named.is_empty() {
        problem += &format!(": {}", named.join(", "));
    }
    let cause = std::error::Error::source(error);
    let wrong_value = cause.and_then(|cause| cause.downcast_ref::<WrongValue>());
    if let Some(cause) = cause {
        problem += ": ";
        problem += &wrong_value.map_or_else(|| cause.to_string(), |wrong| wrong.problem.clone());
    }
    let mut failure = Failure::text(Exit::Usage, problem);
    if let Some(wrong) = wrong_value {
        failure = failure.hint(wrong.hint.clone());
    }
    for (kind, what) in [
        (ContextKind::SuggestedSubcommand, "did you mean"),
        (ContextKind::SuggestedArg, "did you mean"),
        (ContextKind::SuggestedValue, "did you mean"),
        (ContextKind::ValidSubcommand, "use one of"),
        (ContextKind::ValidValue, "use one of"),
    ] {
        let texts = texts(kind);
        if !texts.is_empty() {
            failure = failure.hint(format!("{what} {}", texts.join(", ")));
        }
    }
    for tip in texts(ContextKind::Suggested) {
        failure = failure.hint(tip);
    }
    failure.hint("see --help")
}

/// The parts of the command line that an error may name, in this order.
const NAMED: [ContextKind; 4] = [
    ContextKind::InvalidSubcommand,
    ContextKind::InvalidArg,
    ContextKind::PriorArg,
    ContextKind::InvalidValue,
];

/// An invalid value of an option: the problem, and a hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WrongValue {
    problem: String,
    hint: String,
}

impl WrongValue {
    pub(crate) fn new(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            hint: hint.into(),
        }
    }
}

/// The problem and the hint in one text, since clap shows only one text.
impl fmt::Display for WrongValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.problem, self.hint)
    }
}

impl std::error::Error for WrongValue {}

pub(crate) fn print_version() -> Result<(), Failure> {
    print(concat!("entra ", env!("CARGO_PKG_VERSION")))
}

/// Returns the same error with a usage line that leaves out options set by a variable, since such
/// an option is not missing.
fn without_variables(error: clap::Error, command: Command) -> clap::Error {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        return error;
    }
    match ignoring_variables(command).try_get_matches_from(env::args_os()) {
        Err(other) if other.kind() == error.kind() => other,
        _ => error,
    }
}

/// Returns the command without the variables of its options.
pub(crate) fn ignoring_variables(command: Command) -> Command {
    command
        .mut_args(|argument| argument.env(Resettable::Reset))
        .mut_subcommands(ignoring_variables)
}

/// Returns the parts of an error with their texts made [`harmless`], or `None` for other parts.
fn sanitized(value: &ContextValue) -> Option<ContextValue> {
    match value {
        ContextValue::String(text) => Some(ContextValue::String(harmless(text))),
        ContextValue::Strings(texts) => Some(ContextValue::Strings(texts.iter().map(|text| harmless(text)).collect())),
        // Suggestions.
        ContextValue::StyledStrs(texts) => {
            let plain = texts.iter().map(|text| harmless(&text.to_string()).into());
            Some(ContextValue::StyledStrs(plain.collect()))
        }
        _ => None,
    }
}
