//! The output of a running program, which two threads read.

use std::io::{ErrorKind, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::assertion_text::MOST;

/// What a program has printed so far.
#[derive(Default)]
pub(super) struct Pipes {
    printed: Mutex<Printed>,
    changed: Condvar,
}

pub(super) struct Printed {
    pub(super) stdout: Zeroizing<Vec<u8>>,
    pub(super) stderr: Zeroizing<Vec<u8>>,
    /// The number of pipes that have not ended.
    open: usize,
    pub(super) is_too_long: bool,
}

impl Default for Printed {
    /// The memory is reserved at once: a vector that grows would leave copies of a token behind.
    fn default() -> Self {
        Self {
            stdout: Zeroizing::new(Vec::with_capacity(MOST)),
            stderr: Zeroizing::new(Vec::with_capacity(MOST_ERRORS)),
            open: 0,
            is_too_long: false,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pipe {
    Stdout,
    Stderr,
}

impl Pipes {
    /// Starts a thread that reads a pipe to its end.
    ///
    /// The thread is not joined. A program that the ended one has left behind may keep the pipe
    /// open, and must not keep the caller waiting.
    pub(super) fn read(self: &Arc<Self>, pipe: Pipe, from: impl Read + Send + 'static) -> std::io::Result<()> {
        self.lock().open += 1;
        let pipes = Arc::clone(self);
        let thread = thread::Builder::new().name("output of a program".to_owned());
        thread.spawn(move || pipes.read_to_end(pipe, from)).map(drop)
    }

    fn read_to_end(&self, pipe: Pipe, mut from: impl Read) {
        let mut chunk = Zeroizing::new([0; 4096]);
        loop {
            match from.read(chunk.as_mut_slice()) {
                Ok(0) => break,
                Ok(length) if !self.append(pipe, &chunk[..length]) => break,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.lock().open -= 1;
        self.changed.notify_all();
    }

    /// Appends a chunk as far as there is room. Returns false if the pipe need not be read further.
    fn append(&self, pipe: Pipe, chunk: &[u8]) -> bool {
        let mut printed = self.lock();
        let (text, most) = match pipe {
            Pipe::Stdout => (&mut printed.stdout, MOST),
            Pipe::Stderr => (&mut printed.stderr, MOST_ERRORS),
        };
        let room = most - text.len();
        text.extend_from_slice(&chunk[..chunk.len().min(room)]);
        // The standard error is read further, so that the program does not block.
        if pipe == Pipe::Stderr || chunk.len() <= room {
            return true;
        }
        printed.is_too_long = true;
        false
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Printed> {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the end of a pipe, at most this long.
    pub(super) fn wait(&self, longest: Duration) {
        let printed = self.lock();
        let _ = self.changed.wait_timeout(printed, longest);
    }

    /// Waits until both pipes have ended, at most this long.
    pub(super) fn wait_for_end(&self, longest: Duration) {
        let printed = self.lock();
        let _ = self
            .changed
            .wait_timeout_while(printed, longest, |printed| printed.open > 0);
    }
}

/// The most bytes of the standard error that are kept.
const MOST_ERRORS: usize = 4 * 1024;
