//! Cache keys.

/// The identity of a token in a cache: see
/// [`TokenRequest::cache_key`](crate::TokenRequest::cache_key) and
/// [`ManagedIdentityRequest::cache_key`](crate::managed_identity::ManagedIdentityRequest::cache_key).
/// It contains no secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CacheKey(pub(crate) String);

impl CacheKey {
    /// Returns the key as a text of several lines.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
