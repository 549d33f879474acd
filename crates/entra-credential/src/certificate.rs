//! The certificate of a client, with its private key.

use std::sync::Arc;
use std::time::SystemTime;
use std::{fmt, iter};

use entra_proto::assertion::{Signer, SignerError, SigningAlgorithm, SigningCertificate};
use entra_proto::{Guid, Timestamp};
use zeroize::Zeroizing;

use crate::contents::{Bundle, Identity};
use crate::crypto::SystemRandom;
use crate::crypto::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding};
use crate::error::Error;
use crate::key::PrivateKey;
use crate::key_credential::KeyCredential;
use crate::thumbprints::Thumbprints;
use crate::warning::Warning;
use crate::x509::Certificate;

/// A certificate with its private key: an application authenticates with it instead of a client
/// secret.
///
/// It is read once; signing reads no file. It is cheap to clone: the clones share the key, which is
/// overwritten when the last one is dropped. It has no `Display`, and its `Debug` shows only the
/// thumbprint of the certificate.
///
/// ```
/// use entra_credential::ClientCertificate;
/// use entra_proto::Timestamp;
///
/// # let bytes = include_bytes!("../tests/vectors/pem/pkcs8.pem");
/// // let bytes = std::fs::read("daemon.pem")?; // PEM or PFX
/// let certificate = ClientCertificate::read(bytes, None)?;
/// let thumbprint = certificate.thumbprints().sha1_hex();
/// println!("{} ({thumbprint})", certificate.subject());
/// for warning in certificate.warnings(Timestamp::from_secs(1_795_176_000)) {
///     eprintln!("warning: {warning}; {}", warning.hint());
/// }
/// # Ok::<(), entra_credential::Error>(())
/// ```
#[derive(Clone)]
pub struct ClientCertificate(Arc<Inner>);

struct Inner {
    key: PrivateKey,
    leaf: Certificate,
    signing: SigningCertificate,
    /// The warning about the file.
    doubt: Option<Warning>,
}

impl ClientCertificate {
    /// Reads a file with a certificate and its private key in any format: PEM, PFX, or either in
    /// base64, as in Key Vault and in variables.
    ///
    /// A PEM file holds a private key (PKCS#8 or PKCS#1, or PKCS#8 encrypted with `password`) and
    /// certificates in any order, with any other text between them. Line ends may be missing, or
    /// replaced by blanks or `\n`. The key determines the certificate. If several certificates
    /// belong to the key, the one that is valid now and expires last is used; if none is valid, the
    /// one that becomes valid first, otherwise the one that expired last. Its issuer, the issuer's
    /// issuer and so on form the chain; they are found by signatures and key identifiers. All other
    /// certificates are ignored. [`CertificateBundle`](crate::CertificateBundle) takes the time as
    /// an argument, and reads the key and the certificate from two files.
    ///
    /// # Errors
    /// Returns an error if a part is missing, damaged or of a kind that Entra does not accept, or
    /// if the password is wrong.
    pub fn read(bytes: &[u8], password: Option<&str>) -> Result<Self, Error> {
        let mut bundle = Bundle::default();
        bundle.add(bytes, password)?;
        Self::assemble(&bundle, now())
    }

    /// Reads a PEM bundle like [`read`](Self::read).
    ///
    /// # Errors
    /// Returns the errors of [`read`](Self::read).
    pub fn from_pem(pem: impl AsRef<[u8]>, password: Option<&str>) -> Result<Self, Error> {
        let mut bundle = Bundle::default();
        bundle.add_pem(pem.as_ref(), password)?;
        Self::assemble(&bundle, now())
    }

    /// Reads a PFX (PKCS#12, RFC 7292) file like [`read`](Self::read). No password and the empty
    /// password are the same. Bytes after the file in `der` are ignored.
    ///
    /// # Errors
    /// Returns the errors of [`read`](Self::read), and an error if deriving the keys of the file
    /// would take more than two million rounds.
    pub fn from_pfx(der: &[u8], password: Option<&str>) -> Result<Self, Error> {
        let mut bundle = Bundle::default();
        bundle.add_pfx(der, password)?;
        Self::assemble(&bundle, now())
    }

