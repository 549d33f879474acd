//! Access tokens, stored in the form in which they become an `Authorization` header.

use std::fmt;

use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::error::{Error, Input, InputError};
use crate::pasted;

/// An access token. It is opaque to the client: only its API may interpret it (RFC 6749, section
/// 1.4).
///
/// It is not empty and consists of visible ASCII, so that every access token forms a valid header.
/// It is overwritten when dropped. It has no `Display`, and its `Debug` is a constant.
///
/// ```
/// use entra_proto::AccessToken;
///
/// let token = AccessToken::new("Bearer eyJ0eXAi")?;
/// assert_eq!(token.expose(), "eyJ0eXAi");
/// assert_eq!(token.authorization(), "Bearer eyJ0eXAi");
/// assert_eq!(format!("{token:?}"), "AccessToken(..)");
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct AccessToken(BearerText);

impl AccessToken {
    /// Creates an access token from text that was stored elsewhere. Removes white space, a byte
    /// order mark, quotation marks and `Bearer` around it.
    ///
    /// # Errors
    /// Returns an error if the token is empty or contains anything but visible ASCII. The error
    /// does not repeat the text.
    pub fn new(token: impl Into<String>) -> Result<Self, Error> {
        let problem = "is empty or contains a character that a header cannot contain";
        let text = Zeroizing::new(token.into());
        Self::from_wire(BearerText::new(pasted::token(&text)))
            .ok_or_else(|| InputError::new(Input::AccessToken, problem).into())
    }

    /// Creates an access token if the text is not empty and each character is visible ASCII.
    pub(crate) fn from_wire(text: BearerText) -> Option<Self> {
        // A chunk is checked without an early return, so that the compiler can vectorize the check.
        let graphic = |chunk: &[u8]| chunk.iter().fold(true, |sound, byte| sound & byte.is_ascii_graphic());
        let token = text.token().as_bytes();
        (!token.is_empty() && token.chunks(128).all(graphic)).then_some(Self(text))
    }

    /// Returns the token.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.token()
    }

    /// Returns the value of the `Authorization` header, `Bearer <token>` (RFC 6750, section 2.1),
    /// marked sensitive.
    #[must_use]
    pub fn authorization(&self) -> HeaderValue {
        self.clone().into_authorization()
    }

    /// Converts the token into that header value without a copy. The text is overwritten when the
    /// last clone of the value is dropped.
    #[must_use]
    pub fn into_authorization(self) -> HeaderValue {
        // The text is visible ASCII by construction, so the fallback, an empty header, is
        // unreachable.
        let text = Bytes::from_owner(self.0.0);
        let mut value = HeaderValue::from_maybe_shared(text).unwrap_or_else(|_| HeaderValue::from_static(""));
        value.set_sensitive(true);
        value
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(..)")
    }
}

/// The text of an access token after the prefix `Bearer `. It becomes a header value without a
/// copy.
#[derive(Clone)]
pub(crate) struct BearerText(Zeroizing<String>);

impl BearerText {
    pub(crate) fn new(token: &str) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(BEARER.len() + token.len()));
        text.push_str(BEARER);
        text.push_str(token);
        Self(text)
    }

    pub(crate) fn token(&self) -> &str {
        self.0.get(BEARER.len()..).unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.len() <= BEARER.len()
    }
}

const BEARER: &str = "Bearer ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_is_a_constant() {
        let token = AccessToken::new("canary").unwrap();
        let rendered = format!("{token:?} {:?}", token.authorization());
        assert!(!rendered.contains("canary"), "{rendered}");
    }

    #[test]
    fn token_must_be_visible_ascii() {
        for bad in ["", "a b", "a\r\nb", "a\0", "\u{e9}", "a\u{7f}"] {
            assert!(AccessToken::new(bad).is_err(), "{bad:?}");
        }
    }
}
