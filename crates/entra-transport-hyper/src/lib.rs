//! The transport over hyper, and over any tower service that speaks `http` types.
//!
//! [`HyperTransport`] is hyper with rustls and nothing around it: HTTP/1.1, a pool of connections, one deadline.
//! [`ServiceTransport`] makes a transport of a `tower` service: of a stack with metrics, tracing or a proxy of one's own in it,
//! or of an in-memory router in a test. [`Connector`] makes the connections of [`HyperTransport`], through the same proxy, for a client
//! of hyper-util that calls an API.
//!
//! ```text
//!   Request ─> admit ─> ServiceTransport<S> ─> admit_answer ─> Collector ─> Response
//!                            │ S: tower_service::Service<http::Request<B>>
//!          HyperTransport:   └─ hyper-util client ─> Connector: names ─> proxy ─> TCP ─> rustls (aws-lc-rs or ring)
//! ```
//!
//! ```no_run
//! use std::time::Duration;
//! use entra_proto::{Application, ClientSecret, Target};
//! use entra_transport::Acquisition;
//! use entra_transport_hyper::HyperTransport;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let authority = "https://login.microsoftonline.com/contoso.onmicrosoft.com".parse()?;
//!     let secret = ClientSecret::new(std::env::var("AZURE_CLIENT_SECRET")?)?;
//!     let app = Application::new(authority, "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?, secret);
//!
//!     let transport = HyperTransport::builder().timeout(Duration::from_secs(10)).build()?;
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
//! # What is not here
//! No HTTP/2 (one small request an hour gains nothing from it), no retries, no client certificates.

mod connect;
mod error;
mod hyper;
mod service;
mod settings;
mod tunnel;

pub use connect::{Connection, Connector};
pub use hyper::HyperTransport;
pub use service::ServiceTransport;
