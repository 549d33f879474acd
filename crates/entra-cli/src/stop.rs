//! The signals that stop a process, waited for.

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

/// The watch for a signal to stop. From its start on, no such signal ends the process by itself.
pub(crate) struct Stop(Arc<AtomicUsize>);

/// The signal that came.
pub(crate) struct Stopped(i32);

impl Stop {
    /// Starts to watch.
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

    /// Returns the signal that came since the last call, if one did.
    pub(crate) fn take(&self) -> Option<i32> {
        let signal = self.0.swap(0, Ordering::SeqCst);
        (signal != 0).then(|| i32::try_from(signal).unwrap_or(SIGTERM))
    }
}

impl Stopped {
    /// Ends the process as the signal does.
    pub(crate) fn end(self) -> ! {
        end_by(self.0)
    }
}

/// Ends this process as another one ended.
pub(crate) fn end_as(status: ExitStatus) -> ! {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        end_by(signal);
    }
    std::process::exit(status.code().unwrap_or(1))
}

/// Ends the process as this signal does.
pub(crate) fn end_by(signal: i32) -> ! {
    // A signal does not end the first process of a container; the attempt would end in a crash.
    if !is_first() {
        let _ = emulate_default_handler(signal);
    }
    // As shells report a signal.
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
    // Where it is not known, a hangup stays as it is, and the others are caught.
    let hangup = Some(SIGHUP).filter(|_| is_ignored(SIGHUP) == Some(false));
    let others = [SIGINT, SIGQUIT, SIGTERM];
    let others = others.into_iter().filter(|signal| is_ignored(*signal) != Some(true));
    others.chain(hangup)
}

/// Whether this is the first process of a container, which no signal ends that it does not watch for.
pub(crate) fn is_first() -> bool {
    std::process::id() == 1
}

/// Whether a signal does not end this process, as `nohup` has it, or a shell for its background: a handler would change that.
#[cfg(unix)]
fn is_ignored(signal: i32) -> Option<bool> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = u64::from_str_radix(ignored?.trim(), 16).ok()?;
    Some(mask & (1 << (signal - 1)) != 0)
}

/// How often it is looked whether a signal came.
const PAUSE: Duration = Duration::from_millis(100);
