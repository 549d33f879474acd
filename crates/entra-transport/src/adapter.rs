//! The parts of a transport, for authors of a transport over another HTTP client.
//!
//! Programs do not need this module. A transport checks each request and response with its
//! [`TransportPolicy`](crate::TransportPolicy), reads the body into the [`Collector`] that it gets
//! there, and uses an HTTP proxy through a [`Tunnel`]. A transport over rustls implements
//! `FromSettings` (feature `tls`), so that a [`TransportBuilder`](crate::TransportBuilder) builds
//! it.
//!
//! A request to a local endpoint of a managed identity carries a [`LocalRoute`].
//! [`TransportPolicy::admit`](crate::TransportPolicy::admit) rejects it, unless the transport
//! supports the route and calls
//! [`admit_routed`](crate::TransportPolicy::admit_routed).

pub use entra_proto::managed_identity::LocalRoute;

#[cfg(feature = "tls")]
pub use crate::builder::{FromSettings, Settings};
pub use crate::collect::Collector;
pub use crate::policy::{check_uri, endpoint};
pub use crate::tunnel::{Tunnel, unauthorized};
