//! Parts of a transport: for authors of a transport over another HTTP client.
//!
//! Programs need none of this. A transport checks each request and response by its [`Policy`](crate::Policy), reads the body through
//! the [`Collector`] that it gets there, and goes through an HTTP proxy by a [`Tunnel`]. One over rustls implements
//! `FromSettings` (feature `tls`), and is built by a [`TransportBuilder`](crate::TransportBuilder) as its siblings are.

#[cfg(feature = "tls")]
pub use crate::builder::{FromSettings, Settings};
pub use crate::collect::Collector;
pub use crate::policy::{check_uri, endpoint};
pub use crate::tunnel::{Tunnel, unauthorized};
