//! The transport over ureq: blocking, without a runtime, and the smallest tree of all.
//!
//! [`UreqTransport`] is what a command, a script or a program without async sends its token requests with.
//!
//! ```text
//!   Request ─> admit ─> ureq: no redirects, no cookies, ─> admit_answer ─> Collector ─> Response
//!                       no compression, one deadline
//!                            │
//!                       TCP ─> rustls (aws-lc-rs or ring) ─> Watched: tells a cut connection from an ended one
//! ```
//!
//! ```no_run
//! use std::time::Duration;
//! use entra_transport::{BlockingTransport, Body};
//! use entra_transport_ureq::UreqTransport;
//!
//! let transport = UreqTransport::builder().timeout(Duration::from_secs(10)).build()?;
//! let request = http::Request::get(
//!     "https://login.microsoftonline.com/organizations/v2.0/.well-known/openid-configuration",
//! )
//! .body(Body::default())?;
//! let answer = transport.send(request)?;
//! println!("{}: {} bytes", answer.status(), answer.body().len());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//! `aws-lc-rs` (default) or `ring`, `native-roots` (default), `webpki-roots`: see [`entra_transport::tls`] for what they mean.
//!
//! # What is not here
//! No async, no HTTP/2, no retries, no client certificates.

mod builder;
mod connect;
mod error;
mod transport;

pub use builder::UreqTransportBuilder;
pub use transport::UreqTransport;
