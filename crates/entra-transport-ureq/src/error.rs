use std::error::Error as StdError;
use std::{fmt, io};

use entra_transport::tls::{failure, find, hung_up};
use entra_transport::{TransportError, TransportErrorKind};
use http::Uri;
use ureq::Error;

/// An error of a connection that was open: ureq itself passes it on as it does those of connecting.
#[derive(Debug)]
pub(crate) struct Cut(pub(crate) io::Error);

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Cut {}

impl From<Cut> for Error {
    fn from(cut: Cut) -> Self {
        Self::Io(io::Error::other(cut))
    }
}

/// Takes an error of ours through ureq.
pub(crate) fn passed(error: TransportError) -> Error {
    Error::Other(Box::new(error))
}

/// ureq's error in our words. Those of its errors that quote a URI or a header are not passed on as they are.
pub(crate) fn told(error: Error, uri: &Uri) -> TransportError {
    use TransportErrorKind as Kind;

    let new = |kind, message: &'static str| TransportError::new(kind, message).at(uri);
    match error {
        Error::Other(error) => match find::<TransportError>(&*error) {
            Some(ours) => ours.clone().at(uri),
            None => new(Kind::Other, "the request failed").because(error),
        },
        Error::Io(error) => io_error(error).at(uri),
        Error::Rustls(error) => io_error(io::Error::other(error)).at(uri),
        Error::Tls(error) => new(Kind::Tls, "no TLS connection").because(error),
        Error::Timeout(_) => TransportError::late_response().at(uri),
        Error::BodyStalled => TransportError::interrupted().at(uri),
        Error::Protocol(_) => TransportError::malformed().at(uri),
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

/// ureq's errors name no source, so what an [`io::Error`] carries is looked for here. There was a connection: errors of connecting
/// are ours already.
fn io_error(error: io::Error) -> TransportError {
    use TransportErrorKind as Kind;

    if let Some(error) = failure(&error) {
        return error;
    }
    if let Some(Cut(cut)) = find(&error) {
        return TransportError::interrupted().because(cut.to_string());
    }
    if hung_up(&error) {
        return TransportError::interrupted().because(error);
    }
    match error.kind() {
        io::ErrorKind::TimedOut => TransportError::late_response().because(error),
        _ => TransportError::new(Kind::Other, "the request failed").because(error),
    }
}
