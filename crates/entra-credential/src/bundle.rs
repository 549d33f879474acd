//! Certificates and private keys from one or several files, in any form.

use std::fmt;

use entra_proto::Timestamp;
use zeroize::Zeroizing;

use crate::certificate::ClientCertificate;
use crate::contents::{Allowance, Bundle};
use crate::error::Error;
use crate::kind::Kind;
use crate::pem::Section;
use crate::x509::Certificate;
use crate::{MAX_FILE, kind, pem, pfx, text};

/// The contents of certificate files: certificates and private keys, in any order and form.
///
/// [`ClientCertificate::read`] is enough where one file holds all of it, and the time is now. This
/// is for key and certificate in two files, for a certificate without its key, and for a time of
/// the caller's.
///
/// ```
/// use entra_credential::CertificateBundle;
/// use entra_proto::Timestamp;
///
/// # let (crt, key) = (include_bytes!("../tests/vectors/pem/pkcs8.pem"), include_bytes!("../tests/vectors/pem/pkcs8.pem"));
/// # let now = Timestamp::from_secs(1_795_176_000);
/// let bundle = CertificateBundle::read(crt, None)?; // std::fs::read("tls.crt")
/// println!("{}", bundle.certificate(now)?.subject());
///
/// let both = bundle.join(CertificateBundle::read(key, None)?); // std::fs::read("tls.key")
/// println!("{} bits", both.client_certificate(now)?.key_bits());
/// # Ok::<(), entra_credential::Error>(())
/// ```
#[derive(Default)]
pub struct CertificateBundle(Bundle);

impl CertificateBundle {
    /// Reads a file, as [`ClientCertificate::read`] does.
    ///
    /// # Errors
    /// Returns an error if the file holds neither a certificate nor a private key, is damaged, or
    /// does not open with the password. A private key in PEM stays closed if it is encrypted and
    /// there is no password, or if its encryption is not read here; the certificate is read.
    pub fn read(bytes: &[u8], password: Option<&str>) -> Result<Self, Error> {
        let mut bundle = Bundle::default();
        bundle.add(bytes, password)?;
        Ok(Self(bundle))
    }

    /// The contents of both, such as of a certificate's file and of the file with its key.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        self.0.join(other.0);
        self
    }

    /// Returns whether the files hold a private key, including one that could not be read.
    #[must_use]
    pub fn has_private_key(&self) -> bool {
        !self.0.keys.is_empty() || self.0.closed_key.is_some()
    }

    /// The private key with its certificate. Of several certificates for the key, the one that is
    /// valid at `now` and expires last; if none is valid, the one that becomes valid first, else
    /// the one that expired last.
    ///
    /// # Errors
    /// Returns an error if the key or its certificate is missing, if the key is of a kind that
    /// Entra does not take, or if there are several keys with certificates.
    pub fn client_certificate(&self, now: Timestamp) -> Result<ClientCertificate, Error> {
        ClientCertificate::assemble(&self.0, now)
    }

    /// The certificate: the one of the private key where there is one, else the one that issued
    /// none of the others. Of several for one key, it is chosen as by
    /// [`client_certificate`](Self::client_certificate).
    ///
    /// # Errors
    /// Returns an error if there is no certificate, or if there are several for different keys.
    pub fn certificate(&self, now: Timestamp) -> Result<Certificate, Error> {
        self.0.certificate(now)
    }
}

impl fmt::Debug for CertificateBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (certificates, keys) = (self.0.certificates.len(), self.0.keys.len());
        write!(f, "CertificateBundle({certificates} certificates, {keys} private keys)")
    }
}

impl Bundle {
    /// Adds what a file holds, whatever its form.
    pub(crate) fn add(&mut self, bytes: &[u8], password: Option<&str>) -> Result<(), Error> {
        self.allowance = Allowance::default();
        self.add_layer(bytes, password, MOST_LAYERS)?;
        self.open_keys(password)
    }

    /// Adds what a PEM text holds. Sections that are neither certificates nor private keys are left
    /// out.
    pub(crate) fn add_pem(&mut self, bytes: &[u8], password: Option<&str>) -> Result<(), Error> {
        sized(bytes)?;
        self.allowance = Allowance::default();
        let text = text::clean(bytes);
        let sections = pem::sections(&text)?;
        if sections.is_empty() {
            return Err(Error::NotACredential);
        }
        self.add_sections(&sections, password, MOST_LAYERS)?;
        self.open_keys(password)
    }

