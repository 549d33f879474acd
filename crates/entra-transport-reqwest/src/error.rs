//! The conversion of reqwest's errors.

use std::io;

use entra_transport::adapter::{self, unauthorized};
use entra_transport::tls::{cut_in_handshake, failure, find, hung_up};
use entra_transport::{Proxy, TransportError, TransportErrorKind};
use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use reqwest::Error;
use tower_service::Service;

/// Converts an error of reqwest and removes the URL that it quotes. `proxy` is the proxy of the
/// request.
pub(crate) fn transport_error(error: Error, uri: &Uri, proxy: Option<&Proxy>) -> TransportError {
    let error = error.without_url();
    if let Some(error) = failure(&error) {
        return error.at(uri);
    }
    if let (Some(proxy), Some(tunnel)) = (proxy, find::<TunnelError>(&error)) {
        let opening = adapter::Tunnel::new(proxy, uri);
        return match tunnel {
            // reqwest drops the list of schemes that the proxy accepts.
            TunnelError::ProxyAuthRequired => unauthorized(proxy, None),
            TunnelError::ConnectFailed(_) if error.is_dns() => {
                TransportError::not_found().at_proxy(proxy).because(error)
            }
            TunnelError::ConnectFailed(_) if is_late(&error) => {
                TransportError::late_connection().at_proxy(proxy).because(error)
            }
            TunnelError::ConnectFailed(_) => TransportError::not_connected().at_proxy(proxy).because(error),
            TunnelError::Io(_) | TunnelError::TunnelUnexpectedEof => opening.closed(error),
            TunnelError::ProxyHeadersTooLong => opening.endless().because(error),
            _ => opening.not_opened().because(error),
        };
    }
    let converted = if is_late(&error) && error.is_connect() {
        match proxy {
            // reqwest does not report which of the two is late.
            Some(proxy) => TransportError::late_connection_through(proxy),
            None => TransportError::late_connection(),
        }
    } else if is_late(&error) {
        TransportError::late_response()
    } else if error.is_dns() {
        TransportError::not_found()
    } else if error.is_connect() && hung_up(&error) {
        // A TCP connection that is being opened does not end like this, and one that a proxy closes
        // is an error of the tunnel, so this is the TLS handshake.
        return cut_in_handshake(error).at(uri);
    } else if error.is_connect() {
        TransportError::not_connected()
    } else if error.is_builder() {
        TransportError::new(TransportErrorKind::NotAllowed, "the request cannot be encoded")
    } else if is_malformed(&error) {
        TransportError::malformed()
    } else {
        TransportError::interrupted()
    };
    converted.at(uri).because(error)
}

/// The error of the tunnel that reqwest opens. It has no public name.
type TunnelError = <Tunnel<HttpConnector> as Service<Uri>>::Error;

fn is_late(error: &Error) -> bool {
    error.is_timeout() || find::<io::Error>(error).is_some_and(|io| io.kind() == io::ErrorKind::TimedOut)
}

fn is_malformed(error: &Error) -> bool {
    find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse)
        || find::<io::Error>(error)
            .is_some_and(|io| matches!(io.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput))
}
