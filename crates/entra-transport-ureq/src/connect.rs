//! The connector: DNS, TCP, tunnel and TLS under one deadline, with a specific error for each.
//!
//! ureq's own connectors are used for TLS only. The others give each read of a proxy's response the
//! whole time, look up the host name outside the time for connecting, and report all failures
//! alike.

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
use crate::error::{Cut, into_ureq};
use crate::tcp::{Tcp, connect};

/// A connector to the host of a URI, directly or through a proxy.
#[derive(Debug)]
pub(crate) struct Route {
    proxies: Arc<Proxies>,
    tls: RustlsConnector,
}

impl Route {
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

impl Connector for Route {
    type Out = Monitored;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Monitored>, Error> {
        let stream = self
            .stream(details.uri, Deadline::of(details.timeout))
            .map_err(into_ureq)?;
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        let secured = self.tls.connect(details, Some(Tcp::new(stream, buffers)));
        match secured {
            Ok(transport) => Ok(transport.map(|transport| Monitored(Box::new(transport)))),
            Err(Error::Timeout(_)) => Err(into_ureq(TransportError::late_connection())),
            Err(Error::Io(error)) if hung_up(&error) => Err(into_ureq(cut_in_handshake(error))),
            Err(Error::Io(error)) if failure(&error).is_none() => {
                Err(into_ureq(TransportError::not_connected().because(error)))
            }
            Err(error) => Err(error),
        }
    }
}

/// Opens the tunnel through the proxy.
///
/// It reads byte by byte, because the bytes after the response belong to the host. The response is
/// short and is read once per connection.
fn open(stream: &TcpStream, mut tunnel: Tunnel, deadline: Deadline) -> Result<(), TransportError> {
    let failed = |tunnel: &Tunnel, error: io::Error| match error.kind() {
        io::ErrorKind::TimedOut => TransportError::late_connection(),
        // Its own text mentions a buffer, so it is replaced.
        io::ErrorKind::UnexpectedEof => tunnel.closed(io::Error::from(io::ErrorKind::UnexpectedEof)),
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

/// A connection whose errors are marked if it is cut.
///
/// A connection is cut if it is reset, or if it ends without TLS' `close_notify`, inside a body.
/// ureq takes both for the end of a body without a declared length.
#[derive(Debug)]
pub(crate) struct Monitored(Box<dyn Transport>);

impl Transport for Monitored {
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

/// Marks the error of an open connection: it is not a failure to connect, and the service may have
/// received the request.
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

/// A resolver that looks up nothing. [`Route`] does so within its deadline, for the proxy if there
/// is one.
#[derive(Debug)]
pub(crate) struct NoResolver;

impl Resolver for NoResolver {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        Ok(self.empty())
    }
}

#[cfg(test)]
mod tests {
    use entra_transport::TransportErrorKind;

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
            let after = transport_error(marked(io::Error::from(kind).into()), &uri);
            assert_eq!(after.kind(), TransportErrorKind::Interrupted, "{kind}");
            assert!(!after.is_unsent());
        }
    }
}
