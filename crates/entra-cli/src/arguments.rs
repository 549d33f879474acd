//! Errors of the command line, and the help and the version that were asked for.

use std::process::ExitCode;
use std::{env, fmt};

use clap::Command;
use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::environment;
use crate::exit::{Exit, Failure};
use crate::failure::ended;
use crate::files::{harmless, not_written, print, tell_always};
use crate::json_wanted::wants_json;
use crate::terminal::{Stream, width_of};

/// Shows an error of the command line, or the help or the version that was asked for, and returns the exit code. `command` is the whole
/// command line.
pub(crate) fn report(error: clap::Error, command: Command) -> ExitCode {
    // clap does not say which of them it is.
    if error.kind() == ErrorKind::InvalidUtf8
        && let Some(name) = environment::not_utf8()
    {
        return environment::refused(Exit::Configuration, name).end();
    }
    // Of a subcommand, clap prints "entra-token" and the version.
    if error.kind() == ErrorKind::DisplayVersion {
        return ended(print_version());
    }
    let mut error = without_variables(error, command);
    let repeated: Vec<(ContextKind, ContextValue)> = error
        .context()
        .filter_map(|(kind, value)| Some((kind, without_tricks(value)?)))
        .collect();
    for (kind, value) in repeated {
        error.insert(kind, value);
    }
    if error.use_stderr() && wants_json() {
        return usage(&error).end();
    }
    if !error.use_stderr() {
        return ended(error.print().map_err(|error| not_written("standard output", &error)));
    }
    let text = error.render().to_string();
    match Stream::Error.width() {
        // clap wraps help alone. A line of a narrow terminal is worth more than the colours.
        Some(width) if text.lines().any(|line| width_of(line) > width) => {
            tell_always(text.trim_end());
        }
        _ => {
            // Nothing can be done where that fails.
            let _ = error.print();
        }
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8))
}

/// An error of the command line as other commands have theirs.
fn usage(error: &clap::Error) -> Failure {
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

/// What an error of the command line may name, in this order.
const NAMED: [ContextKind; 4] = [
    ContextKind::InvalidSubcommand,
    ContextKind::InvalidArg,
    ContextKind::PriorArg,
    ContextKind::InvalidValue,
];

/// The value of an option that cannot be used: what is wrong with it, and what to write instead.
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

/// Both in one text, since clap shows one.
impl fmt::Display for WrongValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.problem, self.hint)
    }
}

impl std::error::Error for WrongValue {}

pub(crate) fn print_version() -> Result<(), Failure> {
    print(concat!("entra ", env!("CARGO_PKG_VERSION")))
}

/// The same error with a usage line that names no option whose variable is set: such an option is not missing.
fn without_variables(error: clap::Error, command: Command) -> clap::Error {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        return error;
    }
    match reading_no_variables(command).try_get_matches_from(env::args_os()) {
        Err(other) if other.kind() == error.kind() => other,
        _ => error,
    }
}

fn reading_no_variables(command: Command) -> Command {
    command
        .mut_args(|argument| argument.env(Resettable::Reset))
        .mut_subcommands(reading_no_variables)
}

fn without_tricks(value: &ContextValue) -> Option<ContextValue> {
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
