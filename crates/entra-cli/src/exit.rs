use std::fmt;
use std::process::ExitCode;

use entra_proto::{Error as ProtocolError, ErrorClass};
use entra_transport::{AcquireError, TransportError, TransportErrorKind};

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Output = 1,
    Usage = 2,
    Configuration = 3,
    Credential = 4,
    Refused = 5,
    Permission = 6,
    Network = 7,
    Timeout = 8,
    Token = 9,
    Api = 10,
    NotRun = 126,
    NotFound = 127,
    /// Whoever read the output has gone, as `head` does: no failure.
    OutputClosed = 0,
}

/// What `entra --help` ends with.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
   0  done
   1  the result cannot be written, or the file of tenants not used
   2  the command line is wrong
   3  a setting is missing or wrong: tenant, client id, authority, scope
   4  the credential, or a file with one or a token, cannot be read
   5  the authority refused, or is too busy
   6  consent or a permission is missing
   7  no connection: network or TLS
   8  no answer in time
   9  a token or an answer with one is not valid
  10  the API refused
 126  the command that `entra exec` was given cannot be run
 127  the command that `entra exec` was given is not there; one that runs ends with a code of its own

Secrets come from the environment, a file or standard input, never from the command line.";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked to, and the exit code that goes with it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// What to do beside what the error itself advises.
    pub(crate) advice: Option<&'static str>,
    error: anyhow::Error,
}

impl Failure {
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit,
            advice: None,
            error: error.into(),
        }
    }

    pub(crate) fn text(exit: Exit, text: impl fmt::Display) -> Self {
        Self {
            exit,
            advice: None,
            error: anyhow::anyhow!("{text}"),
        }
    }

    /// What is wrong, and what to do about it: errors are written with a semicolon between the two.
    pub(crate) fn parts(&self) -> (String, Option<String>) {
        let text = self.to_string();
        match text.rsplit_once("; ") {
            Some((problem, advice)) => (problem.to_owned(), Some(advice.to_owned())),
            None => (text, None),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The whole chain on one line.
        write!(f, "{:#}", self.error)
    }
}

impl From<AcquireError> for Failure {
    fn from(error: AcquireError) -> Self {
        match error {
            AcquireError::Protocol(error) => error.into(),
            AcquireError::Transport(error) => error.into(),
            error => Self::new(Exit::Refused, error),
        }
    }
}

impl From<entra_client::Error> for Failure {
    fn from(error: entra_client::Error) -> Self {
        let rejected = error
            .service()
            .is_some_and(|service| service.class() == ErrorClass::Credential);
        Self {
            advice: rejected.then_some(
                "`entra doctor`, with the same options and variables, looks for what is wrong with the credential",
            ),
            ..error.cause().clone().into()
        }
    }
}

impl From<ProtocolError> for Failure {
    fn from(error: ProtocolError) -> Self {
        let exit = match &error {
            ProtocolError::Input(_) => Exit::Configuration,
            ProtocolError::Service(service) if service.class() == ErrorClass::Consent => Exit::Permission,
            ProtocolError::Signer(_) => Exit::Credential,
            ProtocolError::Service(_) => Exit::Refused,
            _ => Exit::Token,
        };
        Self::new(exit, error)
    }
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        let exit = match error.kind() {
            TransportErrorKind::Refused | TransportErrorKind::Configuration => Exit::Configuration,
            TransportErrorKind::Timeout => Exit::Timeout,
            _ => Exit::Network,
        };
        Self::new(exit, error)
    }
}
