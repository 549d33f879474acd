//! The identity of a token in a cache.

/// The identity of a token in a cache: see [`TokenRequest::cache_key`](crate::TokenRequest::cache_key). It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CacheKey(pub(crate) String);

impl CacheKey {
    /// The key as a text, seven lines.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
