//! A collector that runs during a test.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A program with its standard error. Dropping this ends the program.
pub(crate) struct Running {
    child: Child,
    log: Arc<Mutex<String>>,
    lines: Receiver<String>,
}

impl Running {
    /// Starts the program below a shell, which ends it when the shell's input ends. That happens
    /// when this process ends, even if it is killed.
    pub(crate) fn spawn(program: &Command) -> Self {
        let script = r#""$@" </dev/null & trap : HUP INT TERM; exec >&- 2>&-; read -r _; kill -KILL $!; wait $!"#;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", script, "sh"])
            .arg(program.get_program())
            .args(program.get_args())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        for (name, value) in program.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Mutex::new(String::new()));
        let (tell, lines) = channel();
        let kept = Arc::clone(&log);
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                kept.lock().unwrap().push_str(&format!("{line}\n"));
                let _ = tell.send(line);
            }
        });
        Self { child, log, lines }
    }

    /// Waits for a line on standard error that contains this text, and returns the text after it,
    /// or `None` at the end of the program.
    pub(crate) fn wait(&self, text: &str) -> Option<String> {
        let end = Instant::now() + DEADLINE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    if let Some((_, rest)) = line.split_once(text) {
                        return Some(rest.to_owned());
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => panic!("no {text:?} in {}", self.log()),
            }
        }
    }

    /// Returns everything that it has written to standard error.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the program has failed by itself. Returns its standard error.
    pub(crate) fn fail(mut self) -> String {
        drop(self.child.stdin.take());
        assert!(!self.child.wait().unwrap().success());
        self.log()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The time after which a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
