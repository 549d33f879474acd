use std::fmt;
use std::sync::Arc;

use crate::error::both;

/// What signs client assertions: a key in memory, an HSM, a vault.
///
/// The certificate belongs to the key, and the service knows it. Both may change from one call to the next: a rotated certificate
/// is used from the next assertion on.
pub trait Signer: Send + Sync {
    /// The certificate of the key that [`sign`](Self::sign) uses now.
    fn certificate(&self) -> SigningCertificate;

    /// Signs `input` (ASCII) with the key of `certificate`: RSASSA-PSS with SHA-256 and a salt of 32 bytes, or RSASSA-PKCS1-v1_5
    /// with SHA-256 (RFC 7518, sections 3.5 and 3.3). Gives the bare signature, as long as the key's modulus.
    ///
    /// # Errors
    /// Where the key cannot be used.
    fn sign(
        &self,
        certificate: &SigningCertificate,
        algorithm: SigningAlgorithm,
        input: &[u8],
    ) -> Result<Vec<u8>, SignerError>;
}

/// How an assertion is signed: the `alg` of its header (RFC 7518, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SigningAlgorithm {
    /// RSASSA-PSS with SHA-256: what Entra advises.
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-256: for AD FS, and for what came before.
    Rs256,
}

impl SigningAlgorithm {
    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }
}

/// What an assertion's header tells about a certificate: its thumbprints, and the chain where that is asked for. Public data, cheap
/// to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SigningCertificate(Arc<Inner>);

#[derive(PartialEq, Eq, Hash)]
struct Inner {
    sha1: [u8; 20],
    sha256: [u8; 32],
    chain: Vec<Vec<u8>>,
}

impl SigningCertificate {
    /// The certificate with these thumbprints (SHA-1 and SHA-256 of its DER), and its chain: DER, the certificate itself first.
    #[must_use]
    pub fn new(sha1: [u8; 20], sha256: [u8; 32], chain: Vec<Vec<u8>>) -> Self {
        Self(Arc::new(Inner { sha1, sha256, chain }))
    }

    /// The SHA-1 of its DER, what `x5t` tells.
    #[must_use]
    pub fn sha1(&self) -> &[u8; 20] {
        &self.0.sha1
    }

    /// The SHA-256 of its DER, what `x5t#S256` tells.
    #[must_use]
    pub fn sha256(&self) -> &[u8; 32] {
        &self.0.sha256
    }

    /// The chain in DER, the certificate itself first, what `x5c` tells.
    pub fn chain(&self) -> impl Iterator<Item = &[u8]> {
        self.0.chain.iter().map(Vec::as_slice)
    }
}

impl fmt::Debug for SigningCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningCertificate(")?;
        for byte in self.sha256() {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

/// Why nothing was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerError {
    problem: Arc<str>,
    hint: Option<Arc<str>>,
}

impl SignerError {
    /// Creates an error with this problem, in lower case, without a full stop and without a secret.
    #[must_use]
    pub fn new(problem: impl Into<Arc<str>>) -> Self {
        Self {
            problem: problem.into(),
            hint: None,
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Arc<str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns what went wrong, without [what to do about it](Self::hint).
    #[must_use]
    pub fn problem(&self) -> String {
        format!("there is no client assertion: {}", self.problem)
    }

    /// Returns what to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for SignerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&both(&self.problem(), self.hint()))
    }
}

impl std::error::Error for SignerError {}
