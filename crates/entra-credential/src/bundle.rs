use zeroize::Zeroizing;

use crate::error::Error;
use crate::key::PrivateKey;
use crate::pfx::Allowance;
use crate::thumbprints::Thumbprints;
use crate::x509::Certificate;
use crate::{pem, pfx};

/// What a file holds, in the order in which it holds it: certificates and private keys in DER.
#[derive(Default)]
pub(crate) struct Bundle {
    pub(crate) certificates: Vec<Vec<u8>>,
    pub(crate) keys: Vec<Zeroizing<Vec<u8>>>,
}

/// A private key, its certificate, and those above it.
pub(crate) struct Identity {
    pub(crate) key: PrivateKey,
    pub(crate) leaf: Certificate,
    /// Who issued the leaf, who issued that one, and so on.
    pub(crate) above: Vec<Certificate>,
}

impl Bundle {
    /// What a PEM file holds. Sections that are neither certificates nor private keys are left out.
    pub(crate) fn from_pem(text: &[u8], password: Option<&str>) -> Result<Self, Error> {
        let sections = pem::sections(text)?;
        if sections.is_empty() {
            return Err(Error::NotACredential);
        }
        // All that is to be opened has to be affordable before anything is.
        let mut allowance = Allowance::of_a_file();
        for section in sections.iter().filter(|it| it.label == ENCRYPTED) {
            allowance.spend_on_key(&section.der)?;
        }
        let mut bundle = Self::default();
        for section in sections {
            match section.label {
                b"CERTIFICATE" | b"X509 CERTIFICATE" | b"TRUSTED CERTIFICATE" => {
                    bundle.certificates.push(section.der.to_vec());
                }
                b"PRIVATE KEY" | b"RSA PRIVATE KEY" | b"EC PRIVATE KEY" if section.encrypted => {
                    return Err(Error::unsupported(
                        "a private key encrypted in the old way of OpenSSL (Proc-Type: 4,ENCRYPTED)",
                        "convert it: `openssl pkcs8 -topk8 -in old.pem -out key.pem`",
                    ));
                }
                b"PRIVATE KEY" | b"RSA PRIVATE KEY" | b"EC PRIVATE KEY" => bundle.keys.push(section.der),
                ENCRYPTED => {
                    let password = password.ok_or(Error::PasswordNeeded)?;
                    bundle.keys.push(pfx::private_key(&section.der, password)?);
                }
                b"DSA PRIVATE KEY" => return Err(Error::KeyType("DSA".to_owned())),
                b"OPENSSH PRIVATE KEY" => {
                    return Err(Error::unsupported(
                        "a private key in the form of OpenSSH",
                        "convert a copy of it: `ssh-keygen -p -m PKCS8 -f copy-of-key`",
                    ));
                }
                b"PKCS7" | b"CMS" => {
                    return Err(Error::unsupported(
                        "a bundle of certificates in PKCS#7",
                        "convert it: `openssl pkcs7 -print_certs -in old.p7b -out certificates.pem`",
                    ));
                }
                _ => {}
            }
        }
        Ok(bundle)
    }

    /// Finds the certificate of the private key, and orders those above it. Certificates that do not belong to it are left out.
    pub(crate) fn identify(self) -> Result<Identity, Error> {
        if self.keys.is_empty() {
            return Err(Error::KeyMissing);
        }
        let keys = readable(&self.keys)?;
        if self.certificates.is_empty() {
            return Err(Error::CertificateMissing);
        }
        let mut certificates: Vec<Certificate> = self
            .certificates
            .iter()
            .map(|der| Certificate::parse(der))
            .collect::<Result<_, _>>()?;

        let mut matches = Vec::new();
        for key in keys {
            // A renewed certificate may keep its key, and stand behind the old one: the one that lasts longest counts, and of
            // several such the first.
            let of_key = (0..certificates.len())
                .rev()
                .filter(|at| key.belongs_to(&certificates[*at]));
            if let Some(leaf) = of_key.max_by_key(|at| certificates[*at].not_after) {
                if matches.iter().all(|(_, other)| *other != leaf) {
                    matches.push((key, leaf));
                }
            }
        }
        if matches.len() > 1 {
            let thumbprint = |(_, leaf): &(PrivateKey, usize)| Thumbprints::of(&certificates[*leaf].der).sha1_hex();
            return Err(Error::SeveralKeys(matches.iter().take(SHOWN).map(thumbprint).collect()));
        }
        let (key, leaf) = matches.pop().ok_or(Error::KeyMismatch)?;
        let leaf = certificates.remove(leaf);
        let above = above(&leaf, certificates);
        Ok(Identity { key, leaf, above })
    }
}

/// Those keys that Entra takes. Where it takes none of them, why it does not take the first.
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

/// Who issued `leaf`, then who issued that one, as far as they are among `others`. The names decide: what is sent is judged by the
/// service, which trusts nothing of it but what it knows.
fn above(leaf: &Certificate, mut others: Vec<Certificate>) -> Vec<Certificate> {
    let mut above: Vec<Certificate> = Vec::new();
    while above.len() < LONGEST_CHAIN {
        let below = above.last().unwrap_or(leaf);
        if below.is_self_issued() {
            break;
        }
        let Some(issuer) = others.iter().position(|it| below.is_issued_by(it)) else {
            break;
        };
        above.push(others.remove(issuer));
    }
    above
}

const ENCRYPTED: &[u8] = b"ENCRYPTED PRIVATE KEY";
/// How many private keys of a file are looked at.
const MOST_KEYS: usize = 16;
/// How many certificates above the leaf are sent at most.
const LONGEST_CHAIN: usize = 10;
/// How many thumbprints an error shows.
const SHOWN: usize = 4;
