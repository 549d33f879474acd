//! The transport over hyper, and over any tower service with `http` types.
//!
//! Most programs depend on the crate `entra` (or on `entra-client`), which caches tokens, and give
//! it a [`HyperTransport`]. The example below acquires a single token without a cache.
//!
//! The primary types are:
//! - [`HyperTransport`]: hyper with rustls and nothing else: HTTP/1.1, a connection pool, one
//!   deadline.
//! - [`ServiceTransport`]: a transport over a `tower` service, such as a stack with metrics,
//!   tracing or a custom proxy, or an in-memory router in a test.
//! - [`Connector`]: the connections of [`HyperTransport`], through the same proxy, for a client of
//!   hyper-util that calls an API.
//!
//! ```text
//!   Request ──> TransportPolicy::admit
//!                    │
//!                    ▼
//!               ServiceTransport<S>    S: Service<http::Request<B>>
//!                    │
//!                    │  HyperTransport: S is the client of hyper-util over
//!                    │  Connector: DNS ──> TCP ──> proxy ──> rustls
//!                    ▼
//!               TransportPolicy::admit_response ──> Collector ──> Response
//! ```
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use entra_proto::{Application, ClientSecret, Target};
//! use entra_transport::{Acquisition, Report};
//! use entra_transport_hyper::HyperTransport;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Report> {
//!     let authority = "https://login.microsoftonline.com/contoso.com".parse()?;
//!     let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
//!     let secret = ClientSecret::new(std::env::var("AZURE_CLIENT_SECRET")?)?;
//!     let app = Application::new(authority, client_id, secret);
//!     let graph = Target::resource("https://graph.microsoft.com")?;
//!
//!     let timeout = Duration::from_secs(10);
//!     let transport = HyperTransport::builder().timeout(timeout).build()?;
//!     let acquisition = Acquisition::new(app.client_credentials(graph)?);
//!     let token = acquisition.run(&transport, tokio::time::sleep).await?;
//!     println!("the token expires at {:?}", token.lifetime.expires_at);
//!     Ok(())
//! }
//! ```
//!
//! A tokio runtime with time and I/O enabled is required.
//!
//! # Features
//! - `aws-lc-rs` (default) or `ring`: the cryptography provider.
//! - `native-roots` (default), `webpki-roots`: the trusted certificate authorities.
//!
//! See [`entra_transport::tls`] for their meaning.
//!
//! # What is not here
//! No HTTP/2 in [`HyperTransport`] (which has no benefit for one small request per hour), no
//! retries, no client certificates.

mod connect;
mod error;
mod hyper;
mod service;
mod settings;
mod tunnel;

pub use connect::{Connection, Connector};
pub use hyper::HyperTransport;
pub use service::ServiceTransport;
