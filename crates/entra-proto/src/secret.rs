use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::{Error, InputError};

/// A client secret: the *value* of a secret of the app registration, not its id.
///
/// Cheap to clone; overwritten when the last clone is dropped. It has no `Display`, and its `Debug` is a constant.
#[derive(Clone)]
pub struct ClientSecret(Arc<Zeroizing<String>>);

impl ClientSecret {
    /// Takes the secret as it is, byte for byte: nothing is trimmed.
    ///
    /// # Errors
    /// Where it is empty.
    pub fn new(secret: impl Into<String>) -> Result<Self, Error> {
        let secret = Zeroizing::new(secret.into());
        if secret.is_empty() {
            return Err(InputError::new("client secret", "is empty").into());
        }
        Ok(Self(Arc::new(secret)))
    }

    /// The secret itself: the one way out.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}

/// A signed client assertion (RFC 7523, section 2.2): a JWT that stands in the place of a client secret.
///
/// Cheap to clone; overwritten when the last clone is dropped. It has no `Display`, and its `Debug` is a constant.
#[derive(Clone)]
pub struct ClientAssertion(Arc<Zeroizing<String>>);

impl ClientAssertion {
    /// Takes a finished assertion, in the compact form of a JWT.
    ///
    /// # Errors
    /// Where it is not three parts of base64url, separated by dots.
    pub fn new(jwt: impl Into<String>) -> Result<Self, Error> {
        let jwt = Zeroizing::new(jwt.into());
        let base64url = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if jwt.split('.').count() != 3 || !jwt.split('.').all(base64url) {
            return Err(InputError::new("client assertion", "is not a JWT of three base64url parts").into());
        }
        Ok(Self(Arc::new(jwt)))
    }

    /// Takes an assertion that was put together here.
    pub(crate) fn made(jwt: String) -> Self {
        Self(Arc::new(Zeroizing::new(jwt)))
    }

    /// The assertion itself: the one way out.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientAssertion(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_is_a_constant() {
        let secret = ClientSecret::new("canary").unwrap();
        let assertion = ClientAssertion::new("ca.na.ry").unwrap();
        let rendered = format!("{secret:?} {assertion:?}");
        assert!(
            !rendered.contains("canary") && !rendered.contains("ca.na.ry"),
            "{rendered}"
        );
    }

    #[test]
    fn an_assertion_is_three_parts() {
        for bad in ["", "a.b", "a.b.c.d", "a..c", "a.b.c=", "a.b c.d"] {
            assert!(ClientAssertion::new(bad).is_err(), "{bad:?}");
        }
    }
}
