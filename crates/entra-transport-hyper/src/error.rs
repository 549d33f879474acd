use std::error::Error;
use std::io;

use entra_transport::tls::{failure, find};
use entra_transport::{TransportError, TransportErrorKind};

/// The error of a service in our words.
///
/// Our own connector names its failures already; of hyper's and the system's we know what they mean; anybody else's is passed
/// on as it is.
pub(crate) fn told(error: Box<dyn Error + Send + Sync>) -> TransportError {
    use TransportErrorKind as Kind;

    if let Some(told) = find::<TransportError>(&*error) {
        return told.clone();
    }
    if let Some(told) = failure(&*error) {
        return told;
    }
    let (kind, message) = match (find::<hyper::Error>(&*error), find::<io::Error>(&*error)) {
        (Some(hyper), _) if hyper.is_parse() => (Kind::Malformed, "what came back is not HTTP as it should be"),
        (Some(hyper), _) if hyper.is_user() => (Kind::Other, "the request failed"),
        (_, Some(io)) if is_malformed(io) => (Kind::Malformed, "what came back is not HTTP as it should be"),
        (Some(_), _) | (_, Some(_)) => (Kind::Interrupted, "the connection ended before the answer did"),
        (None, None) => (Kind::Other, "the request failed"),
    };
    TransportError::new(kind, message).because(error)
}

/// hyper reports a body that is not chunked as it should be this way.
fn is_malformed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
}
