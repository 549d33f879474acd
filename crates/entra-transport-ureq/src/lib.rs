//! The transport over ureq: blocking, without a runtime, and the smallest tree of all.
//!
//! [`UreqTransport`] is what a command, a script or a program without async sends its token requests with.
//!
//! ```text
//!   Request ─> admit ─> ureq: no redirects, no cookies, ─> admit_answer ─> Collector ─> Response
//!                       no compression, one deadline
//!                            │
//!           Way: names ─> TCP ─> proxy ─> rustls (aws-lc-rs or ring) ─> Watched: tells a cut connection from an ended one
//!                (one deadline)
//! ```
//!
//! ```no_run
//! use std::time::Duration;
//! use entra_proto::{Application, ClientSecret, Target};
//! use entra_transport::Acquisition;
//! use entra_transport_ureq::UreqTransport;
//!
//! let authority = "https://login.microsoftonline.com/contoso.onmicrosoft.com".parse()?;
//! let secret = ClientSecret::new(std::env::var("AZURE_CLIENT_SECRET")?)?;
//! let app = Application::new(authority, "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?, secret);
//!
//! let transport = UreqTransport::builder().timeout(Duration::from_secs(10)).build()?;
//! let request = app.client_credentials(Target::resource("https://graph.microsoft.com")?)?;
//! let token = Acquisition::new(request).run_blocking(&transport)?;
//! println!("a token for {:?}", token.lifetime.expires_at.since(token.lifetime.received_at));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//! `aws-lc-rs` (default) or `ring`, `native-roots` (default), `webpki-roots`: see [`entra_transport::tls`] for what they mean.
//!
//! # Logs
//! At the level `trace`, ureq's parser writes every byte of requests and answers into the log, and only the logger can keep it
//! from doing so. As that would be client secrets and tokens, nothing is sent while the program's logger records the target
//! `ureq_proto` at `trace`: set it to `debug` or `off` there (`RUST_LOG=trace,ureq_proto=debug`). At `debug`, ureq logs method
//! and URI, query and all; no request of the token protocol has a secret in its query.
//!
//! # What is not here
//! No async, no HTTP/2, no retries, no client certificates.

mod connect;
mod deadline;
mod error;
mod settings;
mod tcp;
mod transport;

pub use transport::{OpenBody, UreqTransport};
