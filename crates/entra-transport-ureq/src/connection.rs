//! The open connections: TLS or plain TCP.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use entra_transport::tls::hung_up;
use rustls::ClientConnection;
use ureq::Error;
use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};

use crate::deadline::Deadline;
use crate::error::Cut;

/// A connection whose operations end by their deadline, even if the other side accepts or sends
/// single bytes from time to time. Its errors are marked if it is cut.
///
/// A connection is cut if it is reset, or if it ends without TLS' `close_notify`, inside a body.
/// ureq takes both for the end of a body without a declared length.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    buffers: LazyBuffers,
}

impl Connection {
    /// `tls` has completed its handshake over `stream`.
    pub(crate) fn new(stream: TcpStream, tls: Option<ClientConnection>, buffers: LazyBuffers) -> Self {
        Self {
            stream,
            tls: tls.map(Box::new),
            buffers,
        }
    }
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let mut stream = Deadline::of(timeout).bound(&self.stream);
        let output = &self.buffers.output()[..amount];
        let written = match &mut self.tls {
            Some(tls) => {
                let mut tls = rustls::Stream::new(&mut **tls, &mut stream);
                tls.write_all(output).and_then(|()| tls.flush())
            }
            None => stream.write_all(output),
        };
        written.map_err(|error| converted(error, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let mut stream = Deadline::of(timeout).bound(&self.stream);
        let input = self.buffers.input_append_buf();
        let read = match &mut self.tls {
            Some(tls) => rustls::Stream::new(&mut **tls, &mut stream).read(input),
            None => stream.read(input),
        };
        let length = read.map_err(|error| converted(error, timeout))?;
        self.buffers.input_appended(length);
        Ok(length > 0)
    }

    /// Returns whether an idle connection is open: there is nothing to read, neither its end nor
    /// bytes without a request.
    fn is_open(&mut self) -> bool {
        let probe = |stream: &TcpStream| {
            stream.set_nonblocking(true)?;
            let peeked = stream.peek(&mut [0]);
            stream.set_nonblocking(false)?;
            peeked
        };
        probe(&self.stream).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    fn is_tls(&self) -> bool {
        self.tls.is_some()
    }
}

/// Converts the error of an open connection: it is not a failure to connect, and the service may
/// have received the request.
fn converted(error: io::Error, timeout: NextTimeout) -> Error {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::TimedOut => Error::Timeout(timeout.reason),
        Kind::NetworkUnreachable | Kind::NetworkDown | Kind::HostUnreachable => Cut(error).into(),
        _ if hung_up(&error) => Cut(error).into(),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use entra_transport::TransportErrorKind;
    use http::Uri;

    use super::*;
    use crate::error::transport_error;

    #[test]
    fn lost_network_of_open_connection_is_an_interruption() {
        let uri = Uri::from_static("https://login.microsoftonline.com/");
        for kind in [
            io::ErrorKind::NetworkUnreachable,
            io::ErrorKind::NetworkDown,
            io::ErrorKind::HostUnreachable,
            io::ErrorKind::ConnectionReset,
        ] {
            let after = transport_error(converted(io::Error::from(kind), NextTimeout::default()), &uri);
            assert_eq!(after.kind(), TransportErrorKind::Interrupted, "{kind}");
            assert!(!after.is_unsent());
        }
    }
}