    /// Adds what a PFX file holds.
    pub(crate) fn add_pfx(&mut self, der: &[u8], password: Option<&str>) -> Result<(), Error> {
        sized(der)?;
        self.allowance = Allowance::default();
        pfx::open(der, password.unwrap_or_default(), self)
    }

    fn join(&mut self, other: Self) {
        self.certificates.extend(other.certificates);
        self.keys.extend(other.keys);
        self.doubt = self.doubt.or(other.doubt);
        self.closed_key = self.closed_key.take().or(other.closed_key);
        self.refused = self.refused.take().or(other.refused);
    }

    /// Adds a file that may be encoded in base64 so many times more.
    fn add_layer(&mut self, bytes: &[u8], password: Option<&str>, layers: usize) -> Result<(), Error> {
        sized(bytes)?;
        if text::is_der(bytes) {
            return self.add_der(bytes, password);
        }
        let text = text::clean(bytes);
        let sections = pem::sections(&text)?;
        if !sections.is_empty() {
            return self.add_sections(&sections, password, layers);
        }
        let trimmed = text.trim_ascii();
        // As a `data:` URL has it.
        let digits = match trimmed.strip_prefix(b"data:") {
            Some(url) => url.splitn(2, |byte| *byte == b',').last().unwrap_or(url),
            None => trimmed,
        };
        let Some(layers) = layers.checked_sub(1) else {
            return Err(kind::of_file(trimmed));
        };
        let whole = text::base64(digits).ok_or(Error::NotACredential);
        let added = match whole.and_then(|decoded| self.add_layer(&decoded, password, layers)) {
            Err(Error::NotACredential) => self.add_members(trimmed, password, layers),
            added => added,
        };
        added.map_err(|error| match error {
            Error::NotACredential => kind::of_file(trimmed),
            other => other,
        })
    }

    /// Adds what stands in base64 among other text, as in the JSON of Key Vault or the YAML of a
    /// secret of Kubernetes.
    fn add_members(&mut self, text: &[u8], password: Option<&str>, layers: usize) -> Result<(), Error> {
        let mut added = Err(Error::NotACredential);
        for member in text::members(text).filter(|member| member.len() >= SHORTEST_MEMBER) {
            // Behind `NAME=`, in a file of variables. Equals signs at the end are padding, which
            // may be left out.
            let end = member.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
            let value = member
                .get(..end)
                .unwrap_or_default()
                .rsplit(|byte| *byte == b'=')
                .next();
            let Some(decoded) = value.and_then(text::base64) else {
                continue;
            };
            if Kind::of(&decoded).is_some() || text::contains(&decoded, b"-----BEGIN") {
                self.add_layer(&decoded, password, layers)?;
                added = Ok(());
            }
        }
        added
    }

