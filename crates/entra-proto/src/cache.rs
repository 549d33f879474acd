//! Types for token caches: the identity of a token, and the time for which it is fresh.

pub use crate::acquire::freshness::{Freshness, FreshnessPolicy, Lifetime, Stages, freshness};
pub use crate::cache_key::CacheKey;
pub use crate::target_identity::TargetIdentity;
pub use crate::token_response::MAX_LIFETIME;
