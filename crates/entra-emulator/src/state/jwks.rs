//! Key sets of other issuers (RFC 7517).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::Value;

use crate::Error;
use crate::config::{IssuerKeys, is_issuer};
use crate::state::keys::{EXPONENT, Key};

/// The RSA keys of an issuer. Keys of other types are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Jwks(Vec<PublicKey>);

/// A public RSA key of a key set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey {
    pub(crate) id: Option<String>,
    n: String,
    e: String,
}

impl Jwks {
    /// Reads a key set. Returns `None` if it has no RSA key of at least 2,048 bits for signatures,
    /// or too many keys.
    pub(crate) fn read(set: &Value) -> Option<Self> {
        let keys = set.get("keys")?.as_array().filter(|keys| keys.len() <= MOST_KEYS)?;
        let keys: Vec<PublicKey> = keys.iter().filter_map(PublicKey::read).collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// Returns the public halves of embedded keys.
    pub(crate) fn of(keys: &[&Key]) -> Self {
        let public = keys.iter().map(|key| PublicKey {
            id: Some(key.kid.to_owned()),
            n: key.n.to_owned(),
            e: EXPONENT.to_owned(),
        });
        Self(public.collect())
    }

    /// Returns the keys that may have signed an assertion: the one that its header names, or all if
    /// it names none.
    pub(crate) fn named<'a>(&'a self, id: Option<&'a str>) -> impl Iterator<Item = &'a PublicKey> {
        self.0
            .iter()
            .filter(move |key| id.is_none_or(|id| key.id.as_deref() == Some(id)))
    }
}

impl PublicKey {
    fn read(key: &Value) -> Option<Self> {
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        let is_of_type = text("kty") == Some("RSA");
        let is_for_signatures = text("use").is_none_or(|purpose| purpose == "sig");
        let is_rs256 = text("alg").is_none_or(|algorithm| algorithm == "RS256");
        let (n, e) = (text("n")?, text("e")?);
        let modulus = URL_SAFE_NO_PAD.decode(n).ok()?;
        let length = modulus.iter().skip_while(|byte| **byte == 0).count();
        let is_long = (FEWEST_BYTES..=MOST_BYTES).contains(&length) && e.len() <= LONGEST_EXPONENT;
        (is_of_type && is_for_signatures && is_rs256 && is_long).then(|| Self {
            id: text("kid").map(str::to_owned),
            n: n.to_owned(),
            e: e.to_owned(),
        })
    }

    /// Returns the key for the verification of signatures, unless it is malformed.
    pub(crate) fn decoding(&self) -> Option<DecodingKey> {
        DecodingKey::from_rsa_components(&self.n, &self.e).ok()
    }
}

/// Reads the configured keys of issuers.
///
/// # Errors
/// Returns an error that names the entry with the problem.
pub(super) fn configured(given: &[IssuerKeys]) -> Result<BTreeMap<String, Jwks>, Error> {
    let mut keys = BTreeMap::new();
    for (at, entry) in given.iter().enumerate() {
        let failed = |problem: &str| Error::Config(format!("issuer_keys[{at}].{problem}"));
        if !is_issuer(&entry.issuer) {
            return Err(failed("issuer: it must be a URL"));
        }
        let read = Jwks::read(&entry.jwks)
            .ok_or_else(|| failed("jwks: there must be a member `keys` with an RSA key of 2048 bits or more"))?;
        if keys.insert(entry.issuer.clone(), read).is_some() {
            return Err(failed("issuer: it is given twice"));
        }
    }
    Ok(keys)
}

const MOST_KEYS: usize = 100;
/// The smallest accepted RSA modulus: 2,048 bits.
const FEWEST_BYTES: usize = 256;
/// The largest accepted RSA modulus: 8,192 bits.
const MOST_BYTES: usize = 1_024;
const LONGEST_EXPONENT: usize = 16;
