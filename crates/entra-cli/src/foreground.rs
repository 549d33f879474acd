//! The signals and the command of a server in the foreground, which determine when it ends.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::process::ExitStatus;

use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

use crate::exit::{Exit, Failure};
use crate::failure::not_run;
use crate::stop::{end_as, end_by, pass_on};

/// The signals to this process, and the command after `--`.
pub(crate) struct Foreground {
    signals: UnboundedReceiver<i32>,
    guest: Option<Child>,
    /// True if standard input was a terminal at the start.
    has_terminal: bool,
}

/// What happened.
pub(crate) enum Event {
    /// SIGHUP asks a server without a command to read its settings again.
    Hangup,
    End(End),
}

/// The reason why a server ends.
pub(crate) enum End {
    Signal(i32),
    /// The command has ended.
    Guest(ExitStatus),
}

impl Foreground {
    /// Starts to catch signals. Called in a runtime, before the server is ready.
    ///
    /// # Errors
    /// Returns an error if the system rejects a handler.
    pub(crate) fn watch() -> Result<Self, Failure> {
        Ok(Self {
            signals: signals().map_err(|error| Failure::of(Exit::Configuration, &error))?,
            guest: None,
            has_terminal: std::io::stdin().is_terminal(),
        })
    }

    /// Starts a command with these environment variables and without those of `unset`.
    ///
    /// # Errors
    /// Returns an error if the command cannot be run.
    pub(crate) fn start(
        &mut self,
        words: &[OsString],
        set: &[(&'static str, String)],
        unset: &[String],
    ) -> Result<(), Failure> {
        let [program, words @ ..] = words else {
            return Err(Failure::text(Exit::Usage, "there is no command to run").hint("name a command after --"));
        };
        let mut command = Command::new(program);
        command.args(words);
        for name in unset {
            command.env_remove(name);
        }
        command.envs(set.iter().map(|(name, value)| (name, value)));
        self.guest = Some(command.spawn().map_err(|error| not_run(program, &error))?);
        Ok(())
    }

    /// Waits until something happens. Signals are passed on to the command.
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            let signal = match &mut self.guest {
                None => self.signal().await,
                Some(guest) => tokio::select! {
                    status = guest.wait() => match status {
                        Ok(status) => return Event::End(End::Guest(status)),
                        Err(_) => return Event::End(End::Signal(signal_hook::consts::SIGTERM)),
                    },
                    Some(signal) = self.signals.recv() => {
                        if let Some(process) = guest.id() {
                            pass_on(process, signal);
                        }
                        continue;
                    }
                },
            };
            let has_lost_terminal = self.has_terminal && !std::io::stdin().is_terminal();
            return match is_hangup(signal) && !has_lost_terminal {
                true => Event::Hangup,
                false => Event::End(End::Signal(signal)),
            };
        }
    }

    /// Waits until the server has drained, and ends this process. A further signal ends it at once.
    pub(crate) async fn finish(mut self, end: End, server: JoinHandle<()>) -> ! {
        self.guest = None;
        tokio::select! {
            _ = server => match end {
                End::Signal(signal) => end_by(signal),
                End::Guest(status) => end_as(status),
            },
            signal = self.signal() => end_by(signal),
        }
    }

    async fn signal(&mut self) -> i32 {
        match self.signals.recv().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }
}

#[cfg(unix)]
fn is_hangup(signal: i32) -> bool {
    signal == signal_hook::consts::SIGHUP
}

#[cfg(not(unix))]
fn is_hangup(_: i32) -> bool {
    false
}

/// Returns the signals that would end this process.
#[cfg(unix)]
fn signals() -> std::io::Result<UnboundedReceiver<i32>> {
    use tokio::signal::unix::{SignalKind, signal};

    let (sender, receiver) = unbounded_channel();
    for number in crate::stop::ending_signals() {
        let mut received = signal(SignalKind::from_raw(number))?;
        let sender = sender.clone();
        tokio::spawn(async move { while received.recv().await.is_some() && sender.send(number).is_ok() {} });
    }
    Ok(receiver)
}

/// Returns the events of the console that would end this process.
#[cfg(not(unix))]
fn signals() -> std::io::Result<UnboundedReceiver<i32>> {
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() && sender.send(signal_hook::consts::SIGINT).is_ok() {}
    });
    Ok(receiver)
}
