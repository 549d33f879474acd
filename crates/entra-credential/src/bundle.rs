//! The certificates and private keys of one or several files, and which of them belong together.

use std::collections::HashSet;
use std::fmt;

use entra_proto::Timestamp;
use zeroize::Zeroizing;

use crate::certificate::ClientCertificate;
use crate::error::Error;
use crate::key::PrivateKey;
use crate::kind::Kind;
use crate::pem::Section;
use crate::pfx::Allowance;
use crate::thumbprints::Thumbprints;
use crate::warning::Warning;
use crate::x509::Certificate;
use crate::{MAX_FILE, chain, kind, pem, pfx, text};

/// The contents of certificate files: certificates and private keys, in any order and form.
///
/// [`ClientCertificate::read`] is enough where one file holds all of it, and the time is now. This is for key and certificate in two files, for
/// a certificate without its key, and for a time of the caller's.
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
    /// Returns an error if the file holds neither a certificate nor a private key, is damaged, or does not open with the password. A private key in
    /// PEM stays closed if it is encrypted and there is no password, or if its encryption is not read here; the certificate is read.
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

    /// The private key with its certificate. Of several certificates for the key, the one that is valid at `now` and expires last; if none is
    /// valid, the one that becomes valid first, else the one that expired last.
    ///
    /// # Errors
    /// Returns an error if the key or its certificate is missing, if the key is of a kind that Entra does not take, or if there are several keys with
    /// certificates.
    pub fn client_certificate(&self, now: Timestamp) -> Result<ClientCertificate, Error> {
        ClientCertificate::assemble(&self.0, now)
    }

    /// The certificate: the one of the private key where there is one, else the one that issued none of the others. Of several
    /// for one key, it is chosen as by [`client_certificate`](Self::client_certificate).
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

/// The certificates and private keys of files, in DER and in their order.
#[derive(Default)]
pub(crate) struct Bundle {
    pub(crate) certificates: Vec<Vec<u8>>,
    pub(crate) keys: Vec<Zeroizing<Vec<u8>>>,
    /// The warning about a file.
    pub(crate) doubt: Option<Warning>,
    /// The reason why a private key that is there is not among `keys`.
    closed_key: Option<Error>,
    /// The refusal of something else that was found, and is no part of a credential.
    refused: Option<Error>,
    /// Private keys under a password that are still to be opened.
    sealed_keys: Vec<Zeroizing<Vec<u8>>>,
    pub(crate) allowance: Allowance,
}

/// A private key, its certificate, and those above it.
pub(crate) struct Identity {
    pub(crate) key: PrivateKey,
    pub(crate) leaf: Certificate,
    /// The issuer of the leaf, the issuer of that one, and so on.
    pub(crate) above: Vec<Certificate>,
}

impl Bundle {
    /// Adds what a file holds, whatever its form.
    pub(crate) fn add(&mut self, bytes: &[u8], password: Option<&str>) -> Result<(), Error> {
        self.allowance = Allowance::default();
        self.add_layer(bytes, password, MOST_LAYERS)?;
        self.open_keys(password)
    }

    /// Adds what a PEM text holds. Sections that are neither certificates nor private keys are left out.
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

