//! Local servers that give the tokens of one cache to programs in any language.
//!
//! Most people use the command (`entra serve`, `entra proxy`). Use this crate to put such a server
//! into a program of your own.
//!
//! The primary types are:
//!
//! - [`Endpoint`]: a token endpoint for programs on this machine. It speaks the protocols of
//!   Azure's platforms, which every Azure SDK knows.
//! - [`Identities`] and [`AllowedResources`]: the parties that tokens are issued to, and the APIs
//!   that tokens are issued for.
//! - [`AccessKey`]: the random secret by which the endpoint knows its clients.
//! - [`Proxy`]: a reverse proxy for one API that adds the token to each request.
//! - [`Server`]: accepts connections, limits them, and ends them in order.
//! - [`Metrics`]: counters in the text format of Prometheus.
//!
//! ```text
//!   program ─► Server ─► Endpoint ─► protocol ─► Ask
//!                          │                      │
//!                          │       AllowedResources, Identities
//!                          │                      │
//!                          │                      ▼
//!                          │            entra_client::Client (cache)
//!                          ▼                      │
//!                      Response ◄─ protocol ◄─────┘
//! ```

mod access_key;
mod ask;
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only Linux tells the process"))]
mod caller;
mod endpoint;
mod error;
mod guard;
mod identity;
mod limits;
mod metrics;
mod outcome;
mod proxy;
mod query;
mod resources;
mod serve;
mod server;
#[cfg(unix)]
mod systemd;
mod tokens;
mod track;

pub use access_key::AccessKey;
pub use caller::{Caller, Process};
pub use endpoint::{AllowOverrides, DownstreamApi, Endpoint, EndpointBuilder, Sidecar};
pub use error::{Errors, Report, SetupError};
pub use identity::{Identities, Identity};
pub use limits::Limits;
pub use metrics::Metrics;
pub use proxy::{Proxy, ProxyBuilder};
pub use resources::AllowedResources;
pub use serve::{Body, BoxError, Serve};
#[cfg(unix)]
pub use server::Users;
pub use server::{Listener, Server};
#[cfg(unix)]
pub use systemd::ServiceManager;
