//! Signers: the interface to the keys of certificates.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::error::Diagnose;

/// A signer of client assertions that returns immediately, such as a key in memory.
///
/// The certificate belongs to the key and is registered with the service. Both may change between
/// calls: a rotated certificate is used from the next assertion on.
///
/// The async client calls it on a thread of the runtime, where a few milliseconds are harmless. For
/// the async client, a key that takes longer, in a vault or an HSM, implements [`AsyncSigner`]. The
/// blocking client uses this trait for either kind.
pub trait Signer: Send + Sync {
    /// Returns the certificate of the key that [`sign`](Self::sign) currently uses.
    fn certificate(&self) -> SigningCertificate;

    /// Signs `input` (ASCII) with the key of `certificate`: RSASSA-PSS with SHA-256 and a salt of
    /// 32 bytes, or RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, sections 3.5 and 3.3). Returns the
    /// raw signature, which is as long as the key's modulus.
    ///
    /// # Errors
    /// Returns an error if the key cannot be used.
    fn sign(
        &self,
        certificate: &SigningCertificate,
        algorithm: SigningAlgorithm,
        input: &[u8],
    ) -> Result<Vec<u8>, SignerError>;
}

/// An async signer of client assertions: a key in a vault or an HSM. For the async client and other
/// drivers that await
/// ([`CertificateCredential::new_async`](crate::assertion::CertificateCredential::new_async)).
///
/// ```
/// use entra_proto::assertion::{
///     AsyncSigner, BoxFuture, CertificateCredential, SignerError,
///     SigningAlgorithm, SigningCertificate,
/// };
///
/// struct Vault {
///     certificate: SigningCertificate,
/// }
///
/// # async fn request(
/// #     _: SigningAlgorithm, _: &[u8],
/// # ) -> Result<Vec<u8>, SignerError> { Ok(Vec::new()) }
/// impl AsyncSigner for Vault {
///     fn certificate(&self) -> SigningCertificate {
///         self.certificate.clone()
///     }
///
///     fn sign<'a>(
///         &'a self,
///         _: &'a SigningCertificate,
///         algorithm: SigningAlgorithm,
///         input: &'a [u8],
///     ) -> BoxFuture<'a, Result<Vec<u8>, SignerError>> {
///         Box::pin(request(algorithm, input))
///     }
/// }
///
/// let certificate = SigningCertificate::new([0x5a; 20], [0xa5; 32], Vec::new());
/// let credential = CertificateCredential::new_async(Vault { certificate });
/// ```
pub trait AsyncSigner: Send + Sync {
    /// Returns the certificate of the key that [`sign`](Self::sign) currently uses, without
    /// waiting. A signer with a remote certificate must fetch it before the first call, and replace
    /// it in the background.
    fn certificate(&self) -> SigningCertificate;

    /// Signs `input` with the key of `certificate`, as [`Signer::sign`] does. The future may be
    /// dropped before it completes; the signature is then not used. The signer is responsible for
    /// its own timeout.
    ///
    /// # Errors
    /// Returns an error if the key cannot be used.
    fn sign<'a>(
        &'a self,
        certificate: &'a SigningCertificate,
        algorithm: SigningAlgorithm,
        input: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<u8>, SignerError>>;
}

/// A boxed future, which may borrow.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The signature algorithm of an assertion: the `alg` of its header (RFC 7518, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SigningAlgorithm {
    /// RSASSA-PSS with SHA-256, which Entra recommends.
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, for AD FS and older services.
    Rs256,
}

impl SigningAlgorithm {
    /// Returns the name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }
}

/// The part of a certificate that an assertion's header contains: its thumbprints, and the chain if
/// requested. Public data; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SigningCertificate(Arc<Inner>);

#[derive(PartialEq, Eq, Hash)]
struct Inner {
    sha1: [u8; 20],
    sha256: [u8; 32],
    chain: Vec<Vec<u8>>,
}

impl SigningCertificate {
    /// Creates a certificate from its thumbprints (SHA-1 and SHA-256 of its DER) and its chain in
    /// DER, the certificate itself first.
    #[must_use]
    pub fn new(sha1: [u8; 20], sha256: [u8; 32], chain: Vec<Vec<u8>>) -> Self {
        Self(Arc::new(Inner { sha1, sha256, chain }))
    }

    /// Returns the SHA-1 of its DER, the value of `x5t`.
    #[must_use]
    pub fn sha1(&self) -> &[u8; 20] {
        &self.0.sha1
    }

    /// Returns the SHA-256 of its DER, the value of `x5t#S256`.
    #[must_use]
    pub fn sha256(&self) -> &[u8; 32] {
        &self.0.sha256
    }

    /// Returns the chain in DER, the certificate itself first: the value of `x5c`.
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

/// The reason why there is no client assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignerError {
    problem: Arc<str>,
    hint: Option<Arc<str>>,
}

impl SignerError {
    /// Creates an error with this problem: lower case, no full stop, no secret.
    #[must_use]
    pub fn new(problem: impl Into<Arc<str>>) -> Self {
        Self {
            problem: problem.into(),
            hint: None,
        }
    }

    /// Sets the remedy.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Arc<str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the remedy, if it is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for SignerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no client assertion: {}", self.problem)
    }
}

impl std::error::Error for SignerError {}

impl Diagnose for SignerError {
    fn hint(&self) -> Option<&str> {
        self.hint()
    }
}
