//! Waiting for the signals that stop a process, and ending the process by them.

use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

#[cfg(unix)]
use signal_hook::consts::{SIGHUP, SIGQUIT};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level::emulate_default_handler;

use crate::exit::{Exit, Failure};

/// A handler for the signals to stop. Once it is installed, these signals no longer end the
/// process.
pub(crate) struct Stop(Arc<AtomicUsize>);

/// A received signal to stop.
pub(crate) struct Stopped(i32);

impl Stop {
    /// Installs the handler.
    ///
    /// # Errors
    /// Returns an error if the system rejects a handler.
    pub(crate) fn watch() -> Result<Self, Failure> {
        let stopped = Arc::new(AtomicUsize::new(0));
        for signal in ending_signals() {
            flag::register_usize(signal, Arc::clone(&stopped), signal as usize)
                .map_err(|error| Failure::of(Exit::Configuration, &error))?;
        }
        Ok(Self(stopped))
    }

    /// Waits for a signal.
    pub(crate) fn wait(self) -> Stopped {
        loop {
            match self.take() {
                None => thread::sleep(PAUSE),
                Some(signal) => return Stopped(signal),
            }
        }
    }

    /// Returns the signal received since the last call, if any.
    pub(crate) fn take(&self) -> Option<i32> {
        let signal = self.0.swap(0, Ordering::SeqCst);
        (signal != 0).then(|| i32::try_from(signal).unwrap_or(SIGTERM))
    }
}

impl Stopped {
    /// Ends the process by the signal.
    pub(crate) fn end(self) -> ! {
        end_by(self.0)
    }
}

/// Ends this process with the status of another one: by its signal, or with its exit code.
pub(crate) fn end_as(status: ExitStatus) -> ! {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        end_by(signal);
    }
    std::process::exit(status.code().unwrap_or(1))
}

/// Ends the process by this signal.
pub(crate) fn end_by(signal: i32) -> ! {
    // A signal does not end the first process of a container; the attempt would abort it.
    if !is_first() {
        let _ = emulate_default_handler(signal);
    }
    // The exit code with which shells report a signal.
    std::process::exit(128 + signal)
}

/// Returns the signals that end this process unless it catches them.
#[cfg(not(unix))]
pub(crate) fn ending_signals() -> impl Iterator<Item = i32> {
    [SIGINT, SIGTERM].into_iter()
}

/// Returns the signals that end this process unless it catches them.
#[cfg(unix)]
pub(crate) fn ending_signals() -> impl Iterator<Item = i32> {
    // Without /proc, SIGHUP is left alone and the others are caught.
    let hangup = Some(SIGHUP).filter(|_| is_ignored(SIGHUP) == Some(false));
    let others = [SIGINT, SIGQUIT, SIGTERM];
    let others = others.into_iter().filter(|signal| is_ignored(*signal) != Some(true));
    others.chain(hangup)
}

/// Sends a signal to the process of a command, unless the terminal already did: a terminal sends
/// SIGINT and SIGQUIT to all processes of the foreground group.
#[cfg(unix)]
pub(crate) fn pass_on(process: u32, signal: i32) {
    use rustix::process::{Pid, Signal, kill_process};

    let is_from_terminal = [SIGINT, SIGQUIT].contains(&signal) && std::io::IsTerminal::is_terminal(&std::io::stdin());
    let signal = Signal::from_named_raw(signal).filter(|_| !is_from_terminal);
    let process = i32::try_from(process).ok().and_then(Pid::from_raw);
    if let (Some(signal), Some(process)) = (signal, process) {
        // An error means that the command has ended, which the next check detects.
        let _ = kill_process(process, signal);
    }
}

/// Does nothing: a Windows console sends its events to all its processes.
#[cfg(not(unix))]
pub(crate) fn pass_on(_: u32, _: i32) {}

/// Returns true for the first process of a container, which only caught signals can end.
pub(crate) fn is_first() -> bool {
    std::process::id() == 1
}

/// Returns true if this process ignores a signal, as set by `nohup` or by a shell for background
/// jobs. A handler would change that. Returns `None` if it is unknown.
#[cfg(unix)]
fn is_ignored(signal: i32) -> Option<bool> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = u64::from_str_radix(ignored?.trim(), 16).ok()?;
    Some(mask & (1 << (signal - 1)) != 0)
}

/// The interval between two checks for a signal.
const PAUSE: Duration = Duration::from_millis(100);
