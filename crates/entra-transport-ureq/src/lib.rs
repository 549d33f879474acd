//! The transport over ureq: blocking, without a runtime, and with the fewest dependencies.
//!
//! Most programs depend on the crate `entra` (or on `entra-client`), which caches tokens, and give
//! it a [`UreqTransport`], the primary type of this crate. The example below acquires a single
//! token without a cache.
//!
//! ```text
//!   Request ──> TransportPolicy::admit
//!                    │
//!                    ▼
//!               ureq              no redirects, no cookies,
//!                    │            no compression, one deadline
//!                    ▼
//!               Route             DNS ──> TCP ──> proxy ──> rustls,
//!                    │            one deadline
//!                    ▼
//!               Connection        distinguishes a cut connection
//!                    │            from a closed one
//!                    ▼
//!               TransportPolicy::admit_response ──> Collector ──> Response
//! ```
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use entra_proto::{Application, ClientSecret, Target};
//! use entra_transport::{Acquisition, Report};
//! use entra_transport_ureq::UreqTransport;
//!
//! fn main() -> Result<(), Report> {
//!     let authority = "https://login.microsoftonline.com/contoso.com".parse()?;
//!     let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
//!     let secret = ClientSecret::new(std::env::var("AZURE_CLIENT_SECRET")?)?;
//!     let app = Application::new(authority, client_id, secret);
//!     let graph = Target::resource("https://graph.microsoft.com")?;
//!
//!     let timeout = Duration::from_secs(10);
//!     let transport = UreqTransport::builder().timeout(timeout).build()?;
//!     let acquisition = Acquisition::new(app.client_credentials(graph)?);
//!     let token = acquisition.run_blocking(&transport)?;
//!     println!("the token expires at {:?}", token.lifetime.expires_at);
//!     Ok(())
//! }
//! ```
//!
//! # Features
//! - `aws-lc-rs` (default) or `ring`: the cryptography provider.
//! - `native-roots` (default), `webpki-roots`: the trusted certificate authorities.
//!
//! See [`entra_transport::tls`] for their meaning.
//!
//! # Logs
//! At the level `trace`, ureq's parser logs every byte of requests and responses, and only the
//! logger can prevent it. These bytes include client secrets and tokens, so nothing is sent while
//! the program's logger records the target `ureq_proto` at `trace`: set it to `debug` or `off`
//! (`RUST_LOG=trace,ureq_proto=debug`). At `debug`, ureq logs the method and the URI with its
//! query; no request of the token protocol has a secret in its query.
//!
//! # What is not here
//! No async, no HTTP/2, no retries, no client certificates.

mod connect;
mod connection;
mod deadline;
mod error;
mod settings;
mod tcp;
mod transport;

pub use transport::{OpenBody, UreqTransport};
