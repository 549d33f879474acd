//! The bodies of requests and responses, which may hold secrets.

use std::fmt;

use zeroize::Zeroizing;

/// The body of a token request or of its response.
///
/// It may contain a client secret, an assertion or a token. Its memory is therefore overwritten
/// when it is dropped, and its `Debug` shows only its length. It is not `Clone`: to send a request
/// again, encode it again.
///
/// ```
/// use entra_proto::Body;
///
/// let body = Body::from("client_secret=s3cret".to_owned());
/// assert_eq!(body.as_bytes(), b"client_secret=s3cret");
/// assert_eq!(format!("{body:?}"), "Body(20 bytes)");
/// ```
#[derive(Default)]
pub struct Body(Zeroizing<Vec<u8>>);

impl Body {
    /// Takes ownership of `bytes`, which are overwritten with zeros on drop.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Returns the bytes. No other method exposes them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether the body is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.len())
    }
}

/// The maximum length of a response body in bytes: 1 MiB, hundreds of times what Entra sends.
pub const MAX_RESPONSE: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_length_only() {
        assert_eq!(
            format!("{:?}", Body::from("client_secret=canary".to_owned())),
            "Body(20 bytes)"
        );
    }
}
