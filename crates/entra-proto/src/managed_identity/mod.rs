//! Managed identities: tokens that the platform under a workload issues, without any secret.
//!
//! An [`Identity`] is system-assigned or user-assigned. The platform determines the [`Source`] of
//! its tokens, which environment variables and files of the [`Host`] tell. A request to a source
//! carries a [`LocalRoute`]: the permission to use plain `http` to this machine or its link-local
//! addresses, without a proxy.

mod detection;
mod host;
mod identity;
#[allow(dead_code, reason = "the requests that use it are the next change")]
mod principal;
#[allow(dead_code, reason = "the requests that use it are the next change")]
mod request;
mod route;
mod source;
#[allow(dead_code, reason = "the requests that use it are the next change")]
mod variables;

pub use detection::{Detection, Evidence};
pub use host::{Host, Platform};
pub use identity::Identity;
pub use principal::{ManagedIdentity, ResourceIdParameter};
pub use request::ManagedIdentityRequest;
pub use route::LocalRoute;
pub use source::Source;
