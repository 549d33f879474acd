//! Hints that several errors share.

/// The hint for keys that cannot be fetched.
pub(crate) const FETCH_HINT: &str = "check that this machine reaches the cloud's login host";
