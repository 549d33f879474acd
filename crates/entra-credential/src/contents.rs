//! The certificates and private keys of files, and which of them belong together.

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

/// The certificates and private keys of files, in DER and in their order.
#[derive(Default)]
pub(crate) struct Bundle {
    pub(crate) certificates: Vec<Vec<u8>>,
    pub(crate) keys: Vec<Zeroizing<Vec<u8>>>,
    /// The warning about a file.
    pub(crate) doubt: Option<Warning>,
    /// The reason why a private key that is there is not among `keys`.
    pub(crate) closed_key: Option<Error>,
    /// The refusal of something else that was found, and is no part of a credential.
    pub(crate) refused: Option<Error>,
    /// Private keys under a password that are still to be opened.
    pub(crate) sealed_keys: Vec<Zeroizing<Vec<u8>>>,
    pub(crate) allowance: Allowance,
}

/// Without the feature nothing is opened that could cost anything.
#[cfg(not(feature = "pfx"))]
#[derive(Default)]
pub(crate) struct Allowance;

/// A private key, its certificate, and those above it.
pub(crate) struct Identity {
    pub(crate) key: PrivateKey,
    pub(crate) leaf: Certificate,
    /// The issuer of the leaf, the issuer of that one, and so on.
    pub(crate) above: Vec<Certificate>,
}

impl Bundle {
    #[cfg(feature = "pfx")]
    pub(crate) fn doubt(&mut self, warning: Warning) {
        self.doubt = self.doubt.or(Some(warning));
    }

    /// Finds the certificate of the private key, and orders those above it. Certificates that do
    /// not belong to it are left out.
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

/// How many private keys of a file are looked at.
const MOST_KEYS: usize = 16;
/// Among how many certificates without a key one is looked for that issued none of the others.
const MOST_LEAVES: usize = 64;
/// How many thumbprints an error shows.
const SHOWN: usize = 4;
