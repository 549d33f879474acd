//! The transport over reqwest: for programs that have reqwest in their tree already.
//!
//! [`ReqwestTransport`] builds a client of its own, because what a client does to a request is settled when it is built:
//! redirects, cookies, compression and retries are off whatever features of reqwest others in the program switch on. A
//! [`reqwest::ClientBuilder`] may be given to start from (a resolver, layers around the connector); a ready client may not.
//!
//! ```text
//!   Request ─> admit ─> reqwest: no redirects, no cookies, ─> admit_answer ─> Collector ─> Response
//!                       no compression, no retries
//!                            │
//!                       TCP ─> rustls (aws-lc-rs or ring, never the process' default)
//! ```
//!
//! ```no_run
//! use std::time::Duration;
//! use entra_proto::{Application, ClientSecret, Target};
//! use entra_transport::Acquisition;
//! use entra_transport_reqwest::ReqwestTransport;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let authority = "https://login.microsoftonline.com/contoso.onmicrosoft.com".parse()?;
//!     let secret = ClientSecret::new(std::env::var("AZURE_CLIENT_SECRET")?)?;
//!     let app = Application::new(authority, "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?, secret);
//!
//!     let transport = ReqwestTransport::builder().timeout(Duration::from_secs(10)).build()?;
//!     let request = app.client_credentials(Target::resource("https://graph.microsoft.com")?)?;
//!     let token = Acquisition::new(request).run(&transport, tokio::time::sleep).await?;
//!     println!("a token for {:?}", token.lifetime.expires_at.since(token.lifetime.received_at));
//!     Ok(())
//! }
//! ```
//!
//! It needs a tokio runtime with time and IO switched on.
//!
//! # Features
//! `aws-lc-rs` (default) or `ring`, `native-roots` (default), `webpki-roots`: see [`entra_transport::tls`] for what they mean.
//!
//! # Other clients in the program
//! Cargo builds reqwest once for the whole program, with the features that anybody in it switches on. This crate switches on TLS
//! over rustls, and what else it needs it sets for its own client alone. For other clients in the program:
//! - With `aws-lc-rs`, [`reqwest::Client::new`] works as with reqwest's own `rustls` feature, with or without a default provider of
//!   the process.
//! - With `ring` alone, reqwest knows no provider of its own, and panics when it builds a client. Install one first:
//!   `rustls::crypto::ring::default_provider().install_default()`, or give the client `tls_backend_preconfigured`.
//! - A client that may speak TLS reads the system's certificate authorities when it is built. Where there are none,
//!   [`reqwest::Client::new`] panics; a builder with `tls_certs_only` needs none.
//!
//! A program whose own reqwest does without TLS on purpose is better off with `entra-transport-hyper`, which leaves it alone.
//!
//! # Proxies
//! reqwest opens the tunnels. Of a proxy's response to `CONNECT` it tells that it was 407 or another failure, but neither the
//! status nor the ways to authenticate that the proxy accepts.
//! A 407 that is cut short, or longer than 8 KiB, cannot be told from another failure, and may be tried again.
//!
//! # What is not here
//! No HTTP/2, no retries, no client certificates, no WebAssembly.

mod error;
mod settings;
mod transport;

pub use transport::ReqwestTransport;
