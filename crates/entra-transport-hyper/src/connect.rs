//! The connections: direct ones to the host, and those through a proxy.

use std::error::Error;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use entra_transport::adapter::{Settings, Tunnel, check_uri};
use entra_transport::tls::{cut_in_handshake, failure, find};
use entra_transport::{Proxies, TransportError, TransportPolicy};
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{
    DefaultServerNameResolver, FixedServerNameResolver, HttpsConnector, MaybeHttpsStream, ResolveServerName,
};
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::client::legacy::connect::{Connected, Connection as HyperConnection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

use crate::tunnel::open;

/// The connector of [`HyperTransport`](crate::HyperTransport), for a client that calls an API.
///
/// It is a connector for the client of hyper-util. With it, a program calls the API through the
/// same proxy as the token service, and trusts the same certificate authorities:
///
/// - `https` uses a tunnel through the proxy, except for the excluded hosts and for this machine:
///   see [`Proxies`].
/// - Plain `http` is rejected, except for this machine if `allow_plain_loopback` allows it. It
///   never uses a proxy.
/// - DNS, proxy, TCP and TLS must complete within the settings' `connect_timeout`.
/// - Each error is a [`TransportError`] that names the step that failed.
///
/// The connections use HTTP/1.1, and also HTTP/2 after [`with_http2`](Self::with_http2). The
/// settings `timeout` and `max_body` have no effect here: the client has its own limits for
/// requests and responses.
///
/// ```
/// use bytes::Bytes;
/// use entra_transport::TransportError;
/// use entra_transport_hyper::{Connector, HyperTransport};
/// use http_body_util::Full;
/// use hyper_util::client::legacy;
/// use hyper_util::rt::{TokioExecutor, TokioTimer};
///
/// # fn main() -> Result<(), TransportError> {
/// let builder = HyperTransport::builder();
/// # let builder = builder.allow_plain_loopback(true);
/// let connector = Connector::new(&builder.clone().settings()?)?;
/// let transport = builder.build()?; // for the tokens
/// let api = legacy::Client::builder(TokioExecutor::new())
///     .pool_timer(TokioTimer::new())
///     .build::<_, Full<Bytes>>(connector);
/// # drop((transport, api));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Connector {
    https: HttpsConnector<Route>,
    tls: Arc<ClientConfig>,
    name: ServerName,
    route: Route,
    within: Duration,
    check: Check,
}

/// The check of a URI before a connection to it is opened.
#[derive(Clone, Copy, Debug)]
enum Check {
    /// Only `https`, and plain `http` to this machine if it is allowed.
    Policy { allow_plain_loopback: bool },
    /// The request on a local route was checked already.
    Admitted,
}

impl Connector {
    /// Creates a connector with these settings, which come from [`TransportBuilder::settings`].
    ///
    /// [`TransportBuilder::settings`]: entra_transport::TransportBuilder::settings
    ///
    /// # Errors
    /// Returns [`Configuration`] if no certificate authority is trusted, or if no cryptography
    /// provider is compiled in.
    ///
    /// [`Configuration`]: entra_transport::TransportErrorKind::Configuration
    pub fn new(settings: &Settings) -> Result<Self, TransportError> {
        let tls = Arc::new(settings.trust.client_config(&settings.policy)?);
        Ok(Self::over(tls, settings))
    }

    /// Offers HTTP/2 beside HTTP/1.1 to servers with TLS, which choose one (RFC 7301). The client
    /// of hyper-util requires its feature `http2` for it.
    #[must_use]
    pub fn with_http2(mut self) -> Self {
        let mut tls = ClientConfig::clone(&self.tls);
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        self.tls = Arc::new(tls);
        let (route, name) = (self.route.clone(), Arc::clone(&self.name));
        self.https = HttpsConnector::new(route, Arc::clone(&self.tls), false, name);
        self
    }

    /// Creates a connector with this configuration of TLS in place of that of the settings.
    pub(crate) fn over(tls: Arc<ClientConfig>, settings: &Settings) -> Self {
        let policy = &settings.policy;
        let check = Check::Policy {
            allow_plain_loopback: policy.allow_plain_loopback,
        };
        let name: ServerName = match &settings.server_name {
            Some(name) => Arc::new(FixedServerNameResolver::new(name.clone())),
            None => Arc::new(DefaultServerNameResolver::default()),
        };
        Self::with(tls, name, settings.proxies.clone(), policy, check)
    }

    /// Creates a connector for a request on a local route: without a proxy, to a URI that the
    /// policy has admitted.
    pub(crate) fn local(tls: Arc<ClientConfig>, policy: &TransportPolicy) -> Self {
        let name = Arc::new(DefaultServerNameResolver::default());
        Self::with(tls, name, Proxies::none(), policy, Check::Admitted)
    }

