//! The exit codes of the command.

use std::process::ExitCode;

pub(crate) use crate::failure::Failure;

/// The exit code of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Output = 1,
    Usage = 2,
    Configuration = 3,
    Credential = 4,
    Rejected = 5,
    Permission = 6,
    Network = 7,
    Timeout = 8,
    Token = 9,
    Api = 10,
    /// `entra lint` found a problem in a file.
    Findings = 11,
    NotRun = 126,
    NotFound = 127,
    /// The reader of the output closed it, as `head` does. This is not a failure.
    OutputClosed = 0,
}

/// The text at the end of `entra --help`: exit codes, output formats, secrets and logs.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
   0  success
   1  the result cannot be written, or the stored tenants or sign-ins
      cannot be used
   2  the command line is invalid
   3  a setting is missing or invalid: tenant, client ID, authority, scope
   4  a credential or token file cannot be read, or no user is signed in
   5  the authority rejected the request, or is overloaded
   6  consent or a permission is missing
   7  no connection (network or TLS), or a response that is truncated
      or too long
   8  no response in time
   9  a token, or a response with a token, is not valid
  10  the API rejected the request
  11  `entra lint` found a problem
 126  the command after -- cannot be run (entra exec, entra emulator)
 127  the command after -- was not found; a command that runs ends
      with its own exit code

Commands that list things (accounts, tenants list, resources, config show, discover, validate) print a table to a terminal and JSON to a pipe or a file; \
-o table, -o json or -o text overrides this. All other commands print the same in both cases, except that `entra call` indents JSON for a terminal.

With -o json, a failure is one JSON object on the last line of standard error, and standard output has no result. Its members are error (the problem), \
hints (a list of what to do, the most specific first), kind (a name for the exit code) and exit_code. If they apply, it also has class, retryable and retry_after (seconds); \
for an error response of the service status, aadsts_codes, oauth_error, suberror, description, claims (pass them on with --claims), trace_id, correlation_id and timestamp; \
for an error response of an API status, code and request_id. \
`entra doctor` and `entra validate` print their report in any case.

In all JSON, a member NAME_on is a time in seconds since 1970, and NAME_at is the same time in RFC 3339 format.

Secrets are read from the environment, a file or standard input, never from the command line.

RUST_LOG filters the log on standard error in finer steps than -v, which overrides it: RUST_LOG=entra=debug,entra_client=trace. Other \
libraries are never logged, since their logs could hold secrets.";

impl Exit {
    /// Returns the value of the member `kind` in JSON.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::OutputClosed | Self::Output => "output",
            Self::Usage => "usage",
            Self::Configuration => "configuration",
            Self::Credential => "credential",
            Self::Rejected => "rejected",
            Self::Permission => "permission",
            Self::Network => "network",
            Self::Timeout => "timeout",
            Self::Token => "token",
            Self::Api => "api",
            Self::Findings => "found",
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
