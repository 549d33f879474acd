use std::error::Error;
use std::io;

use entra_transport::tls::{failure, find, hung_up};
use entra_transport::{TransportError, TransportErrorKind};

/// The error of a service in our words.
///
/// Our own connector names its failures already; of hyper's and the system's we know what they mean; anybody else's is passed
/// on as it is.
pub(crate) fn told(error: Box<dyn Error + Send + Sync>) -> TransportError {
    if let Some(told) = find::<TransportError>(&*error) {
        return told.clone();
    }
    if let Some(told) = failure(&*error) {
        return told;
    }
    let told = match find::<hyper::Error>(&*error) {
        Some(hyper) if hyper.is_user() => other(),
        Some(hyper) if hyper.is_parse() || find::<io::Error>(hyper).is_some_and(is_malformed) => {
            TransportError::malformed()
        }
        Some(_) => TransportError::interrupted(),
        None if hung_up(&*error) => TransportError::interrupted(),
        None => other(),
    };
    told.because(error)
}

fn other() -> TransportError {
    TransportError::new(TransportErrorKind::Other, "the request failed")
}

/// hyper reports a body that is not chunked as it should be this way.
fn is_malformed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
}
