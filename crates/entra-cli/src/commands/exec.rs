use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::io::{Error, ErrorKind};
use std::process::Command;

use clap::Args;
use entra_client::Policy;

use crate::arguments::WrongValue;
use crate::exit::{Exit, Failure};
use crate::settings::SECRET_VARIABLES;
use crate::token_settings::TokenSettings;

/// Run a command with an access token in its environment.
///
/// The command finds the token in ENTRA_ACCESS_TOKEN, and in ENTRA_TOKEN_EXPIRES_ON the second at which it expires (Unix time). It is not
/// renewed, so it suits commands that end before it expires, usually within an hour. What AZURE_CLIENT_SECRET and
/// AZURE_CLIENT_CERTIFICATE_PASSWORD hold is for getting the token, and is taken out of the command's environment.
///
/// The command takes the place of this one (on Unix), so that signals reach it and its exit code is the one that is seen.
#[derive(Args)]
#[command(override_usage = USAGE, after_help = "\
Examples:
  entra exec --resource https://graph.microsoft.com -- \\
    ./nightly-report
  entra exec --resource https://database.windows.net/ \\
    --env SQL_TOKEN -- ./migrate --all
  entra exec --resource https://graph.microsoft.com -- \\
    sh -c '
      echo \"Authorization: Bearer $ENTRA_ACCESS_TOKEN\" |
      curl -H @- https://graph.microsoft.com/v1.0/users'

A shell puts $ENTRA_ACCESS_TOKEN into the arguments of what it runs, where every user of the machine sees it: pass it on through a pipe, \
as above, or let the command read the variable.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    wanted: TokenSettings,

    /// The variable that is to hold the token
    #[arg(long, value_name = "NAME", default_value = ACCESS_TOKEN, value_parser = variable)]
    env: String,

    /// Leave AZURE_CLIENT_SECRET and AZURE_CLIENT_CERTIFICATE_PASSWORD in the command's environment
    #[arg(long)]
    keep_secrets: bool,

    /// The command, and what it is given
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let wanted = &arguments.wanted;
    let client = wanted.client(Policy::default())?.build();
    let client = client?;
    let token = client.token_with(&wanted.target()?, &wanted.options()?)?;

    let [program, words @ ..] = arguments.command.as_slice() else {
        return Err(Failure::text(Exit::Usage, "there is no command to run"));
    };
    let mut command = Command::new(program);
    command.args(words);
    if !arguments.keep_secrets {
        for name in SECRET_VARIABLES {
            command.env_remove(name);
        }
    }
    command.env(&arguments.env, token.expose());
    command.env(EXPIRES_ON, token.expires_at().as_secs().to_string());
    drop((token, client));
    match replace_with(command) {
        Err(error) => Err(not_run(program, &error)),
    }
}

/// The failure for a command that cannot be run, with the exit code that shells have for it.
pub(super) fn not_run(program: &OsStr, error: &Error) -> Failure {
    let (exit, hint) = match error.kind() {
        ErrorKind::NotFound => (Exit::NotFound, "check the command's name, and PATH"),
        _ => (Exit::NotRun, "name a program that this user may run"),
    };
    Failure::of(exit, error).context(program.display()).hint(hint)
}

/// Runs the command in the place of this process.
#[cfg(unix)]
fn replace_with(mut command: Command) -> Result<Infallible, Error> {
    Err(std::os::unix::process::CommandExt::exec(&mut command))
}

/// Runs the command, and ends this process as it ended.
#[cfg(not(unix))]
fn replace_with(mut command: Command) -> Result<Infallible, Error> {
    crate::stop::end_as(command.status()?)
}

/// A variable's name as shells take it, and none that is needed for something else.
fn variable(name: &str) -> Result<String, WrongValue> {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    if !name.starts_with(is_letter) || !name.chars().all(|c| is_letter(c) || c.is_ascii_digit()) {
        return Err(WrongValue::new(
            "it is no variable's name",
            "use letters, digits and _, and no digit first",
        ));
    }
    if name == EXPIRES_ON || SECRET_VARIABLES.contains(&name) {
        return Err(WrongValue::new(
            "this variable holds something else",
            "name another one",
        ));
    }
    Ok(name.to_owned())
}

/// The variable with the token, unless another is named.
pub(crate) const ACCESS_TOKEN: &str = "ENTRA_ACCESS_TOKEN";

/// The variable with the second at which the token expires.
pub(crate) const EXPIRES_ON: &str = "ENTRA_TOKEN_EXPIRES_ON";

// Each form fits a terminal of 60 columns.
const USAGE: &str = "\
entra exec [OPTIONS] --scope <SCOPE> -- <COMMAND>...
       entra exec [OPTIONS] --resource <API> -- <COMMAND>...";
