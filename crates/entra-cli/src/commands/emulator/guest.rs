//! The command that runs against the emulator. The emulator ends when the command ends.

use std::ffi::OsString;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::Duration;

use crate::commands::exec::not_run;
use crate::exit::{Exit, Failure};
use crate::stop::Stop;

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
            pass_on(&child, signal);
        }
        thread::sleep(PAUSE);
    }
}

/// Sends a signal to the command, unless the terminal already did: a terminal sends SIGINT and
/// SIGQUIT to all processes of the foreground group.
#[cfg(unix)]
fn pass_on(child: &Child, signal: i32) {
    use rustix::process::{Pid, Signal, kill_process};

    let is_from_terminal = [signal_hook::consts::SIGINT, signal_hook::consts::SIGQUIT].contains(&signal)
        && std::io::IsTerminal::is_terminal(&std::io::stdin());
    let signal = Signal::from_named_raw(signal).filter(|_| !is_from_terminal);
    let child = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let (Some(signal), Some(child)) = (signal, child) {
        // An error means that the command has ended, which the next check detects.
        let _ = kill_process(child, signal);
    }
}

/// Does nothing: a Windows console sends its events to all its processes.
#[cfg(not(unix))]
fn pass_on(_: &Child, _: i32) {}

/// The pause between two checks for the end of the command or a signal.
const PAUSE: Duration = Duration::from_millis(20);
