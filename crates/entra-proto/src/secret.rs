//! Secrets of the application: client secrets and client assertions.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::{Error, Input, InputError};
use crate::guid::Guid;
use crate::pasted::{bare, token, unwrapped};
use crate::secret_doubt::SecretDoubt;
use crate::time::Timestamp;

/// A client secret: the *value* of a secret of the app registration, not its ID.
///
/// Cheap to clone; overwritten when the last clone is dropped. It has no `Display`, and its `Debug`
/// is a constant.
///
/// ```
/// use entra_proto::ClientSecret;
/// use entra_proto::error::SecretDoubt;
///
/// let secret = ClientSecret::new("qWgdYAmab0YSkuL1qKv5bPX")?;
/// assert_eq!(secret.doubt(), None);
/// let with_line_end = ClientSecret::new("qWgdYAmab0YSkuL1qKv5bPX\n")?;
/// assert_eq!(with_line_end.doubt(), Some(SecretDoubt::WhiteSpace));
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct ClientSecret(Arc<Zeroizing<String>>);

impl ClientSecret {
    /// Creates a secret from the exact text; nothing is trimmed. [`doubt`](Self::doubt) reports
    /// whether it looks wrong.
    ///
    /// # Errors
    /// Returns an error if the text is empty or contains only white space.
    pub fn new(secret: impl Into<String>) -> Result<Self, Error> {
        let secret = Zeroizing::new(secret.into());
        let problem = match bare(&secret) {
            _ if secret.is_empty() => "is empty",
            "" => "contains only white space",
            _ => return Ok(Self(Arc::new(secret))),
        };
        Err(InputError::new(Input::ClientSecret, problem)
            .with_hint(
                "set it to the value of a secret of the app registration; check that the variable or file is not empty",
            )
            .into())
    }

    /// Returns the reason why the secret looks wrong, if there is one. It is sent anyway, because
    /// old secrets may have any form. If the service rejects it, the error's hint includes the
    /// reason.
    #[must_use]
    pub fn doubt(&self) -> Option<SecretDoubt> {
        let text = self.expose();
        let bare = unwrapped(text);
        let trimmed = text.trim();
        if text.parse::<Guid>().is_ok() {
            Some(SecretDoubt::Id)
        } else if trimmed.len() < text.len() {
            Some(SecretDoubt::WhiteSpace)
        } else if bare.len() == text.len() {
            None
        } else if bare.len() + 2 <= text.len() && trimmed.starts_with(['"', '\'', '`', '“', '‘', '«', '<']) {
            Some(SecretDoubt::Quotes)
        } else {
            Some(SecretDoubt::Invisible)
        }
    }

    /// Returns the secret. No other method exposes it.
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

/// A signed client assertion (RFC 7523, section 2.2): a JWT that replaces a client secret.
///
/// Cheap to clone; overwritten when the last clone is dropped. It has no `Display`, and its `Debug`
/// is a constant.
#[derive(Clone)]
pub struct ClientAssertion {
    jwt: Arc<Zeroizing<String>>,
    expires_at: Option<Timestamp>,
}

impl ClientAssertion {
    /// Creates an assertion from a JWT in compact form. White space, a byte order mark, quotation
    /// marks and `Bearer` around it are removed.
    ///
    /// # Errors
    /// Returns an error if the text is not three base64url parts separated by dots.
    pub fn new(jwt: impl Into<String>) -> Result<Self, Error> {
        let text = Zeroizing::new(jwt.into());
        let jwt = token(&text);
        let base64url = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if jwt.split('.').count() != 3 || !jwt.split('.').all(base64url) {
            return Err(InputError::new(Input::ClientAssertion, "is not a JWT of three base64url parts").into());
        }
        Ok(Self::made(jwt.to_owned()))
    }

    /// Creates an assertion from a JWT that this crate has built.
    pub(crate) fn made(jwt: String) -> Self {
        Self {
            jwt: Arc::new(Zeroizing::new(jwt)),
            expires_at: None,
        }
    }

    /// Sets the expiry, by the local clock.
    #[must_use]
    pub fn with_expiry(mut self, expires_at: Timestamp) -> Self {
        self.expires_at = Some(expires_at);
        self
    }

    /// Returns the expiry, if it is known: for an assertion that was signed locally or acquired by
    /// a request.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// Returns the assertion. No other method exposes it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.jwt
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
    use crate::error::in_full;

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
    fn doubtful_secret_is_recognized() {
        for (text, doubt) in [
            ("aaaabbbb-0000-cccc-1111-dddd2222eeee", SecretDoubt::Id),
            ("{aaaabbbb-0000-cccc-1111-dddd2222eeee}\n", SecretDoubt::Id),
            ("abc\n", SecretDoubt::WhiteSpace),
            (" abc", SecretDoubt::WhiteSpace),
            ("abc\u{a0}", SecretDoubt::WhiteSpace),
            ("\"abc\"", SecretDoubt::Quotes),
            ("'abc'", SecretDoubt::Quotes),
            ("\u{feff}abc", SecretDoubt::Invisible),
        ] {
            let secret = ClientSecret::new(text).unwrap();
            assert_eq!((secret.doubt(), secret.expose()), (Some(doubt), text));
            assert!(!doubt.hint().contains("abc"));
        }
        for text in [
            "qWgdYAmab0YSkuL1qKv5bPX",
            "abc8Q~x.y_z-",
            "a~b.c'",
            "\"",
            "a b",
            "\"a\"b",
        ] {
            assert_eq!(ClientSecret::new(text).unwrap().doubt(), None, "{text}");
        }
        for text in ["", " ", "\r\n", "\u{feff}"] {
            let error = in_full(&ClientSecret::new(text).expect_err(text));
            assert!(error.contains("variable or file"), "{error}");
        }
    }

    #[test]
    fn surroundings_of_an_assertion_are_stripped() {
        for text in [
            "a.b.c",
            "\u{feff}a.b.c\n",
            "Bearer a.b.c",
            "\"a.b.c\"",
            "authorization: bearer a.b.c",
        ] {
            assert_eq!(ClientAssertion::new(text).unwrap().expose(), "a.b.c");
        }
    }

    #[test]
    fn assertion_has_three_parts() {
        for bad in ["", "a.b", "a.b.c.d", "a..c", "a.b.c=", "a.b c.d"] {
            assert!(ClientAssertion::new(bad).is_err(), "{bad:?}");
        }
    }
}
