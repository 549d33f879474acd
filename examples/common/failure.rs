//! What a program shows: its result, notes and warnings, and at its end what went wrong and what to do.

use std::error::Error;
use std::fmt;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use entra_proto::environment::EnvironmentError;
use entra_proto::printable;
use entra_tower::BearerError;
use entra_transport::TransportError;

/// The end of a program that did not do what it was started for.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) problem: String,
    pub(crate) hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(problem: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            hint: None,
        }
    }

    /// Adds what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Puts the place in front of the problem.
    pub(crate) fn at(mut self, place: &str) -> Self {
        self.problem = format!("{place}: {}", self.problem);
        self
    }

    /// Prints it to standard error.
    pub(crate) fn print(&self) {
        eprintln!("error: {}", printable(&self.problem));
        if let Some(hint) = &self.hint {
            eprintln!("hint: {}", printable(hint));
        }
    }
}

/// Prints the failure, if there is one, and returns the exit code.
pub(crate) fn report(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            ExitCode::FAILURE
        }
    }
}

/// Prints a line of the result. A reader that wants no more of it, such as `head`, ends the program.
pub(crate) fn print_line(line: fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{line}") {
        if error.kind() != ErrorKind::BrokenPipe {
            eprintln!("error: cannot write the result: {error}");
        }
        std::process::exit(1);
    }
}

/// Prints a line of the result, as `println!` does, without its panic where the reader has gone.
macro_rules! say {
    () => { $crate::common::print_line(format_args!("")) };
    ($($text:tt)*) => { $crate::common::print_line(format_args!($($text)*)) };
}
pub(crate) use say;

/// Prints something that is worth knowing and stops nothing.
pub(crate) fn note(text: &str) {
    eprintln!("note: {}", printable(text));
}

/// Prints something that is probably wrong and stops nothing.
pub(crate) fn warn(text: &str) {
    eprintln!("warning: {}", printable(text));
}

/// All errors of this workspace tell the problem and the advice apart.
macro_rules! failure_from {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self {
                    problem: error.problem(),
                    hint: error.hint().map(str::to_owned),
                }
            }
        })*
    };
}

failure_from!(
    entra_client::Error,
    entra_proto::Error,
    entra_credential::Error,
    TransportError
);

impl From<EnvironmentError> for Failure {
    fn from(error: EnvironmentError) -> Self {
        Self {
            problem: error.to_string(),
            hint: error.hint().map(str::to_owned),
        }
    }
}

/// Errors of one text.
macro_rules! failure_from_text {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(error.to_string())
            }
        })*
    };
}

failure_from_text!(
    entra_client::BuildError,
    entra_tower::BuildError,
    http::Error,
    std::io::Error
);

/// An error in a box may be a failure with its advice.
macro_rules! failure_from_box {
    ($($error:ty),*) => {
        $(impl From<Box<$error>> for Failure {
            fn from(error: Box<$error>) -> Self {
                match error.downcast() {
                    Ok(failure) => *failure,
                    Err(error) => Self::new(error.to_string()),
                }
            }
        })*
    };
}

failure_from_box!(dyn Error, dyn Error + Send + Sync);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)?;
        self.hint.iter().try_for_each(|hint| write!(f, "; {hint}"))
    }
}

impl Error for Failure {}

impl From<BearerError> for Failure {
    fn from(error: BearerError) -> Self {
        match error {
            // The layer's own text does not say why.
            BearerError::Token(error) => Self::from(error).at("not sent: there is no token"),
            error => Self {
                problem: with_causes(error.problem(), &error),
                hint: error.hint().map(str::to_owned),
            },
        }
    }
}

/// Adds the causes of an error to its text.
pub(crate) fn with_causes(mut text: String, error: &dyn Error) -> String {
    let mut cause = error.source();
    while let Some(error) = cause {
        // Some errors have the text of their cause.
        let own = error.to_string();
        if !text.ends_with(&own) {
            text += &format!(": {own}");
        }
        cause = error.source();
    }
    text
}

impl From<String> for Failure {
    fn from(problem: String) -> Self {
        Self::new(problem)
    }
}
