//! The transport over reqwest, for programs that use reqwest already.
//!
//! Most programs depend on the crate `entra` (or on `entra-client`), which caches tokens, and give
//! it a [`ReqwestTransport`], the primary type of this crate. The example below acquires a single
//! token without a cache.
//!
//! [`ReqwestTransport`] builds its own client, because the behavior of a client is fixed when it is
//! built: redirects, cookies, compression and retries are off, with any features of reqwest that
//! other crates enable. It can start from a [`reqwest::ClientBuilder`] (with a resolver or layers
//! around the connector), but not from a ready client.
//!
//! ```text
//!   Request ──> TransportPolicy::admit
//!                    │
//!                    ▼
//!               reqwest           no redirects, no cookies,
//!                    │            no compression, no retries
//!                    ▼
//!               TCP ──> rustls    aws-lc-rs or ring, never the
//!                    │            default provider of the process
//!                    ▼
//!               TransportPolicy::admit_response ──> Collector ──> Response
//! ```
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use entra_proto::{Application, ClientSecret, Target};
//! use entra_transport::{Acquisition, Report};
//! use entra_transport_reqwest::ReqwestTransport;
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
//!     let transport = ReqwestTransport::builder().timeout(timeout).build()?;
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
//! # Other clients in the program
//! Cargo builds reqwest once for the whole program, with the features that all crates in it enable.
//! This crate enables TLS over rustls. All other settings apply to its own client only. For other
//! clients in the program:
//! - With `aws-lc-rs`, [`reqwest::Client::new`] works as with reqwest's own `rustls` feature, with
//!   or without a default provider of the process.
//! - With `ring` alone, reqwest has no provider and panics when it builds a client. Install a
//!   provider first with `rustls::crypto::ring::default_provider().install_default()`, or build the
//!   client with `tls_backend_preconfigured`.
//! - A client that supports TLS reads the system's certificate authorities when it is built. If the
//!   system has no certificate authorities, [`reqwest::Client::new`] panics; a builder with
//!   `tls_certs_only` does not.
//!
//! If a program deliberately uses reqwest without TLS, use `entra-transport-hyper` instead, which
//! does not affect reqwest.
//!
//! # Proxies
//! reqwest opens the tunnels. It reports whether a proxy's response to `CONNECT` was 407 or another
//! failure, but neither the status nor the authentication schemes that the proxy accepts. A 407
//! that is cut, or longer than 8 KiB, looks like another failure and may be retried.
//!
//! # What is not here
//! No HTTP/2, no retries, no client certificates, no WebAssembly.

mod error;
mod settings;
mod single;
mod transport;

pub use transport::ReqwestTransport;
