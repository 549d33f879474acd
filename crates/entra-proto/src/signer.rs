use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::error::Diagnose;

/// A signer of client assertions that signs at once: a key in memory.
///
/// The certificate belongs to the key, and the service knows it. Both may change from one call to the next: a rotated certificate
/// is used from the next assertion on.
///
/// The async client calls it on a thread of the runtime, where a few milliseconds do no harm. A key that takes longer, in a vault or an
/// HSM, is an [`AsyncSigner`] for the async client. The blocking client waits for either kind of key through this trait.
pub trait Signer: Send + Sync {
    /// The certificate of the key that [`sign`](Self::sign) uses now.
    fn certificate(&self) -> SigningCertificate;

    /// Signs `input` (ASCII) with the key of `certificate`: RSASSA-PSS with SHA-256 and a salt of 32 bytes, or RSASSA-PKCS1-v1_5
    /// with SHA-256 (RFC 7518, sections 3.5 and 3.3). Gives the bare signature, as long as the key's modulus.
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

/// A signer of client assertions that takes its time: a key in a vault or an HSM. For the async client and other drivers that await
/// ([`CertificateCredential::new_async`](crate::assertion::CertificateCredential::new_async)).
///
/// ```
/// use entra_proto::assertion::{
///     AsyncSigner, BoxFuture, CertificateCredential, SignerError, SigningAlgorithm,
///     SigningCertificate,
/// };
///
/// struct Vault {
///     certificate: SigningCertificate,
/// }
///
/// # async fn request(_: SigningAlgorithm, _: &[u8]) -> Result<Vec<u8>, SignerError> { Ok(Vec::new()) }
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
    /// Returns the certificate of the key that [`sign`](Self::sign) uses now, without waiting for it: a signer that gets its certificate
    /// from elsewhere has it before the first call, and replaces it in the background.
    fn certificate(&self) -> SigningCertificate;

    /// Signs `input` with the key of `certificate`, as [`Signer::sign`] does. The future may be dropped before its end: the signature is
    /// then not used. The signer bounds its own time.
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

/// A future behind a pointer, which may borrow.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

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
#[non_exhaustive]
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

    /// Returns what to do about it, where that is known.
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
