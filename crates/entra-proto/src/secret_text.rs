//! Creates, hashes and compares secret texts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// Returns the SHA-256 hash of a secret, in base64url without padding.
pub(crate) fn hash(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(hmac_sha256::Hash::hash(secret.as_bytes()))
}

/// Encodes random bytes as a secret text: 43 characters of base64url.
pub(crate) fn random_text(random: &[u8; 32]) -> Zeroizing<String> {
    Zeroizing::new(URL_SAFE_NO_PAD.encode(random))
}

/// Returns whether two secrets are equal, in constant time: compares their hashes to the last byte.
pub(crate) fn same_secret(given: &str, known: &str) -> bool {
    hmac_sha256::Hash::verify(given.as_bytes(), &hmac_sha256::Hash::hash(known.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_equals_only_itself() {
        let text = random_text(&[7; 32]);
        assert_eq!(text.len(), 43);
        assert!(same_secret(&text, &random_text(&[7; 32])));
        for other in ["", &text[1..], &text.to_lowercase(), &format!("{}A", *text)] {
            assert!(!same_secret(other, &text), "{other}");
        }
    }
}
