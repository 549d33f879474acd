//! Secrets that the service issues: codes and tokens other than access tokens.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::{Error, Input, InputError};
use crate::pasted::{bare, token};
use crate::secret_text::hash;
use crate::unverified_claims::UnverifiedClaims;

/// Defines a secret that the service issued. It is only ever sent back to the service, or to its
/// audience.
macro_rules! issued_secret {
    ($(#[$about:meta])* $visibility:vis $name:ident) => {
        $(#[$about])*
        ///
        /// Cheap to clone; overwritten when the last clone is dropped. It has no `Display`, and its
        /// `Debug` is a constant.
        #[derive(Clone)]
        $visibility struct $name(Arc<Zeroizing<String>>);

        impl $name {
            pub(crate) fn from_wire(text: Zeroizing<String>) -> Option<Self> {
                is_issued(&text).then(|| Self(Arc::new(text)))
            }

            /// Returns the text. No other method exposes it.
            #[must_use]
            $visibility fn expose(&self) -> &str {
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

/// Defines the constructor of an issued secret that callers may have stored. `$bare` removes what
/// surrounds the text.
macro_rules! stored_secret {
    ($name:ident, $bare:path) => {
        impl $name {
            /// Creates it from text, without white space and a byte order mark around it, which
            /// files add.
            ///
            /// # Errors
            /// Returns an error if the text is empty, longer than 64 KiB, or contains anything but
            /// visible ASCII. The error does not repeat the text.
            pub fn new(text: impl Into<String>) -> Result<Self, Error> {
                let text = Zeroizing::new(text.into());
                Self::from_wire(Zeroizing::new($bare(&text).to_owned()))
                    .ok_or_else(|| InputError::new(Input::$name, UNFIT).into())
            }
        }
    };
}

issued_secret! {
    /// An authorization code from a redirect (RFC 6749, section 1.3.1). It is valid for one
    /// redemption within ten minutes.
    pub(crate) AuthorizationCode
}

issued_secret! {
    /// A refresh token (RFC 6749, section 1.5), which requests a user's next access token. Entra
    /// issues a new one with each response: store the newest.
    pub RefreshToken
}
stored_secret!(RefreshToken, bare);

issued_secret! {
    /// An ID token (OpenID Connect Core 1.0, section 2), which tells the application who signed in.
    /// Read it with [`claims`](Self::claims).
    pub IdToken
}
stored_secret!(IdToken, bare);

issued_secret! {
    /// A user's access token for the API that acts on the user's behalf: the assertion of the
    /// on-behalf-of grant (RFC 7523, section 2.1). It is accepted as it arrives, with `Bearer`
    /// before it or in quotation marks.
    pub UserAssertion
}
stored_secret!(UserAssertion, token);

issued_secret! {
    /// A device code (RFC 8628, section 3.2), with which the device polls while the user enters the
    /// user code.
    pub DeviceCode
}
stored_secret!(DeviceCode, bare);

impl IdToken {
    /// Returns the claims without checking the signature: the token came directly from the token
    /// endpoint over TLS.
    ///
    /// # Errors
    /// Returns an error as [`UnverifiedClaims::decode`] does.
    pub fn claims(&self) -> Result<UnverifiedClaims, Error> {
        UnverifiedClaims::decode(self.expose())
    }
}

impl UserAssertion {
    /// Returns its SHA-256 hash in base64url without padding, the key under which caches store the
    /// tokens acquired with it. The hash does not reveal the assertion.
    #[must_use]
    pub fn hash(&self) -> String {
        hash(self.expose())
    }
}

/// Returns whether the service can have issued this text: visible ASCII, and short enough for a
/// header line.
fn is_issued(text: &str) -> bool {
    (1..=MAX_ISSUED).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The maximum length of an issued secret in bytes.
const MAX_ISSUED: usize = 64 * 1024;

const UNFIT: &str = "is empty, too long, or contains anything but visible ASCII";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issued_secrets_are_visible_ascii_of_limited_length() {
        for good in ["a.b", "\u{feff}a.b\r\n", "\"a.b\"", "Bearer a.b", "bearer  a.b\n"] {
            assert_eq!(UserAssertion::new(good).unwrap().expose(), "a.b", "{good}");
        }
        assert_eq!(RefreshToken::new("\u{feff}a.b\r\n").unwrap().expose(), "a.b");
        for bad in ["", "a b", "a\nb", "\u{e9}", &"x".repeat(MAX_ISSUED + 1)] {
            assert!(RefreshToken::new(bad).is_err());
        }
        assert_eq!(RefreshToken::new("canary").unwrap().expose(), "canary");
        assert_eq!(format!("{:?}", DeviceCode::new("canary").unwrap()), "DeviceCode(..)");
        let code = AuthorizationCode::from_wire(Zeroizing::new("canary".to_owned())).unwrap();
        assert_eq!(format!("{code:?}"), "AuthorizationCode(..)");
    }

    /// Official clients use the same hashes for these two assertions.
    #[test]
    fn hash_of_an_assertion_matches_the_official_clients() {
        for (text, hash) in [
            ("token", "PEaenWxYddN6Q_NT1PiOYfz4EsZu7jRXRlpAsNpBU-A"),
            ("assertion", "fFsdSeaHX9iH_VIhI8SzQWnUzBGmUCzATLfrj3wWaXI"),
        ] {
            assert_eq!(UserAssertion::new(text).unwrap().hash(), hash);
        }
    }
}
