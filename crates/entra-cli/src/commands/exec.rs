//! The command `entra exec`: runs a program with an access token in its environment.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::Error;
use std::process::Command;

use clap::Args;
use entra_client::Policy;

use crate::arguments::WrongValue;
use crate::exit::{Exit, Failure};
use crate::failure::not_run;
use crate::settings::SECRET_VARIABLES;
use crate::token_settings::TokenSettings;

/// Run a command with an access token in its environment.
///
/// The variable ENTRA_ACCESS_TOKEN has the token, and ENTRA_TOKEN_EXPIRES_ON the time at which it
/// expires (Unix time, in seconds). The token is not renewed, so the command should end before it
/// expires, usually within an hour. AZURE_CLIENT_SECRET and AZURE_CLIENT_CERTIFICATE_PASSWORD are
/// only used to get the token, and are removed from the command's environment.
///
/// On Unix the command replaces this process: it receives signals directly, and its exit code is
/// the exit code of `entra exec`. The exit code is 126 if the command cannot be run, and 127 if it
/// is not found.
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

Do not write $ENTRA_ACCESS_TOKEN in the arguments of a command: all users of the machine can see them. Pass the token on through a \
pipe, as above, or let the command read the variable.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    wanted: TokenSettings,

    /// Name of the environment variable for the token
    #[arg(long, value_name = "NAME", default_value = ACCESS_TOKEN, value_parser = variable)]
    env: String,

    /// Keep AZURE_CLIENT_SECRET and AZURE_CLIENT_CERTIFICATE_PASSWORD in the command's environment
    #[arg(long)]
    keep_secrets: bool,

    /// Program to run, and its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    command: Vec<OsString>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let wanted = &arguments.wanted;
    let client = wanted.client(Policy::default())?;
    let token = client.token_with(&wanted.target()?, &wanted.options()?)?;

    let [program, words @ ..] = arguments.command.as_slice() else {
        return Err(Failure::text(Exit::Usage, "there is no command to run").hint("name a command after --"));
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

/// Replaces this process with the command. Returns only if that fails.
#[cfg(unix)]
fn replace_with(mut command: Command) -> Result<Infallible, Error> {
    Err(std::os::unix::process::CommandExt::exec(&mut command))
}

/// Runs the command, and ends this process with its exit status.
#[cfg(not(unix))]
fn replace_with(mut command: Command) -> Result<Infallible, Error> {
    crate::stop::end_as(command.status()?)
}

/// Parses the name of an environment variable.
///
/// # Errors
/// Returns an error if shells do not accept the name, or if the variable has another purpose.
fn variable(name: &str) -> Result<String, WrongValue> {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    if !name.starts_with(is_letter) || !name.chars().all(|c| is_letter(c) || c.is_ascii_digit()) {
        return Err(WrongValue::new(
            "it is not a valid variable name",
            "use letters, digits and _, and do not begin with a digit",
        ));
    }
    if name == EXPIRES_ON || SECRET_VARIABLES.contains(&name) {
        return Err(WrongValue::new(
            "this variable has another purpose",
            "choose another name",
        ));
    }
    Ok(name.to_owned())
}

/// The default name of the variable with the token.
pub(crate) const ACCESS_TOKEN: &str = "ENTRA_ACCESS_TOKEN";

/// The variable with the time at which the token expires, in seconds since 1970.
pub(crate) const EXPIRES_ON: &str = "ENTRA_TOKEN_EXPIRES_ON";

// Each form fits a terminal of 60 columns.
const USAGE: &str = "\
entra exec [OPTIONS] --scope <SCOPE> -- <PROGRAM>...
       entra exec [OPTIONS] --resource <AUDIENCE>
         -- <PROGRAM>...";
