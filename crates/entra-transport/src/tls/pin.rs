//! The acceptance of exactly one server certificate, by its SHA-1 hash.

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};

use super::{provider, versions};
use crate::TransportError;

/// Returns a configuration for TLS 1.2 and 1.3 that accepts exactly the server certificate whose
/// DER has this SHA-1 hash.
///
/// The hash is checked during the handshake, so that a server with another certificate gets no
/// byte of a request. It takes the place of all other checks of the certificate: its name, its
/// authority and its validity. The server must still prove that it has the certificate's key. No
/// session is resumed, since a resumed session shows no certificate.
///
/// # Errors
/// Returns [`Configuration`](crate::TransportErrorKind::Configuration) if no provider is compiled
/// in.
pub fn pinned(sha1: [u8; 20]) -> Result<ClientConfig, TransportError> {
    let provider = provider()?;
    let verifier = Pinned {
        sha1,
        provider: Arc::clone(&provider),
    };
    let mut config = versions(provider)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The check of a certificate's hash, and of the handshake's signature with its key.
struct Pinned {
    sha1: [u8; 20],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match sha1(end_entity) {
            Some(hash) if is_equal(&hash, &self.sha1) => Ok(ServerCertVerified::assertion()),
            _ => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinned").finish_non_exhaustive()
    }
}

/// Returns the SHA-1 hash of `der`, or `None` if no provider is compiled in. The platforms that
/// publish a certificate's hash publish this one, and nothing else depends on it.
fn sha1(der: &[u8]) -> Option<[u8; 20]> {
    #[cfg(feature = "aws-lc-rs")]
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
    #[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
    use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

    #[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
    return digest(&SHA1_FOR_LEGACY_USE_ONLY, der).as_ref().try_into().ok();
    #[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
    {
        let _ = der;
        None
    }
}

/// Compares two hashes in a time that does not depend on their content.
fn is_equal(one: &[u8; 20], other: &[u8; 20]) -> bool {
    let differences = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_differ_by_any_bit() {
        let hash = [0x5a; 20];
        assert!(is_equal(&hash, &hash));
        for bit in 0..160 {
            let mut other = hash;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_equal(&hash, &other), "{bit}");
        }
    }

    #[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
    #[test]
    fn certificate_is_compared_by_its_sha1() {
        // FIPS 180-2, appendix A.1: the hash of "abc".
        let of_abc = [
            0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e, 0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0,
            0xd8, 0x9d,
        ];
        let verifier = Pinned {
            sha1: of_abc,
            provider: provider().unwrap(),
        };
        let verify = |der: &'static [u8]| {
            let name = ServerName::try_from("localhost").unwrap();
            verifier.verify_server_cert(&der.into(), &[], &name, &[], UnixTime::now())
        };
        assert!(verify(b"abc").is_ok());
        for other in [&b""[..], b"abd", b"abcabc"] {
            let error = verify(other).unwrap_err();
            let error = super::super::failure(&error).unwrap();
            assert!(error.to_string().contains("hash"), "{error}");
        }
        assert!(!format!("{verifier:?}").contains("169"), "{verifier:?}");
    }
}
