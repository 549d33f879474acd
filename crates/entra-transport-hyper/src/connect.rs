use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use entra_transport::tls::{cut_in_handshake, failure, find};
use entra_transport::{Proxies, TransportError, Tunnel};
use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

use crate::tunnel::open;

/// The way to a connection: name, TCP and TLS under one deadline, and each failure named where it happens.
pub(crate) fn connector(tls: rustls::ClientConfig, proxies: Proxies, within: Duration) -> Connector {
    let mut tcp = HttpConnector::new_with_resolver(Resolver(GaiResolver::new()));
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    // Half of the time each for the addresses of IPv6 and IPv4: a dead one leaves time for the other.
    tcp.set_connect_timeout(Some(within));
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(Way { tcp, proxies, within });
    Connector { https, within }
}

#[derive(Clone)]
pub(crate) struct Connector {
    https: HttpsConnector<Way>,
    within: Duration,
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = TransportError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, TransportError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        self.https.poll_ready(cx).map_err(told)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connection = timeout(self.within, self.https.call(uri));
        Box::pin(async {
            match connection.await {
                Ok(connection) => connection.map_err(told),
                Err(_) => Err(TransportError::late_connection()),
            }
        })
    }
}

/// Straight to the host, or through the proxy.
#[derive(Clone)]
pub(crate) struct Way {
    tcp: HttpConnector<Resolver>,
    proxies: Proxies,
    within: Duration,
}

impl Service<Uri> for Way {
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
        // Started before the deadline over all of it, and as long: so what is late is still named.
        let opened = timeout(self.within, async {
            let connection = connection.map_err(|error| told(error.into()))?.await;
            let mut stream = connection.map_err(|error| told(error.into()))?.into_inner();
            open(&mut stream, tunnel).await?;
            Ok(stream)
        });
        Box::pin(async move {
            let opened = opened.await.unwrap_or_else(|_| Err(TransportError::late_connection()));
            Ok(TokioIo::new(opened.map_err(|error| error.at_proxy(&proxy))?))
        })
    }
}

/// The system's resolver, whose failures stay apart from those of connecting.
#[derive(Clone)]
pub(crate) struct Resolver(GaiResolver);

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

fn told(error: Box<dyn Error + Send + Sync>) -> TransportError {
    if let Some(told) = failure(&*error).or_else(|| find::<TransportError>(&*error).cloned()) {
        return told;
    }
    // Errors of TCP come wrapped; what is an `io::Error` outright comes from the handshake.
    let error = match error.downcast::<io::Error>() {
        Ok(handshake) => return cut_in_handshake(handshake),
        Err(error) => error,
    };
    if find::<io::Error>(&*error).is_some_and(|e| e.kind() == io::ErrorKind::TimedOut) {
        return TransportError::late_connection();
    }
    TransportError::not_connected().because(error)
}
