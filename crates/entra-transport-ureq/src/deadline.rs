//! A deadline for all operations of a socket.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use ureq::unversioned::transport::NextTimeout;

/// The time by which a step must complete, with any number of reads and writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn after(time: Duration) -> Self {
        Self(Instant::now() + time.min(LONGEST))
    }

    pub(crate) fn of(timeout: NextTimeout) -> Self {
        Self::after(*timeout.after)
    }

    /// Returns the remaining time. It is never zero, which would mean no timeout to a socket.
    ///
    /// # Errors
    /// Returns [`TimedOut`](io::ErrorKind::TimedOut) if no time remains.
    pub(crate) fn left(self) -> io::Result<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(left)
    }

    /// Returns the socket with reads and writes that fail with
    /// [`TimedOut`](io::ErrorKind::TimedOut) after the deadline.
    pub(crate) fn bound(self, stream: &TcpStream) -> Bound<'_> {
        Bound { stream, deadline: self }
    }
}

pub(crate) struct Bound<'a> {
    stream: &'a TcpStream,
    deadline: Deadline,
}

impl Read for Bound<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            set(self.stream.set_read_timeout(Some(self.deadline.left()?)))?;
            match self.stream.read(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read.map_err(timed_out),
            }
        }
    }
}

impl Write for Bound<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            set(self.stream.set_write_timeout(Some(self.deadline.left()?)))?;
            match self.stream.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => return written.map_err(timed_out),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Ignores the error of macOS if the other side has shut the socket down. The following read or
/// write then fails at once.
fn set(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if cfg!(target_os = "macos") && error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        outcome => outcome,
    }
}

/// Converts the error of a timeout, which is `WouldBlock` on Unix.
fn timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    }
}

/// The longest deadline. The range of an [`Instant`] may be only some years.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);