    fn with(
        tls: Arc<ClientConfig>,
        name: ServerName,
        proxies: Proxies,
        policy: &TransportPolicy,
        check: Check,
    ) -> Self {
        let within = policy.connect_timeout;
        let mut tcp = HttpConnector::new_with_resolver(Resolver(GaiResolver::new()));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // hyper-util gives each of IPv6 and IPv4 half of this time, so one that does not respond
        // leaves time for the other.
        tcp.set_connect_timeout(Some(within));
        let route = Route { tcp, proxies, within };
        Self {
            https: HttpsConnector::new(route.clone(), Arc::clone(&tls), false, Arc::clone(&name)),
            tls,
            name,
            route,
            within,
            check,
        }
    }
}

type ServerName = Arc<dyn ResolveServerName + Send + Sync>;

impl Service<Uri> for Connector {
    type Response = Connection;
    type Error = TransportError;
    type Future = Pin<Box<dyn Future<Output = Result<Connection, TransportError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        self.https.poll_ready(cx).map_err(transport_error)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        if let Check::Policy { allow_plain_loopback } = self.check {
            if let Err(error) = check_uri(&uri, allow_plain_loopback) {
                return Box::pin(ready(Err(error)));
            }
        }
        let connection = timeout(self.within, self.https.call(uri));
        Box::pin(async {
            match connection.await {
                Ok(connection) => connection.map(Connection).map_err(transport_error),
                Err(_) => Err(TransportError::late_connection()),
            }
        })
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("proxies", &self.route.proxies)
            .field("connect_timeout", &self.within)
            .field("check", &self.check)
            .finish_non_exhaustive()
    }
}

/// A connection of a [`Connector`]: TLS, or plain TCP to this machine.
///
/// The client of hyper-util uses it; programs do not.
pub struct Connection(MaybeHttpsStream<TokioIo<TcpStream>>);

impl HyperConnection for Connection {
    fn connected(&self) -> Connected {
        self.0.connected()
    }
}

impl Read for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl Write for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// The connector below TLS: a TCP connection to the host, or a tunnel through the proxy.
#[derive(Clone)]
struct Route {
    tcp: HttpConnector<Resolver>,
    proxies: Proxies,
    within: Duration,
}

impl Service<Uri> for Route {
    type Response = TokioIo<TcpStream>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Some(proxy) = self.proxies.for_uri(&uri).cloned() else {
            let connection = self.tcp.call(uri);
            return Box::pin(async { Ok(connection.await?) });
        };
        let tunnel = Tunnel::new(&proxy, &uri);
        let uri = Uri::builder()
            .scheme("http")
            .authority(format!("{}:{}", proxy.host(), proxy.port()))
            .path_and_query("/");
        let connection = uri.build().map(|proxy| self.tcp.call(proxy));
        // This timeout starts before that of the whole connection and has the same length, so that
        // the error of a slow proxy names the proxy.
        let opened = timeout(self.within, async {
            let connection = connection.map_err(|error| transport_error(error.into()))?.await;
            let mut stream = connection.map_err(|error| transport_error(error.into()))?.into_inner();
            open(&mut stream, tunnel).await?;
            Ok(stream)
        });
        Box::pin(async move {
            let opened = opened.await.unwrap_or_else(|_| Err(TransportError::late_connection()));
            Ok(TokioIo::new(opened.map_err(|error| error.at_proxy(&proxy))?))
        })
    }
}

/// The system's resolver. Its errors differ from those of connecting.
#[derive(Clone)]
struct Resolver(GaiResolver);

impl Service<Name> for Resolver {
    type Response = <GaiResolver as Service<Name>>::Response;
    type Error = TransportError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, TransportError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        self.0.poll_ready(cx).map_err(not_found)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let addresses = self.0.call(name);
        Box::pin(async { addresses.await.map_err(not_found) })
    }
}

fn not_found(error: io::Error) -> TransportError {
    TransportError::not_found().because(error)
}

/// Converts the error of a connection.
fn transport_error(error: Box<dyn Error + Send + Sync>) -> TransportError {
    if let Some(known) = failure(&*error).or_else(|| find::<TransportError>(&*error).cloned()) {
        return known;
    }
    // hyper-util wraps the errors of TCP, so a plain `io::Error` comes from the handshake.
    let error = match error.downcast::<io::Error>() {
        Ok(handshake) => return cut_in_handshake(handshake),
        Err(error) => error,
    };
    if find::<io::Error>(&*error).is_some_and(|e| e.kind() == io::ErrorKind::TimedOut) {
        return TransportError::late_connection();
    }
    TransportError::not_connected().because(error)
}
