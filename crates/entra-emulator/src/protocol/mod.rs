//! The endpoints of the token service.

pub(crate) mod authorize;
pub(crate) mod device;
pub(crate) mod discovery;
mod realm;
pub(crate) mod token;
pub(crate) mod user_realm;
