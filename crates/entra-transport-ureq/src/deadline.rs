//! A point in time that bounds everything done with a socket.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use ureq::unversioned::transport::NextTimeout;

/// When a step has to be done, however many reads and writes it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn after(time: Duration) -> Self {
        Self(Instant::now() + time.min(LONGEST))
    }

    pub(crate) fn of(timeout: NextTimeout) -> Self {
        Self::after(*timeout.after)
    }

    /// How much time is left; never zero, which a socket would take for no bound.
    ///
    /// # Errors
    /// [`TimedOut`](io::ErrorKind::TimedOut) if there is none.
    pub(crate) fn left(self) -> io::Result<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(left)
    }

    /// The socket, whose reads and writes fail with [`TimedOut`](io::ErrorKind::TimedOut) from the deadline on.
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
        set(self.stream.set_read_timeout(Some(self.deadline.left()?)))?;
        self.stream.read(into).map_err(timed_out)
    }
}

impl Write for Bound<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        set(self.stream.set_write_timeout(Some(self.deadline.left()?)))?;
        self.stream.write(bytes).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// macOS refuses a bound for a socket that the other side has shut down. The read or write that follows says so at once.
fn set(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if cfg!(target_os = "macos") && error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        outcome => outcome,
    }
}

/// Unix calls it an operation that would block.
fn timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    }
}

/// An [`Instant`] may not reach further than some years.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);
