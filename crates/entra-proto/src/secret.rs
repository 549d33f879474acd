use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::{Error, Input, InputError};
use crate::guid::Guid;
use crate::pasted::{bare, token, unwrapped};
use crate::secret_doubt::SecretDoubt;
use crate::time::Timestamp;

/// A client secret: the *value* of a secret of the app registration, not its id.
///
/// Cheap to clone; overwritten when the last clone is dropped. It has no `Display`, and its `Debug` is a constant.
#[derive(Clone)]
pub struct ClientSecret(Arc<Zeroizing<String>>);

impl ClientSecret {
    /// Takes the secret as it is, byte for byte: nothing is trimmed. [`doubt`](Self::doubt) tells whether it looks wrong.
    ///
    /// # Errors
    /// Returns an error if it is empty or white space alone.
    pub fn new(secret: impl Into<String>) -> Result<Self, Error> {
        let secret = Zeroizing::new(secret.into());
        let problem = match bare(&secret) {
            _ if secret.is_empty() => "is empty",
            "" => "holds nothing but white space",
            _ => return Ok(Self(Arc::new(secret))),
        };
        Err(InputError::new(Input::ClientSecret, problem)
            .with_hint(
                "set it to the value of a secret of the app registration; check that the variable or file is filled",
            )
            .into())
    }

    /// What makes the secret look wrong, where something does. It is sent all the same: old secrets may be anything. Where the
    /// service rejects it, the error's advice says this.
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
pub struct ClientAssertion {
    jwt: Arc<Zeroizing<String>>,
    expires_at: Option<Timestamp>,
}

impl ClientAssertion {
    /// Takes a finished assertion, in the compact form of a JWT. White space, a byte order mark, quotation marks and `Bearer`
    /// around it are no part of it.
    ///
    /// # Errors
    /// Returns an error if it is not three parts of base64url, separated by dots.
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

    /// Takes an assertion that was put together here.
    pub(crate) fn made(jwt: String) -> Self {
        Self {
            jwt: Arc::new(Zeroizing::new(jwt)),
            expires_at: None,
        }
    }

    /// Adds when it expires, by the clock here.
    #[must_use]
    pub fn with_expiry(mut self, expires_at: Timestamp) -> Self {
        self.expires_at = Some(expires_at);
        self
    }

    /// Returns when it expires, where that is known: for an assertion that was signed here, or acquired by a request.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// The assertion itself: the one way out.
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
    fn a_secret_that_looks_wrong_is_doubted() {
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
    fn what_stands_around_an_assertion_is_no_part_of_it() {
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
    fn an_assertion_is_three_parts() {
        for bad in ["", "a.b", "a.b.c.d", "a..c", "a.b.c=", "a.b c.d"] {
            assert!(ClientAssertion::new(bad).is_err(), "{bad:?}");
        }
    }
}
