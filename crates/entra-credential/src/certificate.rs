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

/// A certificate with its private key, which an application proves its identity with instead of a
/// client secret.
///
/// It is read once, and signs without reading anything again. Cheap to clone: the clones share the
/// key, which is overwritten when the last one is dropped. It has no `Display`, and its `Debug`
/// shows the certificate's thumbprint alone.
///
/// ```
/// use entra_credential::ClientCertificate;
/// use entra_proto::Timestamp;
///
/// # let bytes = include_bytes!("../tests/vectors/pem/pkcs8.pem");
/// // let bytes = std::fs::read("daemon.pem")?;       PEM or PFX
/// let certificate = ClientCertificate::read(bytes, None)?;
/// println!("{} ({})", certificate.subject(), certificate.thumbprints().sha1_hex());
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
    /// The warning about the file it came in.
    doubt: Option<Warning>,
}

impl ClientCertificate {
    /// Reads a file with a certificate and its private key, whatever its form: PEM, PFX, or either
    /// in base64, as Key Vault and variables have it.
    ///
    /// In PEM, a private key (PKCS#8 or PKCS#1, or PKCS#8 under `password`) and certificates stand
    /// in any order, with anything between them; line ends may be lost, blanks or `\n`. The
    /// certificate is found by the key. Of several for the key, it is the one that is valid now and
    /// expires last; if none is valid now, the one that becomes valid first, else the one that
    /// expired last. Its issuer, the issuer of that one and so on, found by their signatures and
    /// key identifiers, form the chain. All others are left out.
    /// [`CertificateBundle`](crate::CertificateBundle) takes the time as an argument, and key and
    /// certificate from two files.
    ///
    /// # Errors
    /// Returns an error if something is missing, damaged or of a kind that Entra does not take, or
    /// if the password does not open it.
    pub fn read(bytes: &[u8], password: Option<&str>) -> Result<Self, Error> {
        let mut bundle = Bundle::default();
        bundle.add(bytes, password)?;
        Self::assemble(&bundle, now())
    }

    /// Reads a PEM bundle, as [`read`](Self::read) does.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn from_pem(pem: impl AsRef<[u8]>, password: Option<&str>) -> Result<Self, Error> {
        let mut bundle = Bundle::default();
        bundle.add_pem(pem.as_ref(), password)?;
        Self::assemble(&bundle, now())
    }

    /// Reads a PFX (PKCS#12, RFC 7292) file, as [`read`](Self::read) does. No password and the
    /// empty password are the same. What follows the file in `der` is left out.
    ///
    /// # Errors
    /// As [`read`](Self::read); also if deriving the file's keys would take more than two million
    /// rounds.
    pub fn from_pfx(der: &[u8], password: Option<&str>) -> Result<Self, Error> {
        let mut bundle = Bundle::default();
        bundle.add_pfx(der, password)?;
        Self::assemble(&bundle, now())
    }

    /// Takes certificates and a private key (PKCS#8 or PKCS#1), each in DER.
    ///
    /// # Errors
    /// As [`read`](Self::read).
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

    /// The warnings about its validity and about the file it comes from. A certificate that has
    /// expired is sent all the same: the service decides.
    #[must_use]
    pub fn warnings(&self, now: Timestamp) -> Vec<Warning> {
        let mut warnings = Warning::of_validity(self.not_before(), self.not_after(), now);
        warnings.extend(self.0.doubt);
        warnings
    }

    /// The certificate without its private key.
    #[must_use]
    pub fn leaf(&self) -> &Certificate {
        &self.0.leaf
    }

    /// Its entry in the `keyCredentials` of an application's manifest. `key_id` names the entry;
    /// draw a fresh one for each.
    #[must_use]
    pub fn key_credential(&self, key_id: Guid) -> KeyCredential {
        self.0.leaf.key_credential(key_id)
    }

    /// Its thumbprints.
    #[must_use]
    pub fn thumbprints(&self) -> Thumbprints {
        Thumbprints::from(&self.0.signing)
    }

    /// The certificate in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.leaf.der
    }

    /// The name of its subject, as Windows writes it: `CN=MyCompanyName MyAppName Cert`. Safe to
    /// print.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.leaf.subject
    }

    /// The name of its issuer, in the form of [`subject`](Self::subject).
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.leaf.issuer
    }

    /// Its serial number in upper-case hexadecimal.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.0.leaf.serial
    }

    /// The first moment of its validity.
    #[must_use]
    pub fn not_before(&self) -> Timestamp {
        self.0.leaf.not_before
    }

    /// The last moment of its validity.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.0.leaf.not_after
    }

    /// The length of its RSA key, in bits.
    #[must_use]
    pub fn key_bits(&self) -> usize {
        self.0.key.bits
    }

    /// Whether it is this one that `certificate` tells of.
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
            .map_err(|_| SignerError::new("the key refused to sign"))?;
        Ok(signature)
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientCertificate({})", self.thumbprints().sha1_hex())
    }
}

/// The certificates that are valid are judged by the system's clock where no time is given.
fn now() -> Timestamp {
    SystemTime::now().into()
}
