//! Public behaviour of token_service-tower: one binary, a module for each subject.

mod allocations;
mod claims;
#[cfg(feature = "validate")]
mod corpus;
mod header;
mod readiness;
mod rejections;
mod replays;
#[cfg(feature = "reqwest")]
mod reqwest;
#[cfg(feature = "reqwest-middleware")]
mod reqwest_middleware;
mod revocations;
#[cfg(feature = "validate")]
mod server;
#[cfg(feature = "validate")]
mod server_allocations;
#[cfg(feature = "validate")]
mod server_logs;
#[cfg(feature = "validate")]
mod server_metadata;
mod shared_stack;
mod support;
#[cfg(feature = "ureq")]
mod ureq;