    /// Creates a credential from certificates and a private key (PKCS#8 or PKCS#1), each in DER.
    ///
    /// # Errors
    /// Returns the errors of [`read`](Self::read).
    pub fn from_der_parts<C: AsRef<[u8]>>(
        certificates: impl IntoIterator<Item = C>,
        private_key: &[u8],
    ) -> Result<Self, Error> {
        let mut bundle = Bundle::default();
        bundle
            .certificates
            .extend(certificates.into_iter().map(|der| der.as_ref().to_vec()));
        bundle.keys.push(Zeroizing::new(private_key.to_vec()));
        Self::assemble(&bundle, now())
    }

    /// Returns the warnings about its validity and about its file. An expired certificate is still
    /// sent: the service decides.
    #[must_use]
    pub fn warnings(&self, now: Timestamp) -> Vec<Warning> {
        let mut warnings = Warning::of_validity(self.not_before(), self.not_after(), now);
        warnings.extend(self.0.doubt);
        warnings
    }

    /// Returns the certificate without its private key.
    #[must_use]
    pub fn leaf(&self) -> &Certificate {
        &self.0.leaf
    }

    /// Returns its entry in the `keyCredentials` of an application's manifest. `key_id` identifies
    /// the entry and must be new for each one.
    #[must_use]
    pub fn key_credential(&self, key_id: Guid) -> KeyCredential {
        self.0.leaf.key_credential(key_id)
    }

    /// Returns its thumbprints.
    #[must_use]
    pub fn thumbprints(&self) -> Thumbprints {
        Thumbprints::from(&self.0.signing)
    }

    /// Returns the certificate in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.leaf.der
    }

    /// Returns the name of its subject as Windows writes it, such as
    /// `CN=MyCompanyName MyAppName Cert`. It is safe to print.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.leaf.subject
    }

    /// Returns the name of its issuer, in the format of [`subject`](Self::subject).
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.leaf.issuer
    }

    /// Returns its serial number in upper-case hexadecimal.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.0.leaf.serial
    }

    /// Returns the start of its validity.
    #[must_use]
    pub fn not_before(&self) -> Timestamp {
        self.0.leaf.not_before
    }

    /// Returns the end of its validity.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.0.leaf.not_after
    }

    /// Returns the length of its RSA key, in bits.
    #[must_use]
    pub fn key_bits(&self) -> usize {
        self.0.key.bits
    }

    /// Returns true if `certificate` describes this certificate.
    pub(crate) fn is(&self, certificate: &SigningCertificate) -> bool {
        self.0.signing.sha256() == certificate.sha256()
    }

    pub(crate) fn assemble(bundle: &Bundle, now: Timestamp) -> Result<Self, Error> {
        let Identity { key, leaf, above } = bundle.identify(now)?;
        let doubt = bundle.doubt;
        let thumbprints = Thumbprints::of(&leaf.der);
        let chain = iter::once(&leaf).chain(&above).map(|it| it.der.clone()).collect();
        let signing = SigningCertificate::new(*thumbprints.sha1(), *thumbprints.sha256(), chain);
        Ok(Self(Arc::new(Inner {
            key,
            leaf,
            signing,
            doubt,
        })))
    }
}

impl Signer for ClientCertificate {
    fn certificate(&self) -> SigningCertificate {
        self.0.signing.clone()
    }

    fn sign(
        &self,
        certificate: &SigningCertificate,
        algorithm: SigningAlgorithm,
        input: &[u8],
    ) -> Result<Vec<u8>, SignerError> {
        if !self.is(certificate) {
            return Err(SignerError::new("it was asked for with another certificate")
                .with_hint("ask the signer for its certificate first"));
        }
        let encoding: &dyn RsaEncoding = match algorithm {
            SigningAlgorithm::Ps256 => &RSA_PSS_SHA256,
            SigningAlgorithm::Rs256 => &RSA_PKCS1_SHA256,
            other => return Err(SignerError::new(format!("{} is not known to this key", other.as_str()))),
        };
        let mut signature = vec![0; self.0.key.bits.div_ceil(8)];
        self.0
            .key
            .pair
            .sign(encoding, &SystemRandom::new(), input, &mut signature)
            .map_err(|_| SignerError::new("the signature failed"))?;
        Ok(signature)
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientCertificate({})", self.thumbprints().sha1_hex())
    }
}

/// Returns the current time, by which certificates are chosen if the caller gives no time.
fn now() -> Timestamp {
    SystemTime::now().into()
}
