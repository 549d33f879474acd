//! Proof Key for Code Exchange (RFC 7636).

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::secret_text::hash;

/// A PKCE code verifier (RFC 7636). It proves that the client which redeems a code is the one that
/// requested it.
///
/// Cheap to clone; overwritten when the last clone is dropped. It has no `Display`, and its `Debug`
/// is a constant.
#[derive(Clone)]
pub(crate) struct CodeVerifier(Arc<Zeroizing<String>>);

impl CodeVerifier {
    /// Creates a verifier from stored text, if that is 43 to 128 of the characters `A-Z a-z 0-9 - .
    /// _ ~` (RFC 7636, section 4.1).
    pub(crate) fn new(text: &str) -> Option<Self> {
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let is_valid = (43..=128).contains(&text.len()) && text.bytes().all(unreserved);
        is_valid.then(|| Self(Arc::new(Zeroizing::new(text.to_owned()))))
    }

    /// Creates a verifier of 43 characters from 32 random bytes.
    pub(crate) fn from_random(random: [u8; 32]) -> Self {
        Self(Arc::new(Zeroizing::new(
            URL_SAFE_NO_PAD.encode(*Zeroizing::new(random)),
        )))
    }

    /// Returns the challenge for the authorize request: the verifier's SHA-256 hash (`S256`) in
    /// base64url without padding.
    pub(crate) fn challenge(&self) -> String {
        hash(&self.0)
    }

    /// Returns the verifier. No other method exposes it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CodeVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeVerifier(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636, appendix B: the 32 bytes, the verifier and the challenge.
    #[test]
    fn example_of_rfc_7636() {
        let random = [
            116, 24, 223, 180, 151, 153, 224, 37, 79, 250, 96, 125, 216, 173, 187, 186, 22, 212, 37, 77, 105, 214, 191,
            240, 91, 88, 5, 88, 83, 132, 141, 121,
        ];
        let verifier = CodeVerifier::from_random(random);
        assert_eq!(verifier.expose(), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(verifier.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert_eq!(format!("{verifier:?}"), "CodeVerifier(..)");
    }

    /// The Entra documents show a pair that does not match: its challenge is the base64 of a hash
    /// in hex.
    #[test]
    fn example_of_the_documents_does_not_match() {
        let verifier = CodeVerifier::new("ThisIsntRandomButItNeedsToBe43CharactersLong").unwrap();
        assert_eq!(verifier.challenge(), "ocYCWfMwcSjWZok91g7EAZsKLdqPI7Nn_qoUWIdHHM4");
    }

    #[test]
    fn verifier_has_43_to_128_unreserved_characters() {
        let of = |length: usize| CodeVerifier::new(&"~".repeat(length));
        assert!(of(43).is_some() && of(128).is_some() && of(42).is_none() && of(129).is_none());
        assert!(CodeVerifier::new(&"+".repeat(43)).is_none());
    }
}
