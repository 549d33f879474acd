//! Certificates and private keys from one or several files, in any format.

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

/// The contents of certificate files: certificates and private keys, in any order and format.
///
/// Use [`ClientCertificate::read`] if one file holds all of it and the certificate is chosen for
/// the current time. This type is for a key and a certificate in two files, for a certificate
/// without its key, and for another time.
///
/// ```
/// use entra_credential::CertificateBundle;
/// use entra_proto::Timestamp;
///
/// # let crt = include_bytes!("../tests/vectors/pem/pkcs8.pem");
/// # let key = include_bytes!("../tests/vectors/pem/pkcs8.pem");
/// # let now = Timestamp::from_secs(1_795_176_000);
/// let bundle = CertificateBundle::read(crt, None)?; // std::fs::read("tls.crt")
/// println!("{}", bundle.certificate(now)?.subject());
///
/// let key = CertificateBundle::read(key, None)?; // std::fs::read("tls.key")
/// let both = bundle.join(key);
/// println!("{} bits", both.client_certificate(now)?.key_bits());
/// # Ok::<(), entra_credential::Error>(())
/// ```
#[derive(Default)]
pub struct CertificateBundle(Bundle);

impl CertificateBundle {
    /// Reads a file as [`ClientCertificate::read`] does.
    ///
    /// # Errors
    /// Returns an error if the file holds neither a certificate nor a private key, is damaged, or
    /// cannot be decrypted with the password. An encrypted private key in PEM is not an error if
    /// there is no password or its encryption is not supported: its certificate is still read.
    pub fn read(bytes: &[u8], password: Option<&str>) -> Result<Self, Error> {
        let mut bundle = Bundle::default();
        bundle.add(bytes, password)?;
        Ok(Self(bundle))
    }

    /// Combines the contents of two bundles, for example of a certificate file and a key file.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        self.0.join(other.0);
        self
    }

    /// Returns true if the files hold a private key, including one that could not be read.
    #[must_use]
    pub fn has_private_key(&self) -> bool {
        !self.0.keys.is_empty() || self.0.closed_key.is_some()
    }

    /// Returns the private key with its certificate. If several certificates belong to the key,
    /// this is the one that is valid at `now` and expires last; if none is valid, the one that
    /// becomes valid first, otherwise the one that expired last.
    ///
    /// # Errors
    /// Returns an error if the key or its certificate is missing, if Entra does not accept this
    /// kind of key, or if there are several keys with certificates.
    pub fn client_certificate(&self, now: Timestamp) -> Result<ClientCertificate, Error> {
        ClientCertificate::assemble(&self.0, now)
    }

    /// Returns the certificate: the one of the private key if there is a key, otherwise the one
    /// that did not issue any of the others. Among several for one key, it is chosen as in
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
    /// Adds the contents of a file in any format.
    pub(crate) fn add(&mut self, bytes: &[u8], password: Option<&str>) -> Result<(), Error> {
        self.allowance = Allowance::default();
        self.add_layer(bytes, password, MOST_LAYERS)?;
        self.open_keys(password)
    }

    /// Adds the contents of a PEM text. Sections that are neither certificates nor private keys are
    /// ignored.
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

    /// Adds the contents of a PFX file.
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

    /// Adds a file that may be encoded in base64 up to this many more times.
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
        // The prefix of a `data:` URL.
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

    /// Adds the base64 data in other text, such as the JSON of Key Vault or the YAML of a
    /// Kubernetes secret.
    fn add_members(&mut self, text: &[u8], password: Option<&str>, layers: usize) -> Result<(), Error> {
        let mut added = Err(Error::NotACredential);
        for member in text::members(text).filter(|member| member.len() >= SHORTEST_MEMBER) {
            // The value after `NAME=` in a file of variables. Equals signs at the end are padding,
            // which may be missing.
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
            // Another SEQUENCE may be a damaged PFX file: its reader reports the problem.
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

    /// Decrypts the private keys. Without a password, or if their encryption is not supported, they
    /// stay encrypted, and only their certificates can be read.
    fn open_keys(&mut self, password: Option<&str>) -> Result<(), Error> {
        let sealed = std::mem::take(&mut self.sealed_keys);
        // All keys must be within the allowance before the first one is decrypted.
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

/// The most base64 layers of a file: a Kubernetes secret or a pipeline adds one, a variable
/// another.
const MOST_LAYERS: usize = 3;
/// The shortest key or certificate in base64.
const SHORTEST_MEMBER: usize = 200;
