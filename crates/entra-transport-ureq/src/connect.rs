//! The connector: DNS, TCP, tunnel and TLS under one deadline, with a specific error for each.
//!
//! ureq's own connectors are not used. They give each read of a proxy's response the whole time,
//! look up the host name outside the time for connecting, report all failures alike, and cannot
//! accept a certificate by its hash.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use entra_transport::adapter::{Settings, Tunnel};
use entra_transport::tls::{cut_in_handshake, failure, hung_up};
use entra_transport::{Proxies, TransportError, TransportErrorKind};
use http::Uri;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use ureq::Error;
use ureq::config::Config;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectionDetails, Connector, LazyBuffers, NextTimeout};

use crate::connection::Connection;
use crate::deadline::Deadline;
use crate::error::into_ureq;
use crate::tcp::connect;

/// A connector to the host of a URI, directly or through a proxy.
pub(crate) struct Route {
    proxies: Proxies,
    tls: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
}

impl Route {
    pub(crate) fn new(tls: Arc<ClientConfig>, settings: Settings) -> Self {
        Self {
            proxies: settings.proxies,
            tls,
            server_name: settings.server_name,
        }
    }

    /// Creates the connector for a request on a local route: without a proxy.
    pub(crate) fn local(tls: Arc<ClientConfig>) -> Self {
        Self {
            proxies: Proxies::none(),
            tls,
            server_name: None,
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

    /// Completes the TLS handshake.
    fn secure(&self, uri: &Uri, stream: &TcpStream, deadline: Deadline) -> Result<ClientConnection, TransportError> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => server_name(uri)?,
        };
        let handshake = ClientConnection::new(Arc::clone(&self.tls), name).map_err(io::Error::other);
        let handshake = handshake.and_then(|mut connection| {
            connection.complete_io(&mut deadline.bound(stream))?;
            Ok(connection)
        });
        handshake.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => TransportError::late_connection(),
            _ if hung_up(&error) => cut_in_handshake(error),
            _ => failure(&error).unwrap_or_else(|| TransportError::not_connected().because(error)),
        })
    }
}

/// Returns the name of the host for TLS.
fn server_name(uri: &Uri) -> Result<ServerName<'static>, TransportError> {
    let host = uri.host().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    ServerName::try_from(bare.unwrap_or(host).to_owned()).map_err(|error| {
        TransportError::new(TransportErrorKind::NotAllowed, "the host cannot be a name for TLS").because(error)
    })
}

impl Connector for Route {
    type Out = Connection;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Connection>, Error> {
        let deadline = Deadline::of(details.timeout);
        let stream = self.stream(details.uri, deadline).map_err(into_ureq)?;
        let tls = match details.needs_tls() {
            true => Some(self.secure(details.uri, &stream, deadline).map_err(into_ureq)?),
            false => None,
        };
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Connection::new(stream, tls, buffers)))
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("proxies", &self.proxies)
            .finish_non_exhaustive()
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

/// A resolver that looks up nothing. [`Route`] does so within its deadline, for the proxy if there
/// is one.
#[derive(Debug)]
pub(crate) struct NoResolver;

impl Resolver for NoResolver {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        Ok(self.empty())
    }
}
