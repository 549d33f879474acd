//! JWKS documents (RFC 7517).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};

use super::Key;
use super::fetch::FetchError;
use crate::issuer::Template;
use crate::verify::VerificationKey;

/// Returns those keys of a document that sign tokens.
pub(super) fn read(document: &[u8]) -> Result<Vec<Key>, FetchError> {
    if document.len() > MAX_DOCUMENT {
        return Err(FetchError::new("the JWKS document is longer than 512 KiB"));
    }
    let Jwks { keys } = serde_json::from_slice(document)
        .map_err(|_| FetchError::new("the JWKS document is not JSON with an array of keys"))?;
    let Keys { keys, count } = keys;
    if count > MAX_KEYS {
        return Err(FetchError::new("the JWKS document has more than 100 keys"));
    }
    if keys.is_empty() {
        return Err(FetchError::new("the JWKS document has no RSA key that signs tokens"));
    }
    Ok(keys)
}

#[derive(serde::Deserialize)]
struct Jwks {
    keys: Keys,
}

/// The keys that sign tokens, with the number of all entries.
struct Keys {
    keys: Vec<Key>,
    count: usize,
}

/// Each entry is converted before the next is read, and entries beyond the limit are only counted:
/// a list of small entries would take many times the memory of its text.
impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeysVisitor;
        impl<'de> Visitor<'de> for KeysVisitor {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of keys")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Keys, A::Error> {
                let (mut keys, mut count) = (Vec::new(), 0);
                while count < MAX_KEYS {
                    let Some(entry) = entries.next_element::<Entry>()? else {
                        return Ok(Keys { keys, count });
                    };
                    keys.extend(entry.into_key());
                    count += 1;
                }
                while entries.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Keys { keys, count })
            }
        }
        deserializer.deserialize_seq(KeysVisitor)
    }
}

/// One entry. An entry of another kind does not invalidate the document.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Entry {
    Rsa(Box<Rsa>),
    Other(IgnoredAny),
}

#[derive(serde::Deserialize)]
struct Rsa {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: String,
    n: String,
    e: String,
    issuer: Option<String>,
    cloud_instance_name: Option<String>,
}

impl Entry {
    fn into_key(self) -> Option<Key> {
        let Self::Rsa(rsa) = self else { return None };
        let is_for_tokens = rsa.kty == "RSA"
            && rsa.usage.is_none_or(|usage| usage == "sig")
            && rsa
                .key_ops
                .is_none_or(|operations| operations.iter().any(|it| it == "verify"))
            && rsa.alg.is_none_or(|alg| alg == "RS256")
            && !rsa.kid.is_empty();
        // Certificates in x5c are not read: the key is n and e.
        let number = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
        let key = is_for_tokens.then(|| VerificationKey::new(&number(&rsa.n)?, &number(&rsa.e)?))??;
        Some(Key {
            kid: rsa.kid.into(),
            issuer: rsa.issuer.as_deref().map(Template::new),
            cloud: rsa.cloud_instance_name.map(Into::into),
            key,
        })
    }
}

/// The largest number of keys in a document: 100. Entra publishes about ten.
pub const MAX_KEYS: usize = 100;

const MAX_DOCUMENT: usize = 512 * 1024;
