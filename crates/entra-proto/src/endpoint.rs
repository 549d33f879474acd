//! Hosts and endpoints: the parts of an authority.

pub use crate::authority::{Endpoint, Region};
pub use crate::cloud::Origin;
pub use crate::loopback::is_loopback_host;
pub use crate::tenant::Domain;
