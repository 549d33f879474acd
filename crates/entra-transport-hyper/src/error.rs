//! The conversion of hyper's errors, and of those of any tower service.

use std::error::Error;
use std::io;

use entra_transport::tls::{failure, find, hung_up};
use entra_transport::{TransportError, TransportErrorKind};

/// Converts the error of a service.
///
/// The connector of this crate returns a [`TransportError`] already. Errors of hyper and of the
/// system are classified, and errors of other services become the cause of an unclassified one.
pub(crate) fn transport_error(error: Box<dyn Error + Send + Sync>) -> TransportError {
    if let Some(error) = find::<TransportError>(&*error) {
        return error.clone();
    }
    if let Some(error) = failure(&*error) {
        return error;
    }
    let converted = match find::<hyper::Error>(&*error) {
        Some(hyper) if hyper.is_user() => other(),
        Some(hyper) if hyper.is_parse() || find::<io::Error>(hyper).is_some_and(is_malformed) => {
            TransportError::malformed()
        }
        Some(_) => TransportError::interrupted(),
        None if hung_up(&*error) => TransportError::interrupted(),
        None => other(),
    };
    converted.because(error)
}

fn other() -> TransportError {
    TransportError::new(TransportErrorKind::Other, "the request failed")
}

/// Returns whether the error is the one with which hyper reports malformed chunks of a body.
fn is_malformed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
}
