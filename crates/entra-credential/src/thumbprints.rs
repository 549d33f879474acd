//! The thumbprints of a certificate.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use entra_proto::assertion::SigningCertificate;

use crate::crypto::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

/// The thumbprints of a certificate: the SHA-1 and SHA-256 of its DER, in the formats of Entra, its
/// portal and its assertions.
///
/// ```
/// use entra_credential::Thumbprints;
///
/// let thumbprints = Thumbprints::new([0x84; 20], [0; 32]);
/// assert_eq!(thumbprints.sha1_hex(), "8484848484848484848484848484848484848484");
/// assert_eq!(thumbprints.x5t(), "hISEhISEhISEhISEhISEhISEhIQ");
/// assert_eq!(thumbprints.custom_key_identifier(), "hISEhISEhISEhISEhISEhISEhIQ=");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Thumbprints {
    sha1: [u8; 20],
    sha256: [u8; 32],
}

impl Thumbprints {
    /// Creates thumbprints from these digests.
    #[must_use]
    pub const fn new(sha1: [u8; 20], sha256: [u8; 32]) -> Self {
        Self { sha1, sha256 }
    }

    /// Computes the thumbprints of the certificate with this DER.
    #[must_use]
    pub fn of(der: &[u8]) -> Self {
        let mut thumbprints = Self::new([0; 20], [0; 32]);
        thumbprints
            .sha1
            .copy_from_slice(digest(&SHA1_FOR_LEGACY_USE_ONLY, der).as_ref());
        thumbprints.sha256.copy_from_slice(digest(&SHA256, der).as_ref());
        thumbprints
    }

    /// Returns the SHA-1 digest.
    #[must_use]
    pub const fn sha1(&self) -> &[u8; 20] {
        &self.sha1
    }

    /// Returns the SHA-256 digest.
    #[must_use]
    pub const fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// Returns the SHA-1 in upper-case hexadecimal, 40 characters: the "Thumbprint" of the portal
    /// and of Windows.
    #[must_use]
    pub fn sha1_hex(&self) -> String {
        hex(&self.sha1)
    }

    /// Returns the SHA-256 in upper-case hexadecimal, 64 characters.
    #[must_use]
    pub fn sha256_hex(&self) -> String {
        hex(&self.sha256)
    }

    /// Returns the SHA-1 in base64url without padding, 27 characters: `x5t` of an assertion's
    /// header (RFC 7515, section 4.1.7).
    #[must_use]
    pub fn x5t(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.sha1)
    }

    /// Returns the SHA-256 in base64url without padding, 43 characters: `x5t#S256` of an
    /// assertion's header (RFC 7515, section 4.1.8).
    #[must_use]
    pub fn x5t_s256(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.sha256)
    }

    /// Returns the SHA-1 in standard base64, 28 characters: `customKeyIdentifier` of a manifest's
    /// `keyCredentials`.
    #[must_use]
    pub fn custom_key_identifier(&self) -> String {
        STANDARD.encode(self.sha1)
    }
}

impl From<&SigningCertificate> for Thumbprints {
    fn from(certificate: &SigningCertificate) -> Self {
        Self::new(*certificate.sha1(), *certificate.sha256())
    }
}

impl fmt::Debug for Thumbprints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprints({})", self.sha1_hex())
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;

    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02X}");
            text
        })
}
