//! The exit codes of the command.

use std::process::ExitCode;

pub(crate) use crate::failure::Failure;

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
    /// A check of files found something.
    Found = 11,
    NotRun = 126,
    NotFound = 127,
    /// Whoever read the output has gone, as `head` does: no failure.
    OutputClosed = 0,
}

/// What `entra --help` ends with.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
   0  done
   1  the result cannot be written, or the file of tenants or sign-ins cannot be used
   2  the command line is wrong
   3  a setting is missing or wrong: tenant, client id, authority, scope
   4  the credential, or a file with one or a token, cannot be read, or no user is signed in
   5  the authority rejected the request, or is too busy
   6  consent or a permission is missing
   7  no connection: network or TLS; or a response that is cut short
      or too long
   8  no response in time
   9  a token, or a response with one, is not valid
  10  the API rejected the request
  11  `entra lint` found a problem
 126  the command after -- cannot be run (entra exec, entra emulator)
 127  the command after -- is not found; one that runs ends with
      its own exit code

Commands that list things (accounts, tenants list, resources, config show, discover, validate) print a table at a terminal and JSON when piped; -o table, \
-o json or -o text decides. All other commands print the same in both cases, except that `entra call` indents JSON at a terminal.

With -o json, a failure is one JSON object on the last line of standard error, and standard output has no result: error (what happened), \
hints (a list of what to do, the most particular first), kind (a word for the exit code) and exit_code. Where they apply: class, retryable, retry_after (seconds), and of a \
response of the service status, aadsts_codes, oauth_error, suberror, description, claims (to pass on with --claims), trace_id, correlation_id and timestamp; \
of a response of an API status, code and request_id. \
`entra doctor` and `entra validate` print their report all the same.

In all JSON, a member NAME_on is a time in seconds since 1970, and NAME_at is the same time as RFC 3339 writes it.

Secrets come from the environment, a file or standard input, never from the command line.

RUST_LOG chooses what is logged to standard error in finer steps than -v, which goes before it: RUST_LOG=entra=debug,entra_client=trace. Other \
libraries log nothing here, since their logs could hold secrets.";

impl Exit {
    /// Returns the name of the kind of failure, as JSON has it.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::OutputClosed | Self::Output => "output",
            Self::Usage => "usage",
            Self::Configuration => "configuration",
            Self::Credential => "credential",
            Self::Refused => "rejected",
            Self::Permission => "permission",
            Self::Network => "network",
            Self::Timeout => "timeout",
            Self::Token => "token",
            Self::Api => "api",
            Self::Found => "found",
            Self::NotRun => "not_run",
            Self::NotFound => "not_found",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
