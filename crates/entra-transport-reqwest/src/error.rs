use std::io;

use entra_transport::tls::{cut_in_handshake, failure, find, hung_up};
use entra_transport::{TransportError, TransportErrorKind};
use http::Uri;
use reqwest::Error;

/// reqwest's error in our words, without the URL it quotes.
pub(crate) fn told(error: Error, uri: &Uri, proxied: bool) -> TransportError {
    use TransportErrorKind as Kind;

    let error = error.without_url();
    if let Some(error) = failure(&error) {
        return error.at(uri);
    }
    let io = find::<io::Error>(&error);
    let (kind, message) = if error.is_timeout() || io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut) {
        let connecting = "no connection in time: check the network and the proxy, or raise connect_timeout";
        (
            Kind::Timeout,
            if error.is_connect() {
                connecting
            } else {
                "no whole answer in time"
            },
        )
    } else if error.is_dns() {
        (Kind::Dns, "the host's name is not found: check it, and the network")
    } else if error.is_connect() {
        // TCP's way to a connection ends in no such way, so it is the handshake's, or the proxy's.
        if !proxied && hung_up(&error) {
            return cut_in_handshake(error).at(uri);
        }
        (
            Kind::Connect,
            "no connection: check the host, the network and the proxy",
        )
    } else if error.is_builder() {
        (Kind::Refused, "the request cannot be written")
    } else if is_malformed(&error) {
        (Kind::Malformed, "what came back is not HTTP as it should be")
    } else {
        (Kind::Interrupted, "the connection ended before the answer did")
    };
    TransportError::new(kind, message).at(uri).because(error)
}

fn is_malformed(error: &Error) -> bool {
    find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse)
        || find::<io::Error>(error)
            .is_some_and(|io| matches!(io.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput))
}
