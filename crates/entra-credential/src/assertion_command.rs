//! A command that prints a federated token.

use std::fmt;

use entra_proto::assertion::ClientAssertion;

use crate::assertion_text::{TextProblem, assertion_in};
use crate::error::Error;
use crate::program::{Program, ProgramOutput};

/// A command that prints an assertion of another issuer, for platforms that are not supported
/// directly.
///
/// It runs for each token request, as its [`Program`] describes: without a shell, with a time
/// limit, and with at most 64 KiB of output, which no error or log contains.
///
/// It serves blocking and async clients. The async client runs it on a thread of its own.
///
/// ```
/// use entra_credential::{AssertionCommand, Program};
/// use entra_proto::{Application, Authority};
///
/// let arguments = ["sts", "get-web-identity-token", "--output", "text"];
/// let program = Program::new("aws").with_arguments(arguments);
/// let authority: Authority =
///     "https://login.microsoftonline.com/contoso.com".parse()?;
/// let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
/// let app =
///     Application::new(authority, client_id, AssertionCommand::new(program));
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct AssertionCommand {
    program: Program,
}

impl AssertionCommand {
    /// Creates a source of the assertions that this program prints. Nothing runs yet.
    #[must_use]
    pub fn new(program: Program) -> Self {
        Self { program }
    }

    /// Returns the program.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Runs the command, and returns the assertion that it prints. What surrounds the assertion is
    /// ignored, as in a [file](crate::FederatedTokenFile::assertion).
    ///
    /// # Errors
    /// Returns an error if the command fails, exceeds its time limit, or does not print a JWT.
    pub fn assertion(&self) -> Result<ClientAssertion, Error> {
        self.read(self.program.run())
    }

    /// Runs the command on a thread. Dropping the future ends the command.
    ///
    /// # Errors
    /// Returns an error as [`assertion`](Self::assertion) does.
    pub async fn assertion_async(&self) -> Result<ClientAssertion, Error> {
        self.read(self.program.run_async().await)
    }

    fn read(&self, output: Result<ProgramOutput, Error>) -> Result<ClientAssertion, Error> {
        let output = output?.succeeded()?;
        assertion_in(output.stdout()).map_err(|problem| Error::Assertion {
            place: format!("the output of the program {}", self.program.shown()),
            problem: problem.problem(),
            advice: match problem {
                TextProblem::Json => "give the program the arguments that let it print the token alone",
                _ => "check that the program prints the token, and nothing else, to its standard output",
            },
        })
    }
}

impl fmt::Debug for AssertionCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AssertionCommand({})", self.program.shown())
    }
}
