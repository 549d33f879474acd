//! Public behaviour of entra-tenants: one binary, a module for each subject.

#[cfg(feature = "redb")]
mod files;
#[cfg(feature = "redb")]
mod folder;
mod laws;
#[cfg(all(unix, feature = "redb"))]
mod permissions;
#[cfg(feature = "redb")]
mod processes;
