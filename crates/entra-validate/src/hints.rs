//! Advice that several errors give.

/// What to do where keys cannot be fetched.
pub(crate) const FETCH_HINT: &str = "check that this machine reaches the cloud's login host";