    fn add_sections(&mut self, sections: &[Section<'_>], password: Option<&str>, layers: usize) -> Result<(), Error> {
        for section in sections {
            let label = section.label.as_str();
            if section.is_encrypted() {
                self.close_key(Error::unsupported(
                    "a private key encrypted in the old way of OpenSSL (Proc-Type: 4,ENCRYPTED)",
                    "convert it: `openssl pkcs8 -topk8 -in old.pem -out key.pem`",
                ));
            } else if label.contains("SSH") && label.contains("PUBLIC") {
                self.refuse(Error::unsupported(
                    "a public key of SSH",
                    "give an X.509 certificate with its private key",
                ));
            } else if label.contains("SSH") {
                self.close_key(Error::unsupported(
                    "a private key in the form of SSH",
                    "convert a copy of it: `ssh-keygen -p -m PKCS8 -f copy-of-key`",
                ));
            } else if label.starts_with("PGP") {
                self.refuse(Error::unsupported(
                    "a key of PGP",
                    "give an X.509 certificate with its private key",
                ));
            } else if label == "DSAPRIVATEKEY" {
                self.close_key(Error::KeyType("DSA".to_owned()));
            } else if !label.ends_with("PARAMETERS") {
                let der = section.der()?;
                let kind = Kind::of(&der);
                match label {
                    // `certutil -encode` of Windows puts these lines around any file.
                    _ if kind == Some(Kind::Pfx) => self.add_der(&der, password)?,
                    _ if kind.is_none() && text::contains(&der, b"-----BEGIN") => match layers.checked_sub(1) {
                        Some(layers) => self.add_layer(&der, password, layers)?,
                        None => return Err(Error::NotACredential),
                    },
                    "CERTIFICATE" | "X509CERTIFICATE" | "TRUSTEDCERTIFICATE" => match kind {
                        None | Some(Kind::Certificate) => self.certificates.push(der.to_vec()),
                        Some(_) => self.add_part(kind, der),
                    },
                    "ENCRYPTEDPRIVATEKEY" => {
                        self.add_part(Some(Kind::EncryptedKey), der);
                    }
                    "PRIVATEKEY" | "RSAPRIVATEKEY" | "ECPRIVATEKEY" => {
                        let kind = kind
                            .filter(|kind| *kind == Kind::EncryptedKey)
                            .unwrap_or(Kind::PrivateKey);
                        self.add_part(Some(kind), der);
                    }
                    "PUBLICKEY" | "RSAPUBLICKEY" => self.refuse_kind(Kind::PublicKey),
                    "CERTIFICATEREQUEST" | "NEWCERTIFICATEREQUEST" => self.refuse_kind(Kind::Request),
                    "X509CRL" => self.refuse_kind(Kind::RevocationList),
                    "PKCS7" | "CMS" | "PKCS#7SIGNEDDATA" => self.refuse_kind(Kind::Pkcs7),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn add_der(&mut self, der: &[u8], password: Option<&str>) -> Result<(), Error> {
        match Kind::of(der) {
            // Any other SEQUENCE may be a PFX file that is damaged: its reader says what is wrong.
            None | Some(Kind::Pfx) => pfx::open(der, password.unwrap_or_default(), self),
            kind => {
                self.add_part(kind, Zeroizing::new(der.to_vec()));
                Ok(())
            }
        }
    }

    /// Adds a structure of this kind.
    fn add_part(&mut self, kind: Option<Kind>, der: Zeroizing<Vec<u8>>) {
        match kind {
            Some(Kind::Certificate) => self.certificates.push(der.to_vec()),
            Some(Kind::PrivateKey) => self.keys.push(der),
            Some(Kind::EncryptedKey) => self.sealed_keys.push(der),
            Some(other) => self.refuse_kind(other),
            None => {}
        }
    }

    /// Opens the private keys that are under a password. Without one, or where their encryption is
    /// not read here, they stay closed: their certificate can be read all the same.
    fn open_keys(&mut self, password: Option<&str>) -> Result<(), Error> {
        let sealed = std::mem::take(&mut self.sealed_keys);
        // All that is to be opened has to be affordable before anything is.
        let mut affordable = Vec::new();
        for der in &sealed {
            match pfx::spend_on_key(&mut self.allowance, der) {
                Ok(()) => affordable.push(der),
                Err(error @ Error::Unsupported { .. }) => self.close_key(error),
                Err(error) => return Err(error),
            }
        }
        for der in affordable {
            match password {
                Some(password) => self.keys.push(pfx::private_key(der, password)?),
                None => self.close_key(Error::PasswordNeeded),
            }
        }
        Ok(())
    }

    fn close_key(&mut self, error: Error) {
        self.closed_key.get_or_insert(error);
    }

    fn refuse_kind(&mut self, kind: Kind) {
        if let Some(error) = kind.refusal() {
            self.refuse(error);
        }
    }

    fn refuse(&mut self, error: Error) {
        self.refused.get_or_insert(error);
    }
}

fn sized(bytes: &[u8]) -> Result<(), Error> {
    if bytes.len() > MAX_FILE {
        return Err(Error::TooLarge { limit: MAX_FILE });
    }
    Ok(())
}

/// How often a file may be encoded in base64: a secret of Kubernetes or a pipeline adds one, a
/// variable another.
const MOST_LAYERS: usize = 3;
/// No key and no certificate is shorter, in base64.
const SHORTEST_MEMBER: usize = 200;
