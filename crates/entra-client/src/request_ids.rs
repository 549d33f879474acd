use entra_proto::Guid;
use entra_transport::TransportError;

/// Where the ids of requests come from. They are all the randomness of a client: the waits between tries and the moments of refreshes
/// are drawn from them as well, and what protects a sign-in in a browser is made of them (state, nonce, PKCE verifier). Whoever can guess
/// them can take a sign-in over.
pub trait RequestIds: Send + Sync {
    /// An id that was never used before, of random bits that nobody can guess.
    ///
    /// # Errors
    /// Where there is no randomness to be had.
    fn next(&self) -> Result<Guid, TransportError>;
}

impl<F: Fn() -> Guid + Send + Sync> RequestIds for F {
    fn next(&self) -> Result<Guid, TransportError> {
        Ok(self())
    }
}

/// Ids of the system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRequestIds;

impl RequestIds for SystemRequestIds {
    fn next(&self) -> Result<Guid, TransportError> {
        entra_transport::request_id()
    }
}