    #[cfg(feature = "pfx")]
    pub(crate) fn doubt(&mut self, warning: Warning) {
        self.doubt = self.doubt.or(Some(warning));
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

    /// Adds what stands in base64 among other text, as in the JSON of Key Vault or the YAML of a secret of Kubernetes.
    fn add_members(&mut self, text: &[u8], password: Option<&str>, layers: usize) -> Result<(), Error> {
        let mut added = Err(Error::NotACredential);
        for member in text::members(text).filter(|member| member.len() >= SHORTEST_MEMBER) {
            // Behind `NAME=`, in a file of variables. Equals signs at the end are padding, which may be left out.
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

    /// Opens the private keys that are under a password. Without one, or where their encryption is not read here, they stay
    /// closed: their certificate can be read all the same.
    fn open_keys(&mut self, password: Option<&str>) -> Result<(), Error> {
        let sealed = std::mem::take(&mut self.sealed_keys);
        // All that is to be opened has to be affordable before anything is.
        let mut affordable = Vec::new();
        for der in &sealed {
            match self.allowance.spend_on_key(der) {
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

    /// Finds the certificate of the private key, and orders those above it. Certificates that do not belong to it are left out.
    pub(crate) fn identify(&self, now: Timestamp) -> Result<Identity, Error> {
        if self.keys.is_empty() {
            return Err(self.without_key());
        }
        let keys = readable(&self.keys)?;
        if self.certificates.is_empty() {
            return Err(self.refused.clone().unwrap_or(Error::CertificateMissing));
        }
        let mut certificates = self.parsed()?;
        let mut matches: Vec<(PrivateKey, usize)> = Vec::new();
        for key in keys {
            let of_key = certificates.iter().enumerate().filter(|(_, it)| key.belongs_to(it));
            let leaf = chain::best(of_key, now).filter(|leaf| matches.iter().all(|(_, other)| other != leaf));
            if let Some(leaf) = leaf {
                matches.push((key, leaf));
            }
        }
        if matches.len() > 1 {
            let leaves = matches.iter().map(|(_, leaf)| &certificates[*leaf]);
            return Err(Error::SeveralKeys(thumbprints(leaves)));
        }
        let (key, leaf) = matches.pop().ok_or(Error::KeyMismatch)?;
        let leaf = certificates.remove(leaf);
        let above = chain::above(&leaf, certificates, now);
        Ok(Identity { key, leaf, above })
    }

    fn certificate(&self, now: Timestamp) -> Result<Certificate, Error> {
        if !self.keys.is_empty() {
            return Ok(self.identify(now)?.leaf);
        }
        let certificates = self.parsed()?;
        let leaves = if certificates.len() > MOST_LEAVES {
            certificates.iter().collect()
        } else {
            chain::leaves(&certificates)
        };
        if leaves.iter().any(|it| it.key_info != leaves[0].key_info) {
            return Err(Error::SeveralCertificates(thumbprints(leaves.into_iter())));
        }
        let best = chain::best(leaves.iter().copied().enumerate(), now);
        match best.and_then(|best| leaves.get(best)) {
            Some(leaf) => Ok((*leaf).clone()),
            None => Err(match (&self.refused, &self.closed_key) {
                (Some(error), _) => error.clone(),
                (None, Some(Error::PasswordNeeded)) => Error::CertificateMissing,
                (None, Some(error)) => error.clone(),
                (None, None) => Error::NotACredential,
            }),
        }
    }

    /// The private key, where there is one alone.
    pub(crate) fn only_key(&self) -> Result<PrivateKey, Error> {
        let mut keys = readable(&self.keys)?;
        match (keys.pop(), keys.is_empty()) {
            (Some(key), true) => Ok(key),
            (Some(_), false) => Err(Error::unsupported(
                "a file with several private keys",
                "give the one whose certificate is registered",
            )),
            (None, _) => Err(self.without_key()),
        }
    }

    /// The certificates, each once.
    fn parsed(&self) -> Result<Vec<Certificate>, Error> {
        let mut seen = HashSet::new();
        let distinct = self.certificates.iter().filter(|der| seen.insert(der.as_slice()));
        distinct.map(|der| Certificate::parse(der)).collect()
    }

    /// The reason why there is no private key.
    fn without_key(&self) -> Error {
        let other = self.refused.as_ref().filter(|_| self.certificates.is_empty());
        self.closed_key.as_ref().or(other).cloned().unwrap_or(Error::KeyMissing)
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

/// Returns the keys that Entra takes, or the reason why it does not take the first.
fn readable(keys: &[Zeroizing<Vec<u8>>]) -> Result<Vec<PrivateKey>, Error> {
    let mut readable = Vec::new();
    let mut refused = None;
    // Reading a key takes a fraction of a millisecond: a file of thousands is not a credential.
    for der in keys.iter().take(MOST_KEYS) {
        match PrivateKey::parse(der) {
            Ok(key) => readable.push(key),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    match refused {
        Some(error) if readable.is_empty() => Err(error),
        _ => Ok(readable),
    }
}

fn thumbprints<'a>(certificates: impl Iterator<Item = &'a Certificate>) -> Vec<String> {
    certificates
        .take(SHOWN)
        .map(|it| Thumbprints::of(&it.der).sha1_hex())
        .collect()
}

fn sized(bytes: &[u8]) -> Result<(), Error> {
    if bytes.len() > MAX_FILE {
        return Err(Error::TooLarge { limit: MAX_FILE });
    }
    Ok(())
}

/// How often a file may be encoded in base64: a secret of Kubernetes or a pipeline adds one, a variable another.
const MOST_LAYERS: usize = 3;
/// No key and no certificate is shorter, in base64.
const SHORTEST_MEMBER: usize = 200;
/// How many private keys of a file are looked at.
const MOST_KEYS: usize = 16;
/// Among how many certificates without a key one is looked for that issued none of the others.
const MOST_LEAVES: usize = 64;
/// How many thumbprints an error shows.
const SHOWN: usize = 4;
