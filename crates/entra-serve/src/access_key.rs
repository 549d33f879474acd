//! The secret by which a server knows its clients.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::error::SetupError;

/// A secret of 32 random bytes, in base64url without padding: the value of a header that clients
/// send. It keeps other users and web pages of the machine out.
///
/// It has no `Display`, and its `Debug` does not show it.
#[derive(Clone)]
pub struct AccessKey(Zeroizing<String>);

impl AccessKey {
    /// Creates a random key.
    ///
    /// # Errors
    /// Returns an error if the system has no randomness.
    pub fn random() -> Result<Self, SetupError> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).map_err(SetupError::random)?;
        Ok(Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes))))
    }

    /// Creates a key from the text of an earlier one, which was stored.
    ///
    /// # Errors
    /// Returns an error if the text has fewer characters than a random key, more than 256, or
    /// others than those of base64url. The error does not repeat the text.
    pub fn stored(text: &str) -> Result<Self, SetupError> {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if !(43..=256).contains(&text.len()) || !text.bytes().all(is_letter) {
            return Err(SetupError::new(
                "the text is not a key: it must have 43 to 256 letters, digits, hyphens and underscores",
                "remove it, so that a random key replaces it",
            ));
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// Returns the key, for the environment of a client.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns true if a client sent this key. The time that it takes does not depend on the key.
    #[must_use]
    pub fn is(&self, sent: &HeaderValue) -> bool {
        self.matches(sent.as_bytes())
    }

    /// Returns true if these bytes are the key.
    pub(crate) fn matches(&self, sent: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let differences = own.iter().zip(sent).fold(0, |all, (a, b)| all | (a ^ b));
        own.len() == sent.len() && std::hint::black_box(differences) == 0
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_itself_matches() {
        let key = AccessKey::random().unwrap();
        let text = key.expose();
        assert_eq!(text.len(), 43);
        let longer = format!("{text}A");
        let other = AccessKey::random().unwrap();
        for (sent, is_key) in [
            (text, true),
            ("", false),
            (&text[..42], false),
            (&longer, false),
            (other.expose(), false),
        ] {
            assert_eq!(key.is(&HeaderValue::from_str(sent).unwrap()), is_key, "{sent}");
        }
    }

    #[test]
    fn stored_keys_are_as_long_as_random_ones() {
        let key = AccessKey::random().unwrap();
        assert_eq!(AccessKey::stored(key.expose()).unwrap().expose(), key.expose());
        let long = "k".repeat(257);
        for text in ["", &key.expose()[1..], &format!("{}\n", key.expose()), &long] {
            let error = AccessKey::stored(text).unwrap_err().to_string();
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }

    #[test]
    fn debug_does_not_show_the_key() {
        let key = AccessKey::random().unwrap();
        assert_eq!(format!("{key:?}"), "AccessKey(..)");
    }
}
