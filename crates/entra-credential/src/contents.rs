//! The certificates and private keys of files, and how they belong together.

use std::collections::HashSet;

use entra_proto::Timestamp;
use zeroize::Zeroizing;

#[cfg(feature = "pfx")]
pub(crate) use crate::allowance::Allowance;
use crate::chain;
use crate::error::Error;
use crate::key::PrivateKey;
use crate::thumbprints::Thumbprints;
use crate::warning::Warning;
use crate::x509::Certificate;

/// The certificates and private keys of files, in DER and in the order of the files.
#[derive(Default)]
pub(crate) struct Bundle {
    pub(crate) certificates: Vec<Vec<u8>>,
    pub(crate) keys: Vec<Zeroizing<Vec<u8>>>,
    /// The warning about a file.
    pub(crate) doubt: Option<Warning>,
    /// The reason why a private key of the file is not among `keys`.
    pub(crate) closed_key: Option<Error>,
    /// The error for other contents that are not part of a credential.
    pub(crate) refused: Option<Error>,
    /// The encrypted private keys that are still to be decrypted.
    pub(crate) sealed_keys: Vec<Zeroizing<Vec<u8>>>,
    pub(crate) allowance: Allowance,
}

/// Without the feature `pfx`, nothing is decrypted.
#[cfg(not(feature = "pfx"))]
#[derive(Default)]
pub(crate) struct Allowance;

/// A private key, its certificate, and the certificates above it.
pub(crate) struct Identity {
    pub(crate) key: PrivateKey,
    pub(crate) leaf: Certificate,
    /// The issuer of the leaf, the issuer's issuer, and so on.
    pub(crate) above: Vec<Certificate>,
}

impl Bundle {
    #[cfg(feature = "pfx")]
    pub(crate) fn doubt(&mut self, warning: Warning) {
        self.doubt = self.doubt.or(Some(warning));
    }

    /// Finds the certificate of the private key, and orders the certificates above it. Ignores
    /// certificates that do not belong to it.
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

    pub(crate) fn certificate(&self, now: Timestamp) -> Result<Certificate, Error> {
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

    /// Returns the private key if there is exactly one.
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

    /// Returns the certificates without duplicates.
    fn parsed(&self) -> Result<Vec<Certificate>, Error> {
        let mut seen = HashSet::new();
        let distinct = self.certificates.iter().filter(|der| seen.insert(der.as_slice()));
        distinct.map(|der| Certificate::parse(der)).collect()
    }

    /// Returns the reason why there is no private key.
    fn without_key(&self) -> Error {
        let other = self.refused.as_ref().filter(|_| self.certificates.is_empty());
        self.closed_key.as_ref().or(other).cloned().unwrap_or(Error::KeyMissing)
    }
}

/// Returns the keys that Entra accepts, or the reason why it does not accept the first one.
fn readable(keys: &[Zeroizing<Vec<u8>>]) -> Result<Vec<PrivateKey>, Error> {
    let mut readable = Vec::new();
    let mut refused = None;
    // Reading a key takes a fraction of a millisecond: a file with thousands is not a credential.
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

/// The most private keys of a file that are read.
const MOST_KEYS: usize = 16;
/// The most certificates without a key among which the leaf is searched.
const MOST_LEAVES: usize = 64;
/// The most thumbprints in an error.
const SHOWN: usize = 4;
