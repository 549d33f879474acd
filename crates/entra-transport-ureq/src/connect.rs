//! The way to a connection: name, TCP, tunnel and TLS under one deadline, and each failure named where it happens.
//!
//! ureq's own connectors are not used up to TLS: they give each read of a proxy's response the whole time, look the host's name up
//! outside of the time for connecting, and report all failures alike.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use entra_transport::adapter::Tunnel;
use entra_transport::tls::{cut_in_handshake, failure, hung_up};
use entra_transport::{Proxies, TransportError};
use http::Uri;
use ureq::Error;
use ureq::config::Config;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, RustlsConnector, Transport,
};

use crate::deadline::Deadline;
use crate::error::{Cut, passed};
use crate::tcp::{Tcp, connect};

/// Connects to the host of a URI, or through the proxy for it.
#[derive(Debug)]
pub(crate) struct Way {
    proxies: Arc<Proxies>,
    tls: RustlsConnector,
}

impl Way {
    pub(crate) fn new(proxies: Proxies) -> Self {
        Self {
            proxies: Arc::new(proxies),
            tls: RustlsConnector::default(),
        }
    }

    fn stream(&self, uri: &Uri, deadline: Deadline) -> Result<TcpStream, TransportError> {
        let Some(proxy) = self.proxies.for_uri(uri) else {
            let port = if uri.scheme_str() == Some("http") { 80 } else { 443 };
            return connect(uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(port), deadline);
        };
        let opened = connect(proxy.host(), proxy.port(), deadline).and_then(|stream| {
            open(&stream, Tunnel::new(proxy, uri), deadline)?;
            Ok(stream)
        });
        opened.map_err(|error| error.at_proxy(proxy))
    }
}

impl Connector for Way {
    type Out = Watched;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Watched>, Error> {
        let stream = self
            .stream(details.uri, Deadline::of(details.timeout))
            .map_err(passed)?;
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        let secured = self.tls.connect(details, Some(Tcp::new(stream, buffers)));
        match secured {
            Ok(transport) => Ok(transport.map(|transport| Watched(Box::new(transport)))),
            Err(Error::Timeout(_)) => Err(passed(TransportError::late_connection())),
            Err(Error::Io(error)) if hung_up(&error) => Err(passed(cut_in_handshake(error))),
            Err(Error::Io(error)) if failure(&error).is_none() => {
                Err(passed(TransportError::not_connected().because(error)))
            }
            Err(error) => Err(error),
        }
    }
}

/// Has the proxy open the tunnel. Reads byte by byte, as what follows belongs to the host; it is short, and once per connection.
fn open(stream: &TcpStream, mut tunnel: Tunnel, deadline: Deadline) -> Result<(), TransportError> {
    let failed = |tunnel: &Tunnel, error: io::Error| match error.kind() {
        io::ErrorKind::TimedOut => TransportError::late_connection(),
        // Its own text tells of a buffer.
        io::ErrorKind::UnexpectedEof => tunnel.closed(io::ErrorKind::UnexpectedEof.into()),
        _ => tunnel.closed(error),
    };
    deadline
        .bound(stream)
        .write_all(&tunnel.request())
        .map_err(|error| failed(&tunnel, error))?;
    loop {
        let mut byte = [0];
        deadline
            .bound(stream)
            .read_exact(&mut byte)
            .map_err(|error| failed(&tunnel, error))?;
        if tunnel.take(byte[0])? {
            return Ok(());
        }
    }
}

/// A connection that says how it ended.
///
/// A connection that is reset, or ends without TLS' goodbye, in the middle of a body is marked as cut: ureq takes both for the
/// body's end where the body has no declared length.
#[derive(Debug)]
pub(crate) struct Watched(Box<dyn Transport>);

impl Transport for Watched {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.0.transmit_output(amount, timeout).map_err(marked)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.0.await_input(timeout).map_err(marked)
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}

/// There was a connection: what the network says from here on is no failure to connect, and the service may have the request.
fn marked(error: Error) -> Error {
    use io::ErrorKind as Kind;
    let is_gone = |kind| {
        matches!(
            kind,
            Kind::NetworkUnreachable | Kind::NetworkDown | Kind::HostUnreachable
        )
    };
    match error {
        Error::Io(error) if hung_up(&error) || is_gone(error.kind()) => Cut(error).into(),
        error => error,
    }
}

/// Looks nothing up: [`Way`] does, within its deadline, and for the proxy where there is one.
#[derive(Debug)]
pub(crate) struct Later;

impl Resolver for Later {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        Ok(self.empty())
    }
}

#[cfg(test)]
mod tests {
    use entra_transport::TransportErrorKind;

    use super::*;
    use crate::error::told;

    #[test]
    fn a_network_lost_in_the_middle_is_no_failure_to_connect() {
        let uri = Uri::from_static("https://login.microsoftonline.com/");
        for kind in [
            io::ErrorKind::NetworkUnreachable,
            io::ErrorKind::NetworkDown,
            io::ErrorKind::HostUnreachable,
            io::ErrorKind::ConnectionReset,
        ] {
            let after = told(marked(io::Error::from(kind).into()), &uri);
            assert_eq!(after.kind(), TransportErrorKind::Interrupted, "{kind}");
            assert!(!after.is_unsent());
        }
    }
}
