//! Managed identities: tokens that the platform under a workload issues, without any secret.
//!
//! An [`Identity`] is system-assigned or user-assigned. The platform determines the [`Source`] of
//! its tokens, which environment variables and files of the [`Host`] tell. A request to a source
//! carries a [`LocalRoute`]: the permission to use plain `http` to this machine or its link-local
//! addresses, without a proxy.

mod host;
mod identity;
mod route;
mod source;

pub use host::{Host, Platform};
pub use identity::Identity;
pub use route::LocalRoute;
pub use source::Source;
