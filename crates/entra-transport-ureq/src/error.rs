use std::error::Error as StdError;
use std::{fmt, io};

use entra_transport::tls::{cut_in_handshake, failure, find};
use entra_transport::{TransportError, TransportErrorKind};
use http::Uri;
use ureq::{Error, Timeout};

/// A connection the other side ended too soon.
#[derive(Debug)]
pub(crate) enum Cut {
    Handshake(io::Error),
    Body(io::Error),
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Handshake(error) | Self::Body(error)) = self;
        error.fmt(f)
    }
}

impl StdError for Cut {}

impl From<Cut> for Error {
    fn from(cut: Cut) -> Self {
        Self::Io(io::Error::other(cut))
    }
}

/// ureq's error in our words. Those of its errors that quote a URI or a header are not passed on as they are.
pub(crate) fn told(error: Error, uri: &Uri) -> TransportError {
    use TransportErrorKind as Kind;

    if let Some(error) = failure(&error).or_else(|| carried(&error)) {
        return error.at(uri);
    }
    let new = |kind, message: &'static str| TransportError::new(kind, message).at(uri);
    match error {
        Error::Io(error) => io_error(error).at(uri),
        Error::Rustls(error) => new(Kind::Tls, "no TLS connection").because(error),
        Error::Tls(error) => new(Kind::Tls, "no TLS connection").because(error),
        Error::Timeout(Timeout::Connect | Timeout::Resolve) => new(
            Kind::Timeout,
            "no connection in time: check the network and the proxy, or raise connect_timeout",
        ),
        Error::Timeout(_) => new(Kind::Timeout, "no whole answer in time"),
        Error::HostNotFound => new(Kind::Dns, "the host's name is not found: check it, and the network"),
        Error::ConnectionFailed => new(Kind::Connect, "no connection: check the network and the proxy"),
        Error::ConnectProxyFailed(_) => new(Kind::Connect, "the proxy does not connect to the host"),
        Error::BodyStalled => new(Kind::Interrupted, "the connection ended before the answer did"),
        Error::Protocol(_) => new(Kind::Malformed, "what came back is not HTTP as it should be"),
        Error::LargeResponseHeader(..) => new(Kind::TooLarge, "the headers of the answer are too long"),
        Error::BadUri(_) | Error::RequireHttpsOnly(_) | Error::TlsRequired => {
            new(Kind::Refused, "the URI cannot be used")
        }
        Error::Http(error) => new(Kind::Refused, "the request cannot be written").because(error),
        _ => new(Kind::Other, "the request failed"),
    }
}

/// The same for an error while the body is read, where ureq hands out [`io::Error`]s with its own inside.
pub(crate) fn interrupted(error: io::Error, uri: &Uri) -> TransportError {
    told(Error::from(error), uri)
}

fn io_error(error: io::Error) -> TransportError {
    use TransportErrorKind as Kind;
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, UnexpectedEof};

    let (kind, message) = match error.kind() {
        UnexpectedEof | ConnectionReset | ConnectionAborted | io::ErrorKind::BrokenPipe => {
            (Kind::Interrupted, "the connection ended before the answer did")
        }
        io::ErrorKind::TimedOut => (Kind::Timeout, "no whole answer in time"),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
            (Kind::Other, "the request failed")
        }
        _ => (
            Kind::Connect,
            "no connection: check the host, the network and the proxy",
        ),
    };
    TransportError::new(kind, message).because(error)
}

fn carried(error: &Error) -> Option<TransportError> {
    let Error::Io(error) = error else { return None };
    match find::<Cut>(error)? {
        Cut::Handshake(cut) => Some(cut_in_handshake(cut.to_string())),
        Cut::Body(cut) => {
            let message = "the connection ended before the answer did";
            Some(TransportError::new(TransportErrorKind::Interrupted, message).because(cut.to_string()))
        }
    }
}
