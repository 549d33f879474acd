//! Runs a program to its end, or ends it.

use std::io;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::pipes::{Pipe, Pipes};
use super::{Program, ProgramOutput};
use crate::error::Error;

/// Runs a program. If `is_abandoned` becomes true, the program is ended.
pub(super) fn run(program: &Program, is_abandoned: &AtomicBool) -> Result<ProgramOutput, Error> {
    let begun = Instant::now();
    let mut running = Running::start(program)?;
    let pipes = running
        .read_output()
        .map_err(|_| program.failed("cannot be read", RESOURCES))?;
    let mut pause = SHORTEST_PAUSE;
    let status = loop {
        match running.0.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => {}
            Err(error) => return Err(program.failed(format!("cannot be watched: {}", error.kind()), RESOURCES)),
        }
        let left = program.time_limit.saturating_sub(begun.elapsed());
        if is_abandoned.load(Ordering::Relaxed) {
            return Err(program.failed("was abandoned by its caller", "run it again"));
        }
        if pipes.lock().is_too_long {
            let advice = "check that the program prints the token, and nothing else, to its standard output";
            return Err(program.failed("prints more than 64 KiB", advice));
        }
        if left.is_zero() {
            let problem = format!("did not end within {:?} and was ended", program.time_limit);
            return Err(program.failed(
                problem,
                "check that the program does not wait for a user, or allow it more time",
            ));
        }
        pipes.wait(pause.min(left));
        pause = (pause * 2).min(LONGEST_PAUSE);
    };
    // Everything that the program itself has printed is in the pipes by now. Only programs that it
    // has left behind can keep them open.
    pipes.wait_for_end(AFTER_END);
    let mut printed = pipes.lock();
    if printed.is_too_long {
        return Err(program.failed("prints more than 64 KiB", "let the program print the token alone"));
    }
    let (stdout, stderr) = (std::mem::take(&mut printed.stdout), std::mem::take(&mut printed.stderr));
    Ok(ProgramOutput::new(program.clone(), status.code(), stdout, stderr))
}

/// A running program, which is ended when this value is dropped.
struct Running(Child);

impl Running {
    fn start(program: &Program) -> Result<Self, Error> {
        let mut command = Command::new(&program.program);
        command
            .args(&program.arguments)
            .envs(program.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        without_window(&mut command);
        command.spawn().map(Self).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::ProgramMissing {
                program: program.shown(),
            },
            io::ErrorKind::PermissionDenied => program.failed(
                "cannot be started: permission denied",
                "run as a user who may execute it",
            ),
            kind => program.failed(
                format!("cannot be started: {kind}"),
                "check the program and its arguments",
            ),
        })
    }

    fn read_output(&mut self) -> io::Result<Arc<Pipes>> {
        let pipes = Arc::new(Pipes::default());
        if let Some(stdout) = self.0.stdout.take() {
            pipes.read(Pipe::Stdout, stdout)?;
        }
        if let Some(stderr) = self.0.stderr.take() {
            pipes.read(Pipe::Stderr, stderr)?;
        }
        Ok(pipes)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if the program has ended and was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Keeps a window of the console from appearing.
#[cfg(windows)]
fn without_window(command: &mut Command) {
    use std::os::windows::process::CommandExt;
    const CREATE_NO_WINDOW: u32 = 0x0800_0000;
    command.creation_flags(CREATE_NO_WINDOW);
}

#[cfg(not(windows))]
fn without_window(_: &mut Command) {}

/// The pauses between two looks at a running program. The end of its output is noticed at once.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// The time for reading the rest of the output of a program that has ended.
const AFTER_END: Duration = Duration::from_millis(500);

const RESOURCES: &str = "check the limits of processes and threads on this machine";
