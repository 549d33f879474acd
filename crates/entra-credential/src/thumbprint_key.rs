//! A private key without its certificate.

use std::fmt;
use std::sync::Arc;

use entra_proto::assertion::{Signer, SignerError, SigningAlgorithm, SigningCertificate};

use crate::contents::Bundle;
use crate::crypto::SystemRandom;
use crate::crypto::signature::RSA_PKCS1_SHA256;
use crate::error::Error;
use crate::key::PrivateKey;

/// A private key for which only the SHA-1 thumbprint of the certificate is known: the `thumbprint`
/// and `private_key` of MSAL.
///
/// That the two belong together is proved only when the service verifies a signature. Assertions
/// with PS256 are not possible, because they need the SHA-256 of the certificate. Use
/// [`ClientCertificate`](crate::ClientCertificate) if the certificate is available.
///
/// ```
/// use entra_credential::ThumbprintKey;
/// use entra_proto::assertion::{CertificateCredential, SigningAlgorithm};
///
/// # let bytes = include_bytes!("../tests/vectors/pem/pkcs8.pem");
/// // let bytes = std::fs::read("server.pem")?;
/// let thumbprint = "845D0C6B2A119E00455D0C6B2A119E00455D0C6B";
/// let key = ThumbprintKey::read(bytes, None, thumbprint)?;
/// let algorithm = SigningAlgorithm::Rs256;
/// let credential = CertificateCredential::new(key).with_algorithm(algorithm);
/// # Ok::<(), entra_credential::Error>(())
/// ```
#[derive(Clone)]
pub struct ThumbprintKey(Arc<Inner>);

struct Inner {
    key: PrivateKey,
    certificate: SigningCertificate,
}

impl ThumbprintKey {
    /// Reads a file with one private key. The thumbprint is 40 hexadecimal digits; colons and
    /// spaces between them are ignored.
    ///
    /// # Errors
    /// Returns an error if the thumbprint is invalid, if the file holds no private key or several,
    /// or if Entra does not accept this kind of key.
    pub fn read(bytes: &[u8], password: Option<&str>, thumbprint: &str) -> Result<Self, Error> {
        let sha1 = sha1_of(thumbprint).ok_or_else(|| {
            Error::unsupported(
                "a thumbprint that is not 40 hexadecimal digits",
                "copy the thumbprint (SHA-1) of the certificate from the app registration",
            )
        })?;
        let mut bundle = Bundle::default();
        bundle.add(bytes, password)?;
        Ok(Self(Arc::new(Inner {
            key: bundle.only_key()?,
            certificate: SigningCertificate::new(sha1, [0; 32], Vec::new()),
        })))
    }
}

impl Signer for ThumbprintKey {
    fn certificate(&self) -> SigningCertificate {
        self.0.certificate.clone()
    }

    /// # Errors
    /// Returns an error for every algorithm but RS256, because the others name the certificate by
    /// its SHA-256.
    fn sign(
        &self,
        certificate: &SigningCertificate,
        algorithm: SigningAlgorithm,
        input: &[u8],
    ) -> Result<Vec<u8>, SignerError> {
        if *certificate != self.0.certificate {
            return Err(SignerError::new("it was requested with another certificate")
                .with_hint("request the certificate of the signer first"));
        }
        if algorithm != SigningAlgorithm::Rs256 {
            return Err(SignerError::new(format!(
                "{} needs the SHA-256 of the certificate, and only its SHA-1 thumbprint is known",
                algorithm.as_str()
            ))
            .with_hint("give the certificate beside its key, or sign with RS256"));
        }
        let mut signature = vec![0; self.0.key.bits.div_ceil(8)];
        let pair = &self.0.key.pair;
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input, &mut signature)
            .map_err(|_| SignerError::new("the key cannot sign"))?;
        Ok(signature)
    }
}

impl fmt::Debug for ThumbprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sha1 = crate::thumbprints::hex(self.0.certificate.sha1());
        write!(f, "ThumbprintKey({sha1})")
    }
}

fn sha1_of(thumbprint: &str) -> Option<[u8; 20]> {
    let mut digits = thumbprint
        .chars()
        .filter(|c| !matches!(c, ':' | ' ' | '\u{200e}' | '\u{feff}'));
    let mut sha1 = [0; 20];
    for byte in &mut sha1 {
        let mut digit = || {
            digits
                .next()
                .and_then(|c| c.to_digit(16))
                .and_then(|digit| u8::try_from(digit).ok())
        };
        *byte = digit()? << 4 | digit()?;
    }
    digits.next().is_none().then_some(sha1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &[u8] = include_bytes!("../tests/vectors/pem/pkcs8.pem");
    const HEX: &str = "790e0c6b2a119e00455d0c6b2a119e00455d0c6b";

    #[test]
    fn thumbprint_is_read_in_every_usual_form() {
        let plain = sha1_of(HEX).unwrap();
        assert_eq!(sha1_of(&HEX.to_uppercase()), Some(plain));
        let with_colons: Vec<&str> = (0..20).map(|at| &HEX[2 * at..2 * at + 2]).collect();
        assert_eq!(sha1_of(&with_colons.join(":")), Some(plain));
        assert_eq!(sha1_of(&format!("\u{200e}{}", with_colons.join(" "))), Some(plain));
        for wrong in ["", "790E...", &HEX[1..], &format!("{HEX}0"), &HEX.replace('c', "g")] {
            assert_eq!(sha1_of(wrong), None, "{wrong}");
            assert!(ThumbprintKey::read(PEM, None, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn key_without_its_certificate_signs_rs256_only() {
        let key = ThumbprintKey::read(PEM, None, HEX).unwrap();
        let certificate = key.certificate();
        assert_eq!(certificate.sha1(), &sha1_of(HEX).unwrap());
        let signature = key.sign(&certificate, SigningAlgorithm::Rs256, b"input").unwrap();
        assert_eq!(signature.len(), key.0.key.bits / 8);
        let error = key.sign(&certificate, SigningAlgorithm::Ps256, b"input").unwrap_err();
        assert!(error.to_string().contains("SHA-256"), "{error}");
        assert_eq!(format!("{key:?}"), format!("ThumbprintKey({})", HEX.to_uppercase()));
    }

    #[test]
    fn file_without_a_key_is_rejected() {
        assert!(ThumbprintKey::read(b"", None, HEX).is_err());
        let certificate = PEM
            .windows(27)
            .position(|window| window == b"-----BEGIN CERTIFICATE-----");
        let alone = &PEM[certificate.unwrap()..];
        let end = alone
            .windows(25)
            .position(|window| window == b"-----END CERTIFICATE-----");
        let error = ThumbprintKey::read(&alone[..end.unwrap() + 25], None, HEX).unwrap_err();
        assert!(error.to_string().contains("no private key"), "{error}");
    }
}
