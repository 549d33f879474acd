use std::fmt;

use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::error::{Error, Input, InputError};
use crate::pasted;

/// An access token, opaque to the client: it is for the API that it names (RFC 6749, section 1.4).
///
/// It is visible ASCII and not empty: any access token makes a valid header.
/// Overwritten when dropped; no `Display`, and its `Debug` is a constant.
#[derive(Clone)]
pub struct AccessToken(BearerText);

impl AccessToken {
    /// Takes a token that was kept somewhere: decoders make their own. White space, a byte order mark, quotation marks and
    /// `Bearer` around it are no part of it.
    ///
    /// # Errors
    /// Where it is empty or holds anything but visible ASCII. The text is not repeated in the error.
    pub fn new(token: impl Into<String>) -> Result<Self, Error> {
        let problem = "is empty or holds a character that no header may hold";
        let text = Zeroizing::new(token.into());
        Self::from_wire(BearerText::new(pasted::token(&text)))
            .ok_or_else(|| InputError::new(Input::AccessToken, problem).into())
    }

    /// Takes a token where every character is visible ASCII.
    pub(crate) fn from_wire(text: BearerText) -> Option<Self> {
        // Whole chunks, without a way out in their middle, are checked many bytes at a time.
        let graphic = |chunk: &[u8]| chunk.iter().fold(true, |sound, byte| sound & byte.is_ascii_graphic());
        let token = text.token().as_bytes();
        (!token.is_empty() && token.chunks(128).all(graphic)).then_some(Self(text))
    }

    /// The token itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.token()
    }

    /// The value of the `Authorization` header, `Bearer <token>` (RFC 6750, section 2.1), marked sensitive.
    #[must_use]
    pub fn authorization(&self) -> HeaderValue {
        self.clone().into_authorization()
    }

    /// The token as that header value: its text is taken over, and overwritten when the last clone of the value is dropped.
    #[must_use]
    pub fn into_authorization(self) -> HeaderValue {
        // Visible ASCII by construction: the fallback, an empty header, cannot be met.
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

/// A text as an access token, with `Bearer ` before it from the start: it becomes a header, and nothing is copied for that.
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
    fn a_token_is_visible_ascii() {
        for bad in ["", "a b", "a\r\nb", "a\0", "\u{e9}", "a\u{7f}"] {
            assert!(AccessToken::new(bad).is_err(), "{bad:?}");
        }
    }
}
