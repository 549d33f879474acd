use std::io;

use entra_transport::adapter::unauthorized;
use entra_transport::tls::{cut_in_handshake, failure, find, hung_up};
use entra_transport::{Proxy, TransportError, TransportErrorKind};
use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use reqwest::Error;
use tower_service::Service;

/// reqwest's error in our words, without the URL it quotes; `proxy` is the one that the request goes through.
pub(crate) fn told(error: Error, uri: &Uri, proxy: Option<&Proxy>) -> TransportError {
    let error = error.without_url();
    if let Some(error) = failure(&error) {
        return error.at(uri);
    }
    if let (Some(proxy), Some(tunnel)) = (proxy, find::<TunnelError>(&error)) {
        let told = match tunnel {
            // What the proxy accepts is lost.
            TunnelError::ProxyAuthRequired => return unauthorized(proxy, None),
            TunnelError::ConnectFailed(_) if error.is_dns() => TransportError::not_found(),
            TunnelError::ConnectFailed(_) if is_late(&error) => TransportError::late_connection(),
            TunnelError::ConnectFailed(_) => TransportError::not_connected(),
            TunnelError::Io(_) | TunnelError::TunnelUnexpectedEof => connect(
                "it closed the connection",
                "check what it allows, and that it is an HTTP proxy",
            ),
            TunnelError::ProxyHeadersTooLong => {
                connect("its response to CONNECT has no end", "check that it is an HTTP proxy")
            }
            _ => connect(
                "it does not connect to the host",
                "check what it allows, and that it is an HTTP proxy",
            ),
        };
        return told.at_proxy(proxy).because(error);
    }
    let told = if is_late(&error) && error.is_connect() {
        match proxy {
            // Which of the two is late, reqwest does not tell.
            Some(proxy) => TransportError::new(
                TransportErrorKind::Timeout,
                format!(
                    "no connection through the proxy {}:{} in time",
                    proxy.host(),
                    proxy.port()
                ),
            )
            .with_hint("check the network and the proxy, or allow more time")
            .unsent(),
            None => TransportError::late_connection(),
        }
    } else if is_late(&error) {
        TransportError::late_response()
    } else if error.is_dns() {
        TransportError::not_found()
    } else if error.is_connect() && hung_up(&error) {
        // TCP's way to a connection does not end so, and what a proxy closes is an error of the tunnel.
        return cut_in_handshake(error).at(uri);
    } else if error.is_connect() {
        TransportError::not_connected()
    } else if error.is_builder() {
        TransportError::new(TransportErrorKind::Refused, "the request cannot be written")
    } else if is_malformed(&error) {
        TransportError::malformed()
    } else {
        TransportError::interrupted()
    };
    told.at(uri).because(error)
}

/// The error of the tunnel that reqwest opens. It has no public name of its own.
type TunnelError = <Tunnel<HttpConnector> as Service<Uri>>::Error;

fn connect(problem: &'static str, advice: &'static str) -> TransportError {
    TransportError::new(TransportErrorKind::Connect, problem).with_hint(advice)
}

fn is_late(error: &Error) -> bool {
    error.is_timeout() || find::<io::Error>(error).is_some_and(|io| io.kind() == io::ErrorKind::TimedOut)
}

fn is_malformed(error: &Error) -> bool {
    find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse)
        || find::<io::Error>(error)
            .is_some_and(|io| matches!(io.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput))
}
