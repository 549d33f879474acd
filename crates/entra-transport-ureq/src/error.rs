use std::error::Error as StdError;
use std::{fmt, io};

use entra_transport::tls::{cut_in_handshake, failure, find, hung_up};
use entra_transport::{TransportError, TransportErrorKind};
use http::Uri;
use ureq::{Error, Timeout};

/// What went wrong, and where: ureq itself has one and the same error for it all.
#[derive(Debug)]
pub(crate) enum Marked {
    /// No address for the name.
    Name(io::Error),
    /// Closed in the TLS handshake.
    Handshake(io::Error),
    /// Closed by the proxy, or by the host in the handshake behind it.
    Proxy(io::Error),
    /// Closed in the answer.
    Answer(io::Error),
}

impl fmt::Display for Marked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Name(error) | Self::Handshake(error) | Self::Proxy(error) | Self::Answer(error)) = self;
        error.fmt(f)
    }
}

impl StdError for Marked {}

impl From<Marked> for Error {
    fn from(marked: Marked) -> Self {
        Self::Io(io::Error::other(marked))
    }
}

/// ureq's error in our words. Those of its errors that quote a URI or a header are not passed on as they are.
pub(crate) fn told(error: Error, uri: &Uri) -> TransportError {
    use TransportErrorKind as Kind;

    let new = |kind, message: &'static str| TransportError::new(kind, message).at(uri);
    match error {
        Error::Io(error) => io_error(error).at(uri),
        Error::Rustls(error) => io_error(io::Error::other(error)).at(uri),
        Error::Tls(error) => new(Kind::Tls, "no TLS connection").because(error),
        Error::Timeout(Timeout::Connect | Timeout::Resolve) => new(
            Kind::Timeout,
            "no connection in time: check the network and the proxy, or raise connect_timeout",
        ),
        Error::Timeout(_) => new(Kind::Timeout, "no whole answer in time"),
        Error::HostNotFound => not_found().at(uri),
        Error::ConnectionFailed => new(Kind::Connect, "no connection: check the network and the proxy"),
        Error::ConnectProxyFailed(_) => new(
            Kind::Connect,
            "the proxy does not connect to the host: check what it allows, and its user name and password",
        ),
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

/// ureq's errors name no source, so what an [`io::Error`] carries is looked for here.
fn io_error(error: io::Error) -> TransportError {
    use TransportErrorKind as Kind;

    let interrupted = TransportError::new(Kind::Interrupted, "the connection ended before the answer did");
    if let Some(error) = failure(&error) {
        return error;
    }
    match find::<Marked>(&error) {
        Some(Marked::Name(name)) => return not_found().because(name.to_string()),
        Some(Marked::Handshake(cut)) => return cut_in_handshake(cut.to_string()),
        Some(Marked::Proxy(cut)) => {
            let message = "the proxy closed the connection";
            return TransportError::new(Kind::Connect, message).because(cut.to_string());
        }
        Some(Marked::Answer(cut)) => return interrupted.because(cut.to_string()),
        None => {}
    }
    if hung_up(&error) {
        return interrupted.because(error);
    }
    let (kind, message) = match error.kind() {
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

fn not_found() -> TransportError {
    TransportError::new(
        TransportErrorKind::Dns,
        "the host's name is not found: check it, and the network",
    )
}
