//! What a program shows: its result, notes and warnings, and at its end what went wrong and what to
//! do.

use std::error::Error;
use std::fmt;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use entra_proto::environment::EnvironmentError;
use entra_proto::error::printable;
use entra_proto::report::ReportFor;
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

    /// An error with its causes, its hint and the IDs of its request.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let report = Report::of(error);
        let ids = report.ids().map_or_else(String::new, |ids| format!(" ({ids})"));
        Self {
            problem: format!("{report}{ids}"),
            hint: report.hint().map(str::to_owned),
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

/// Prints a line of the result. A reader that wants no more of it, such as `head`, ends the
/// program.
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

/// The errors of this workspace, whose hints a report finds.
type Report = ReportFor<(entra_tower::Errors, entra_credential::Errors, entra_tenants::Errors)>;

/// Errors of this workspace and of other crates, with their causes and what to do about them.
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

/// An error in a box may be a failure with its advice.
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
