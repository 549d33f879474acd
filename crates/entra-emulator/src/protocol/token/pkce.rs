//! Proof key for code exchange (RFC 7636).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::aadsts::Rejection;
use crate::certificate::sha256;
use crate::form::Form;
use crate::state::authorization::Challenge;

impl Challenge {
    /// Reads the challenge of an authorization request. Without a method it is a plain challenge
    /// (section 4.3).
    ///
    /// # Errors
    /// Returns AADSTS501491 for an invalid challenge, which must have 43 to 128 characters, 50147
    /// for a method without a challenge, and 50149 for an unknown method.
    pub(crate) fn read(form: &Form) -> Result<Option<Self>, Rejection> {
        let is_hashed = match form.value("code_challenge_method") {
            Some("S256") => true,
            None | Some("plain") => false,
            Some(_) => return Err(Rejection::new(50149)),
        };
        match form.value("code_challenge") {
            Some(value) if is_valid(value) => Ok(Some(Self {
                value: value.to_owned(),
                is_hashed,
            })),
            Some(_) => Err(Rejection::new(501491)),
            None if form.value("code_challenge_method").is_some() => Err(Rejection::new(50147)),
            None => Ok(None),
        }
    }

    fn matches(&self, verifier: &str) -> bool {
        if self.is_hashed {
            self.value == URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()))
        } else {
            self.value == verifier
        }
    }
}

/// Verifies a code verifier. A verifier without a challenge is rejected as well, because it means
/// that the challenge was removed from the authorization request in transit.
///
/// # Errors
/// Returns AADSTS501481 if the verifier does not match the challenge.
pub(crate) fn verify(challenge: Option<&Challenge>, verifier: Option<&str>) -> Result<(), Rejection> {
    match (challenge, verifier) {
        (None, None) => Ok(()),
        (Some(challenge), Some(verifier)) if is_valid(verifier) && challenge.matches(verifier) => Ok(()),
        _ => Err(Rejection::new(501481)),
    }
}

fn is_valid(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifier_of_the_rfc_matches_its_challenge() {
        let form =
            Form::parse(b"code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256");
        let challenge = Challenge::read(&form).unwrap();
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert!(verify(challenge.as_ref(), Some(verifier)).is_ok());
        assert!(verify(challenge.as_ref(), Some(&verifier.to_lowercase())).is_err());
        assert!(verify(challenge.as_ref(), None).is_err());
        assert!(verify(None, Some(verifier)).is_err());
        assert!(Challenge::read(&Form::parse(b"code_challenge=short")).is_err());
        assert!(Challenge::read(&Form::parse(b"code_challenge_method=S256")).is_err());
    }
}
