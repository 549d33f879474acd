//! The command that runs against the emulator. The emulator ends when the command ends.

use std::ffi::OsString;
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::Duration;

use crate::exit::{Exit, Failure};
use crate::failure::not_run;
use crate::stop::{Stop, pass_on};

/// Runs a command with these environment variables and without those of `unset`, and waits until
/// it ends.
///
/// Signals that would stop this process are passed on to the command. The emulator serves the
/// command until it ends.
///
/// # Errors
/// Returns an error if the command cannot be run.
pub(super) fn run(
    words: &[OsString],
    variables: &[(&str, String)],
    unset: &[&str],
    stop: &Stop,
) -> Result<ExitStatus, Failure> {
    let [program, words @ ..] = words else {
        return Err(Failure::text(Exit::Usage, "there is no command to run").hint("name a command after --"));
    };
    let mut command = Command::new(program);
    command
        .args(words)
        .envs(variables.iter().map(|(name, value)| (name, value)));
    for name in unset {
        command.env_remove(name);
    }
    let mut child = command.spawn().map_err(|error| not_run(program, &error))?;
    loop {
        let status = child.try_wait().map_err(|error| not_run(program, &error))?;
        if let Some(status) = status {
            return Ok(status);
        }
        if let Some(signal) = stop.take() {
            pass_on(child.id(), signal);
        }
        thread::sleep(PAUSE);
    }
}

/// The pause between two checks for the end of the command or a signal.
const PAUSE: Duration = Duration::from_millis(20);
