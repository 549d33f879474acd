//! Programs that print a token.

mod output;
mod pending;
mod pipes;
mod running;

use std::ffi::OsString;
use std::fmt;
use std::future::Future;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use entra_proto::error::{may_be_secret, printable};

use crate::error::Error;

pub use output::ProgramOutput;

/// A program on this machine that prints a token, such as Azure CLI, and its arguments.
///
/// No shell is involved: the arguments arrive unchanged. The program gets no input and inherits the
/// environment. It is ended if it exceeds its time limit or prints more than 64 KiB. Programs that
/// it has started itself are not ended with it, and nothing waits for them.
///
/// ```
/// use std::time::Duration;
/// use entra_credential::Program;
///
/// let program = Program::new("az")
///     .with_arguments(["account", "get-access-token", "--output", "json"])
///     .with_variable("AZURE_CORE_NO_COLOR", "1")
///     .with_time_limit(Duration::from_secs(10));
/// assert_eq!(format!("{program:?}"), "Program(az, 4 arguments)");
/// // let json = program.run()?.succeeded()?;
/// ```
#[derive(Clone)]
pub struct Program {
    program: OsString,
    arguments: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    time_limit: Duration,
}

impl Program {
    /// Creates a program with this name, which is looked up in `PATH`, or with this path. On
    /// Windows, the name of a script needs its extension: `az.cmd`.
    #[must_use]
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            variables: Vec::new(),
            time_limit: TIME_LIMIT,
        }
    }

    /// Adds arguments. Other users of the machine may see them while the program runs.
    #[must_use]
    pub fn with_arguments(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the program's environment.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Sets the time after which the program is ended: 30 s by default.
    #[must_use]
    pub fn with_time_limit(mut self, time_limit: Duration) -> Self {
        self.time_limit = time_limit;
        self
    }

    /// Runs the program, and waits for its end.
    ///
    /// # Errors
    /// Returns [`Error::ProgramMissing`] if the program is not installed. Returns an error if it
    /// cannot be started, exceeds its time limit or prints too much. A program that reports a
    /// failure is not an error: see [`ProgramOutput::succeeded`].
    pub fn run(&self) -> Result<ProgramOutput, Error> {
        running::run(self, &AtomicBool::new(false))
    }

    /// Runs the program on a thread of its own, which needs no async runtime. It starts when the
    /// future is first polled. Dropping the future ends the program.
    ///
    /// # Errors
    /// The output is an error as that of [`run`](Self::run).
    pub fn run_async(&self) -> impl Future<Output = Result<ProgramOutput, Error>> + Send + use<> {
        let program = self.clone();
        async move { pending::Pending::start(program)?.await }
    }

    /// Returns the name for errors. A secret may have been given as the name by mistake.
    pub(crate) fn shown(&self) -> String {
        let name = Path::new(&self.program).file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        if name.is_empty() || name.chars().count() > 100 || may_be_secret(&self.program.to_string_lossy()) {
            "(its name may be a secret)".to_owned()
        } else {
            printable(&name)
        }
    }

    fn failed(&self, problem: impl Into<String>, advice: &'static str) -> Error {
        Error::Program {
            program: self.shown(),
            problem: problem.into(),
            advice,
        }
    }
}

impl fmt::Debug for Program {
    /// Omits the arguments and the variables, which may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Program({}, {} arguments)", self.shown(), self.arguments.len())
    }
}

/// The time after which a program is ended by default.
const TIME_LIMIT: Duration = Duration::from_secs(30);
