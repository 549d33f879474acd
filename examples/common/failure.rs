//! The output of a program: its result, notes and warnings, and at the end its error with a hint.

use std::error::Error;
use std::fmt;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use entra_proto::environment::EnvironmentError;
use entra_proto::error::printable;
use entra_proto::report::ReportFor;
use entra_tower::BearerError;
use entra_transport::TransportError;

/// The error with which a program ends: the problem and a hint.
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

    /// Describes an error with its causes, its hint and the IDs of its request.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let report = Report::of(error);
        let ids = report.ids().map_or_else(String::new, |ids| format!(" ({ids})"));
        Self {
            problem: format!("{report}{ids}"),
            hint: report.hint().map(str::to_owned),
        }
    }

    /// Adds a hint: what to do about the problem.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Prefixes the problem with the place of the error.
    pub(crate) fn at(mut self, place: &str) -> Self {
        self.problem = format!("{place}: {}", self.problem);
        self
    }

    /// Prints the problem and the hint to standard error.
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

/// Prints a line of the result. If the reader has closed the pipe, as `head` does, the program
/// ends.
pub(crate) fn print_line(line: fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{line}") {
        if error.kind() != ErrorKind::BrokenPipe {
            eprintln!("error: cannot write the result: {error}");
        }
        std::process::exit(1);
    }
}

/// Prints a line of the result like `println!`, but does not panic if the reader has closed the
/// pipe.
macro_rules! say {
    () => { $crate::common::print_line(format_args!("")) };
    ($($text:tt)*) => { $crate::common::print_line(format_args!($($text)*)) };
}
pub(crate) use say;

/// Prints a note: something worth knowing that does not stop the program.
pub(crate) fn note(text: &str) {
    eprintln!("note: {}", printable(text));
}

/// Prints a warning: something that is probably wrong and does not stop the program.
pub(crate) fn warn(text: &str) {
    eprintln!("warning: {}", printable(text));
}

/// The errors of this workspace whose hints a report finds.
type Report = ReportFor<(entra::Errors, entra_tower::Errors, entra_tenants::Errors)>;

/// Converts errors of this workspace and of other crates, with their causes and hints.
macro_rules! failure_from {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::of(&error)
            }
        })*
    };
}

failure_from!(
    entra::FromEnvError,
    entra_client::Error,
    entra_proto::Error,
    entra_credential::Error,
    EnvironmentError,
    entra_client::BuildError,
    entra_tower::OriginError,
    BearerError,
    TransportError,
    http::Error,
    std::io::Error
);

/// Converts a boxed error, which may itself be a failure with a hint.
macro_rules! failure_from_box {
    ($($error:ty),*) => {
        $(impl From<Box<$error>> for Failure {
            fn from(error: Box<$error>) -> Self {
                match error.downcast() {
                    Ok(failure) => *failure,
                    Err(error) => Self::of(&*error),
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

impl From<String> for Failure {
    fn from(problem: String) -> Self {
        Self::new(problem)
    }
}
