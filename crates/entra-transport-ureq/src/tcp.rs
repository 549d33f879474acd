//! Names and TCP.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use entra_transport::{TransportError, TransportErrorKind};
use ureq::Error;
use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};

use crate::deadline::Deadline;

/// Connects to a host by its name or address.
pub(crate) fn connect(host: &str, port: u16, deadline: Deadline) -> Result<TcpStream, TransportError> {
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let addresses = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => {
            let host = host.to_owned();
            within(deadline, move || (host, port).to_socket_addrs().map(Vec::from_iter))?
                .map_err(|error| TransportError::not_found().because(error))?
        }
    };
    any(&addresses, deadline)
}

/// Connects to the first address that takes a connection.
fn any(addresses: &[SocketAddr], deadline: Deadline) -> Result<TcpStream, TransportError> {
    let mut failure = TransportError::not_found();
    for (at, address) in addresses.iter().enumerate() {
        let left = deadline.left().map_err(|_| TransportError::late_connection())?;
        // A dead address leaves half of the time to those that follow.
        let share = if at + 1 == addresses.len() { left } else { left / 2 };
        let connected = TcpStream::connect_timeout(address, share.max(SHORTEST));
        match connected.and_then(|stream| stream.set_nodelay(true).map(|()| stream)) {
            Ok(stream) => return Ok(stream),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                failure = TransportError::late_connection().because(error);
            }
            Err(error) => failure = TransportError::not_connected().because(error),
        }
    }
    Err(failure)
}

/// Does what cannot be told to stop, such as the system's look-up of names, and waits for it until the deadline.
fn within<T: Send + 'static>(
    deadline: Deadline,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, TransportError> {
    let (done, outcome) = sync_channel(1);
    let late = |_| TransportError::late_connection();
    let left = deadline.left().map_err(late)?;
    // The receiver is gone where the work took too long.
    let thread = thread::Builder::new().spawn(move || drop(done.send(work())));
    thread.map_err(|error| {
        let message = "the system starts no thread to look up a name in";
        TransportError::new(TransportErrorKind::Other, message)
            .because(error)
            .unsent()
    })?;
    outcome
        .recv_timeout(left)
        .map_err(|_| TransportError::late_connection())
}

/// A TCP connection whose every step ends by its deadline, also where the other side takes or gives a byte now and then.
#[derive(Debug)]
pub(crate) struct Tcp {
    stream: TcpStream,
    buffers: LazyBuffers,
}

impl Tcp {
    pub(crate) fn new(stream: TcpStream, buffers: LazyBuffers) -> Self {
        Self { stream, buffers }
    }
}

impl Transport for Tcp {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let output = &self.buffers.output()[..amount];
        let written = Deadline::of(timeout).bound(&self.stream).write_all(output);
        written.map_err(|error| late(error, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let mut stream = Deadline::of(timeout).bound(&self.stream);
        let length = loop {
            match stream.read(self.buffers.input_append_buf()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read.map_err(|error| late(error, timeout))?,
            }
        };
        self.buffers.input_appended(length);
        Ok(length > 0)
    }

    /// An idle connection is open while there is nothing to read: neither its end, nor bytes without a request.
    fn is_open(&mut self) -> bool {
        let probe = |stream: &TcpStream| {
            stream.set_nonblocking(true)?;
            let peeked = stream.peek(&mut [0]);
            stream.set_nonblocking(false)?;
            peeked
        };
        probe(&self.stream).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

fn late(error: io::Error, timeout: NextTimeout) -> Error {
    match error.kind() {
        io::ErrorKind::TimedOut => Error::Timeout(timeout.reason),
        _ => error.into(),
    }
}

/// No time at all is an error of its own.
const SHORTEST: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_name_that_is_never_found_meets_the_deadline() {
        let (release, forever) = channel::<()>();
        let error = within(Deadline::after(Duration::from_millis(50)), move || {
            forever.recv().is_ok()
        })
        .unwrap_err();
        assert_eq!(error.kind(), TransportErrorKind::Timeout);
        assert!(error.is_unsent());
        drop(release);
    }

    #[test]
    fn addresses_are_tried_in_turn() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let alive = listener.local_addr().unwrap();
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
        let dead = nobody.local_addr().unwrap();
        drop(nobody);
        let deadline = Deadline::after(Duration::from_secs(60));
        assert!(any(&[dead, alive], deadline).is_ok());
        assert_eq!(
            any(&[dead, dead], deadline).unwrap_err().kind(),
            TransportErrorKind::Connect
        );
        assert_eq!(any(&[], deadline).unwrap_err().kind(), TransportErrorKind::Dns);
        let over = Deadline::after(Duration::ZERO);
        assert_eq!(any(&[alive], over).unwrap_err().kind(), TransportErrorKind::Timeout);
    }
}
