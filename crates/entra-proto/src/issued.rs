use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::{Error, Input, InputError};
use crate::pasted::{bare, token};
use crate::secret_text::hash;
use crate::unverified_claims::UnverifiedClaims;

/// Defines a secret that a service handed out: a text that only goes back to where it came from, or to whom it is for.
macro_rules! issued_secret {
    ($(#[$about:meta])* $name:ident, $bare:path) => {
        $(#[$about])*
        ///
        /// Cheap to clone; overwritten when the last clone is dropped. It has no `Display`, and its `Debug` is a constant.
        #[derive(Clone)]
        pub struct $name(Arc<Zeroizing<String>>);

        impl $name {
            /// Takes it without the white space and the byte order mark around it that come along from a file.
            ///
            /// # Errors
            /// Returns an error if it is empty, longer than 64 KiB, or holds anything but visible ASCII. It does not repeat the text.
            pub fn new(text: impl Into<String>) -> Result<Self, Error> {
                let text = Zeroizing::new(text.into());
                Self::from_wire(Zeroizing::new($bare(&text).to_owned())).ok_or_else(|| InputError::new(Input::$name, UNFIT).into())
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
    AuthorizationCode, bare
}

issued_secret! {
    /// A refresh token (RFC 6749, section 1.5): what a user's next access token is asked for with. Entra gives a new one with each
    /// answer: keep the newest.
    RefreshToken, bare
}

issued_secret! {
    /// An ID token (OpenID Connect Core 1.0, section 2): who signed in, told to the application. Read it with [`claims`](Self::claims).
    IdToken, bare
}

issued_secret! {
    /// A user's access token for the API that asks on the user's behalf: the assertion of the on-behalf-of grant (RFC 7523,
    /// section 2.1). It may be given as it came, with `Bearer` before it or in quotation marks.
    UserAssertion, token
}

issued_secret! {
    /// A device code (RFC 8628, section 3.2): what the device polls with, while the user types in the user code.
    DeviceCode, bare
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

/// Whether a text may be one that the service handed out: visible ASCII, and no more of it than a header line could hold.
fn is_issued(text: &str) -> bool {
    (1..=MAX_ISSUED).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// How long a secret that the service handed out may be, in bytes.
const MAX_ISSUED: usize = 64 * 1024;

const UNFIT: &str = "is empty, too long, or holds anything but visible ASCII";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_service_handed_out_is_visible_ascii_and_not_endless() {
        for good in ["a.b", "\u{feff}a.b\r\n", "\"a.b\"", "Bearer a.b", "bearer  a.b\n"] {
            assert_eq!(UserAssertion::new(good).unwrap().expose(), "a.b", "{good}");
        }
        assert_eq!(RefreshToken::new("\u{feff}a.b\r\n").unwrap().expose(), "a.b");
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
}
