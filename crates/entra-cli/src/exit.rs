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
Exit codes, with the member kind of JSON failures:
   0                 success
   1  output         the result cannot be written, or the
                     stored tenants or accounts cannot be
                     used
   2  usage          the command line is invalid; nothing
                     matches (explain, resources); a file
                     for lint or for call (-d, -H) cannot be
                     read
   3  configuration  a setting is missing or invalid:
                     tenant, client ID, authority, scope; a
                     file of a setting (--ca-file, emulator
                     --config) cannot be read
   4  credential     a credential or token file cannot be
                     read (--secret-file, decode), no user
                     is signed in, or this machine has no
                     managed identity
   5  rejected       the authority rejected the request, or
                     is overloaded
   6  permission     consent or a permission is missing
   7  network        no connection (network or TLS), or a
                     response that is truncated or too long
   8  timeout        no response in time
   9  token          a token, or a response with a token, is
                     not valid; --assertion-file cannot be
                     read
  10  api            the API rejected the request
  11  found          `entra lint` found a problem
 126  not_run        the command after -- cannot be run
                     (entra exec, emulator, serve)
 127  not_found      the command after -- was not found; a
                     command that runs ends with its own
                     exit code

Commands that list things (accounts, tenants list, resources, config show, discover, validate) print a table to a terminal and JSON to a pipe or a file; \
-o table, -o json or -o text overrides this. All other commands print the same in both cases, except that `entra call` indents JSON for a terminal.

With -o json, a failure is one JSON object on the last line of standard error. Its members are error (the problem), \
hints (a list of what to do, the most specific first), kind (see above) and exit_code. If they apply, it also has class, retryable and retry_after (seconds); \
for an error response of the service status, aadsts_codes, oauth_error, suberror, description, claims (pass them on with --claims), trace_id, correlation_id and timestamp; \
for an error response of an API status, code and request_id. \
Standard output then has no result. But `entra doctor`, `entra lint` and `entra validate` print their report in any case, \
`entra call --paginate` has printed the items of earlier pages, and `entra token --watch` the earlier tokens.

In all JSON, a member NAME_on is a time in seconds since 1970, and NAME_at is the same time in RFC 3339 format.

Secrets are read from the environment, a file or standard input, never from the command line.

RUST_LOG selects the log on standard error by module: RUST_LOG=entra=debug,entra_client=trace. -v and -q override RUST_LOG. Other \
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
