use std::sync::Arc;
use std::{fmt, iter};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entra_proto::{Guid, Signer, SignerError, SigningAlgorithm, SigningCertificate, Timestamp};
use zeroize::Zeroizing;

use crate::bundle::{Bundle, Identity};
use crate::error::Error;
use crate::key::PrivateKey;
use crate::key_credential::KeyCredential;
use crate::thumbprints::Thumbprints;
use crate::warning::Warning;
use crate::x509::Certificate;
use crate::{MAX_FILE, pem, pfx};

/// A certificate with its private key: what an application proves itself with instead of a client secret.
///
/// It is read once, and signs without reading anything again. Cheap to clone: the clones share the key, which is overwritten when
/// the last one is dropped. It has no `Display`, and its `Debug` shows the certificate's thumbprint alone.
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
///     eprintln!("warning: {warning}");
/// }
/// # Ok::<(), entra_credential::Error>(())
/// ```
#[derive(Clone)]
pub struct ClientCertificate(Arc<Inner>);

struct Inner {
    key: PrivateKey,
    leaf: Certificate,
    signing: SigningCertificate,
    /// What there is to say about the file it came in.
    doubt: Option<Warning>,
}

impl ClientCertificate {
    /// Reads a PEM bundle or a PFX file, whichever it is. A PFX file in base64, as Key Vault hands it out, is one too.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem) and [`from_pfx`](Self::from_pfx).
    pub fn read(bytes: &[u8], password: Option<&str>) -> Result<Self, Error> {
        let trimmed = sized(bytes)?;
        if pem::is_pem(trimmed) {
            return Self::from_pem(trimmed, password);
        }
        if matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
            return Err(Error::unsupported("a text in UTF-16", "save it again in UTF-8"));
        }
        let read = match base64(trimmed) {
            Some(der) => Self::from_pfx(&der, password),
            None => Self::from_pfx(bytes, password),
        };
        read.map_err(|error| match error {
            Error::NotACredential if Certificate::parse(bytes).is_ok() => Error::KeyMissing,
            other => other,
        })
    }

    /// Reads a PEM bundle: a private key and certificates, in any order, with anything between them.
    ///
    /// The key is PKCS#8 or PKCS#1, or PKCS#8 under `password`. Its certificate is found by the key; those above it form the chain,
    /// and the others are left out. Where several certificates are about the same key, the first one counts.
    ///
    /// # Errors
    /// Where something is missing, damaged, of a kind that Entra does not take, or where the password does not open the key.
    pub fn from_pem(pem: impl AsRef<[u8]>, password: Option<&str>) -> Result<Self, Error> {
        let text = sized(pem.as_ref())?;
        Self::assemble(Bundle::from_pem(text, password)?, None)
    }

    /// Reads a PFX (PKCS#12, RFC 7292) file. No password and the empty password are the same. What follows the file in `der` is left
    /// out.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem); also where deriving the file's keys would take more than two million rounds.
    pub fn from_pfx(der: &[u8], password: Option<&str>) -> Result<Self, Error> {
        if der.len() > MAX_FILE {
            return Err(Error::TooLarge { limit: MAX_FILE });
        }
        let (bundle, doubt) = pfx::open(der, password.unwrap_or_default())?;
        Self::assemble(bundle, doubt)
    }

    /// Takes certificates and a private key (PKCS#8 or PKCS#1), each in DER.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem).
    pub fn from_der_parts<C: AsRef<[u8]>>(
        certificates: impl IntoIterator<Item = C>,
        private_key: &[u8],
    ) -> Result<Self, Error> {
        let bundle = Bundle {
            certificates: certificates.into_iter().map(|der| der.as_ref().to_vec()).collect(),
            keys: vec![Zeroizing::new(private_key.to_vec())],
        };
        Self::assemble(bundle, None)
    }

    /// What its users may want to know before it stops working, or about where it comes from. A certificate that has expired is sent
    /// all the same: the service decides.
    #[must_use]
    pub fn warnings(&self, now: Timestamp) -> Vec<Warning> {
        let mut warnings = Warning::of_validity(self.not_before(), self.not_after(), now);
        warnings.extend(self.0.doubt);
        warnings
    }

    /// Its entry in the `keyCredentials` of an application's manifest. `key_id` names the entry; draw a fresh one for each.
    #[must_use]
    pub fn key_credential(&self, key_id: Guid) -> KeyCredential {
        KeyCredential::new(&self.0.leaf.der, key_id)
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

    /// Who it is about, as Windows writes it: `CN=MyCompanyName MyAppName Cert`. Safe to print.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.leaf.subject
    }

    /// Who issued it, in the form of [`subject`](Self::subject).
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.leaf.issuer
    }

    /// Its serial number in upper-case hexadecimal.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.0.leaf.serial
    }

    /// The first moment of its life.
    #[must_use]
    pub fn not_before(&self) -> Timestamp {
        self.0.leaf.not_before
    }

    /// The last moment of its life.
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

    fn assemble(bundle: Bundle, doubt: Option<Warning>) -> Result<Self, Error> {
        let Identity { key, leaf, above } = bundle.identify()?;
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
            return Err(SignerError::new(
                "it was asked for with another certificate; ask the signer for its certificate first",
            ));
        }
        let encoding = match algorithm {
            SigningAlgorithm::Ps256 => &RSA_PSS_SHA256,
            SigningAlgorithm::Rs256 => &RSA_PKCS1_SHA256,
            other => return Err(SignerError::new(format!("{} is not known to this key", other.as_str()))),
        };
        let pair = &self.0.key.pair;
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), input, &mut signature)
            .map_err(|_| SignerError::new("the key refused to sign"))?;
        Ok(signature)
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientCertificate({})", self.thumbprints().sha1_hex())
    }
}

/// A text without the byte order mark and the white space before it, where it is not too long.
fn sized(bytes: &[u8]) -> Result<&[u8], Error> {
    if bytes.len() > MAX_FILE {
        return Err(Error::TooLarge { limit: MAX_FILE });
    }
    Ok(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii())
}

/// What a text of base64 holds. DER never is one: it has bytes that base64 has not.
fn base64(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut clean = Zeroizing::new(Vec::with_capacity(text.len()));
    clean.extend(text.iter().filter(|byte| !byte.is_ascii_whitespace()));
    let mut der = Zeroizing::new(vec![0; clean.len() / 4 * 3 + 3]);
    let length = STANDARD.decode_slice(&*clean, &mut der).ok()?;
    der.truncate(length);
    (length > 0).then_some(der)
}
