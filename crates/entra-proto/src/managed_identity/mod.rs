//! Managed identities: tokens that the platform under a workload issues, without any secret.
//!
//! An [`Identity`] is system-assigned or user-assigned. The platform determines the [`Source`] of
//! its tokens, which environment variables and files of the [`Host`] tell. A request to a source
//! carries a [`LocalRoute`]: the permission to use plain `http` to this machine or its link-local
//! addresses, without a proxy.

mod arc;
mod call;
mod detection;
mod host;
mod identity;
mod moment;
mod principal;
mod refusal;
mod reply;
mod request;
mod retry;
mod route;
mod source;
mod variables;
mod walk;

pub use detection::{Detection, Evidence};
pub use host::{Host, Platform};
pub use identity::Identity;
pub use principal::{ManagedIdentity, ResourceIdParameter};
pub use request::ManagedIdentityRequest;
pub use route::LocalRoute;
pub use source::Source;

pub(crate) use retry::{Failure, Failures, UPGRADE_DEADLINE};
pub(crate) use walk::{Turn, Walk};
