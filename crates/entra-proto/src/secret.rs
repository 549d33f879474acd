use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::error::{Error, InputError};
use crate::unverified_claims::UnverifiedClaims;

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

/// Defines a secret that a service handed out: a text that only goes back to where it came from, or to whom it is for.
macro_rules! issued_secret {
    ($(#[$about:meta])* $name:ident, $field:literal) => {
        $(#[$about])*
        ///
        /// Cheap to clone; overwritten when the last clone is dropped. It has no `Display`, and its `Debug` is a constant.
        #[derive(Clone)]
        pub struct $name(Arc<Zeroizing<String>>);

        impl $name {
            /// Takes it as it is.
            ///
            /// # Errors
            /// Where it is empty, longer than 64 KiB, or holds anything but visible ASCII. The text is not repeated in the error.
            pub fn new(text: impl Into<String>) -> Result<Self, Error> {
                let text = Zeroizing::new(text.into());
                Self::from_wire(text).ok_or_else(|| InputError::new($field, UNFIT).into())
            }

            pub(crate) fn from_wire(text: Zeroizing<String>) -> Option<Self> {
                is_issued(&text).then(|| Self(Arc::new(text)))
            }

            /// The text itself: the one way out.
            #[must_use]
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

issued_secret! {
    /// An authorization code (RFC 6749, section 1.3.1): it came with a redirect, is good for one redemption, and for ten minutes.
    AuthorizationCode, "authorization code"
}

issued_secret! {
    /// A refresh token (RFC 6749, section 1.5): what a user's next access token is asked for with. Entra gives a new one with each
    /// answer: keep the newest.
    RefreshToken, "refresh token"
}

issued_secret! {
    /// An ID token (OpenID Connect Core 1.0, section 2): who signed in, told to the application. Read it with [`claims`](Self::claims).
    IdToken, "ID token"
}

issued_secret! {
    /// A user's access token for the API that asks on the user's behalf: the assertion of the on-behalf-of grant (RFC 7523,
    /// section 2.1).
    UserAssertion, "user assertion"
}

issued_secret! {
    /// A device code (RFC 8628, section 3.2): what the device polls with, while the user types in the user code.
    DeviceCode, "device code"
}

impl IdToken {
    /// What it says, read without trust: it came straight from the token endpoint over TLS, and nobody checked its signature.
    ///
    /// # Errors
    /// As for [`UnverifiedClaims::decode`].
    pub fn claims(&self) -> Result<UnverifiedClaims, Error> {
        UnverifiedClaims::decode(self.expose())
    }
}

impl UserAssertion {
    /// Its SHA-256 hash, base64url without padding: what tokens that were got with it are kept by. It does not lead back to it.
    #[must_use]
    pub fn hash(&self) -> String {
        hash(self.expose())
    }
}

/// The SHA-256 hash of a secret, base64url without padding.
pub(crate) fn hash(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(hmac_sha256::Hash::hash(secret.as_bytes()))
}

/// Random bytes as a secret text: 43 characters of base64url.
pub(crate) fn random_text(random: &[u8; 32]) -> Zeroizing<String> {
    Zeroizing::new(URL_SAFE_NO_PAD.encode(random))
}

/// Whether two secrets are the same, in a time that does not tell where they differ: their hashes are compared, to the last byte.
pub(crate) fn same_secret(given: &str, known: &str) -> bool {
    hmac_sha256::Hash::verify(given.as_bytes(), &hmac_sha256::Hash::hash(known.as_bytes()))
}

/// Whether a text may be one that the service handed out: visible ASCII, and no more of it than a header line could hold.
fn is_issued(text: &str) -> bool {
    (1..=MAX_ISSUED).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// How long a secret that the service handed out may be, in bytes.
pub(crate) const MAX_ISSUED: usize = 64 * 1024;

const UNFIT: &str = "is empty, too long, or holds anything but visible ASCII";

/// An access token, opaque to the client: it is for the API that it names (RFC 6749, section 1.4).
///
/// It is visible ASCII and not empty: any access token makes a valid header.
/// Overwritten when dropped; no `Display`, and its `Debug` is a constant.
#[derive(Clone)]
pub struct AccessToken(BearerText);

impl AccessToken {
    /// Takes a token that was kept somewhere: decoders make their own.
    ///
    /// # Errors
    /// Where it is empty or holds anything but visible ASCII. The text is not repeated in the error.
    pub fn new(token: impl Into<String>) -> Result<Self, Error> {
        let problem = "is empty or holds a character that no header may hold";
        let token = Zeroizing::new(token.into());
        Self::from_wire(BearerText::new(&token)).ok_or_else(|| InputError::new("access token", problem).into())
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
        let secret = ClientSecret::new("canary").unwrap();
        let assertion = ClientAssertion::new("ca.na.ry").unwrap();
        let token = AccessToken::new("canary").unwrap();
        let rendered = format!("{secret:?} {assertion:?} {token:?} {:?}", token.authorization());
        assert!(
            !rendered.contains("canary") && !rendered.contains("ca.na.ry"),
            "{rendered}"
        );
    }

    #[test]
    fn what_the_service_handed_out_is_visible_ascii_and_not_endless() {
        for bad in ["", "a b", "a\nb", "\u{e9}", &"x".repeat(MAX_ISSUED + 1)] {
            assert!(RefreshToken::new(bad).is_err());
        }
        assert_eq!(RefreshToken::new("canary").unwrap().expose(), "canary");
        assert_eq!(format!("{:?}", DeviceCode::new("canary").unwrap()), "DeviceCode(..)");
    }

    /// The hashes that official clients keep such tokens by, where these two are the assertions.
    #[test]
    fn an_assertion_is_kept_by_its_hash() {
        for (text, hash) in [
            ("token", "PEaenWxYddN6Q_NT1PiOYfz4EsZu7jRXRlpAsNpBU-A"),
            ("assertion", "fFsdSeaHX9iH_VIhI8SzQWnUzBGmUCzATLfrj3wWaXI"),
        ] {
            assert_eq!(UserAssertion::new(text).unwrap().hash(), hash);
        }
    }

    #[test]
    fn a_token_is_visible_ascii() {
        for bad in ["", "a b", "a\r\nb", "a\0", "\u{e9}", "a\u{7f}"] {
            assert!(AccessToken::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_assertion_is_three_parts() {
        for bad in ["", "a.b", "a.b.c.d", "a..c", "a.b.c=", "a.b c.d"] {
            assert!(ClientAssertion::new(bad).is_err(), "{bad:?}");
        }
    }
}
