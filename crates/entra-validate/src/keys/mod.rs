//! The signing keys of a cloud: the documents that publish them, their fetches, and the cache of
//! them.

mod cache;
mod discovery;
mod fetch;
mod jwks;

use std::fmt;
use std::sync::Arc;

use crate::api::Api;
use crate::issuer::Template;
use crate::verify::VerificationKey;

pub use cache::{FORCED_REFRESH_INTERVAL, KeyCache, LAST_KNOWN_GOOD, Lookup, REFRESH_INTERVAL};
pub use discovery::Metadata;

#[cfg(feature = "blocking")]
pub(crate) use cache::LONGEST_FLIGHT;
#[cfg(any(feature = "async", feature = "blocking"))]
pub(crate) use cache::apart;
pub use fetch::{Fetch, FetchError, FetchStep, Fetched};
pub use jwks::MAX_KEYS;

use entra_proto::EndpointVersion;

/// The signing keys for tokens of one version, parsed. Cheap to clone.
#[derive(Clone)]
pub struct KeySet(Arc<Inner>);

struct Inner {
    issuer: Template,
    cloud: Option<Box<str>>,
    keys: Vec<Key>,
}

/// A public key of the cloud.
pub(crate) struct Key {
    kid: Box<str>,
    issuer: Option<Template>,
    cloud: Option<Box<str>>,
    key: VerificationKey,
}

impl KeySet {
    /// Reads a JWKS document (RFC 7517, section 5) that belongs to `metadata`.
    ///
    /// The set has only keys that sign tokens: RSA keys of 2048 to 4096 bits with a `kid`. Other
    /// keys are skipped.
    ///
    /// # Errors
    /// Returns an error if the document is longer than 512 KiB, is not a JWKS, has more than
    /// [`MAX_KEYS`] keys, or has no key that signs tokens.
    pub fn read(metadata: &Metadata, document: &[u8]) -> Result<Self, FetchError> {
        Ok(Self(Arc::new(Inner {
            issuer: metadata.issuer.clone(),
            cloud: metadata.cloud.clone(),
            keys: jwks::read(document)?,
        })))
    }

    /// Reads a JWKS document without metadata, for example from a file, for one version of tokens
    /// of a named cloud.
    ///
    /// # Errors
    /// Returns the errors of [`KeySet::read`], and an error if the issuers of the API's cloud are
    /// known only from its metadata.
    pub fn pinned(api: &Api, version: EndpointVersion, document: &[u8]) -> Result<Self, FetchError> {
        let issuer = api
            .known_issuer(version)
            .ok_or_else(|| FetchError::new("the issuer of this cloud is only in its metadata: fetch the keys"))?;
        Ok(Self(Arc::new(Inner {
            issuer: issuer.clone(),
            cloud: discovery::instance_name(api.cloud()).map(Into::into),
            keys: jwks::read(document)?,
        })))
    }

    /// Returns the `kid` of each key.
    pub fn kids(&self) -> impl Iterator<Item = &str> {
        self.0.keys.iter().map(|key| &*key.kid)
    }

    pub(crate) fn has(&self, kid: &str) -> bool {
        self.with_kid(kid).next().is_some()
    }

    pub(crate) fn with_kid<'k>(&'k self, kid: &'k str) -> impl Iterator<Item = &'k Key> {
        self.0.keys.iter().filter(move |key| *key.kid == *kid)
    }

    pub(crate) fn issuer(&self) -> &Template {
        &self.0.issuer
    }

    pub(crate) fn cloud(&self) -> Option<&str> {
        self.0.cloud.as_deref()
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet")
            .field("issuer", &self.0.issuer.as_str())
            .field("keys", &self.0.keys.len())
            .finish()
    }
}

impl Key {
    pub(crate) fn issuer(&self) -> Option<&Template> {
        self.issuer.as_ref()
    }

    pub(crate) fn cloud(&self) -> Option<&str> {
        self.cloud.as_deref()
    }

    pub(crate) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        self.key.verifies(signed, signature)
    }
}
