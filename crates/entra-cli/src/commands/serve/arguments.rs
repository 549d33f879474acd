//! The arguments of `entra serve`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::commands::serve::identities::IdentityOptions;
use crate::commands::serve::options::ServerOptions;

/// Give tokens to local programs in any language, from one cache.
///
/// Programs ask this server as they ask the platform in Azure for the token of a managed identity:
/// every Azure SDK and MSAL finds it by the variables IDENTITY_ENDPOINT and IDENTITY_HEADER, which
/// the command prints for a shell. So they need no secret and no code for another credential, and
/// all of them share one cached token. The server listens on 127.0.0.1 and ::1 only, and knows its
/// programs by a random key.
///
/// The credential is one that `entra token` takes: a secret, a certificate, federation, a managed
/// identity, an agent, the first credential of the environment (--chain), or a user who signed in
/// with `entra login` (--account). A configuration file can have several named identities. The
/// server issues tokens for the named resources only. Each request is logged as one line on
/// standard error, without the token.
///
/// With a command after --, the server runs until the command ends. It then sets the variables for
/// that command instead of printing them, and removes its own secrets from them, passes signals on,
/// logs requests only with -v, and exits with the exit code of the command.
///
/// Without a command, SIGTERM and SIGINT end the server after the requests in progress; a second
/// signal ends it at once. SIGHUP reads the configuration file and the credentials again. If that
/// fails, the server goes on as before and says why. Addresses, protocols and the key change only
/// with a restart.
#[derive(Args)]
#[command(after_help = "\
Examples:
  # while one command runs
  entra serve --resource https://graph.microsoft.com -- \\
    python3 report.py
  # for the programs that this shell starts
  entra serve --resource https://vault.azure.net \\
    > serve.env &
  . ./serve.env
  # as the user who signed in, for development
  entra login
  entra serve --account \\
    --resource https://vault.azure.net -- npm start
  # check the settings, and request a token for each
  entra serve --config serve.toml --check --prefetch

A configuration file has the options by their names, and several identities:
  entra serve --print-config > serve.toml
  entra serve --config serve.toml

As a service of systemd, in entra-serve.service:
  [Service]
  Type=notify
  ExecStart=/usr/bin/entra serve \\
    --config /etc/entra/serve.toml
  ExecReload=/bin/kill -HUP $MAINPID
  LoadCredential=secret:/etc/entra/secret
  RuntimeDirectory=entra
  DynamicUser=yes
  [Install]
  WantedBy=multi-user.target
The file names the secret as secret_file = \"/run/credentials/entra-serve.service/secret\", and with env_file = \"/run/entra/env\" \
other services read the variables from EnvironmentFile=/run/entra/env.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(super) server: ServerOptions,

    #[command(flatten)]
    pub(super) identity: IdentityOptions,

    /// Read options and identities from this TOML file; an option of the command line comes first
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Print an example of a configuration file
    #[arg(long, exclusive = true)]
    pub(super) print_config: bool,

    /// Check the options, the file and the credentials, and end
    #[arg(long, conflicts_with = "guest")]
    pub(super) check: bool,

    /// Request the tokens at the start, and log those that fail
    #[arg(long)]
    pub(super) prefetch: bool,

    /// Output format of the variables
    #[arg(short, long, value_enum, ignore_case = true, default_value = "env")]
    pub(super) output: Output,

    /// Program to run, and its arguments
    #[arg(last = true, value_name = "PROGRAM")]
    pub(super) guest: Vec<OsString>,
}

/// The format of the variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// Lines for a shell: export NAME=VALUE
    Env,
    /// One JSON object with the variables
    Json,
}

impl Arguments {
    /// Returns true if requests are logged by default: not into the output of a command.
    pub(crate) fn logs_requests(&self) -> bool {
        self.guest.is_empty()
    }
}
