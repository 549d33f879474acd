//! The conversion of ureq's errors.

use std::error::Error as StdError;
use std::{fmt, io};

use entra_transport::tls::{failure, find, hung_up};
use entra_transport::{TransportError, TransportErrorKind};
use http::Uri;
use ureq::Error;

/// The error of an open connection, to distinguish it from the errors of connecting.
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

/// Wraps an error of this crate, so that it passes through ureq.
pub(crate) fn into_ureq(error: TransportError) -> Error {
    Error::Other(Box::new(error))
}

/// Converts an error of ureq. An error that quotes a URI or a header does not become the cause.
pub(crate) fn transport_error(error: Error, uri: &Uri) -> TransportError {
    use TransportErrorKind as Kind;

    let new = |kind, message: &'static str| TransportError::new(kind, message).at(uri);
    match error {
        Error::Other(error) => match find::<TransportError>(&*error) {
            Some(error) => error.clone().at(uri),
            None => new(Kind::Other, "the request failed").because(error),
        },
        Error::Io(error) => io_error(error).at(uri),
        Error::Timeout(_) => TransportError::late_response().at(uri),
        Error::BodyStalled => TransportError::interrupted().at(uri),
        Error::Protocol(_) => TransportError::malformed().at(uri),
        Error::LargeResponseHeader(..) => new(Kind::TooLarge, "the headers of the response are too long"),
        Error::BadUri(_) | Error::RequireHttpsOnly(_) | Error::TlsRequired => {
            new(Kind::NotAllowed, "the URI is not supported")
        }
        Error::Http(error) => new(Kind::NotAllowed, "the request cannot be encoded").because(error),
        _ => new(Kind::Other, "the request failed"),
    }
}

/// Converts an error of reading a body: an [`io::Error`] that contains an error of ureq.
pub(crate) fn body_error(error: io::Error, uri: &Uri) -> TransportError {
    transport_error(Error::from(error), uri)
}

/// Converts an error of an open connection. Errors of connecting are [`TransportError`]s already.
///
/// The search looks inside the [`io::Error`], because ureq's errors have no source.
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
