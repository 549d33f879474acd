//! The small interface between Microsoft Entra token requests and any HTTP client.
//!
//! A token request is one HTTP request to one host, and its answer is a few kilobytes of JSON. A [`Transport`] (or, without a
//! runtime, a [`BlockingTransport`]) carries one such request and brings its answer back, whatever its status: that is all the
//! layers above know about HTTP. The rules that keep a client secret safe on the way stand here once, as [`Policy`] and
//! [`Collector`](adapter::Collector), and every transport applies them.
//!
//! ```text
//!   Request ──> Policy::admit ───────> any HTTP client ──> Policy::admit_answer ──> Collector ──> Response
//!               https only             no redirects        no compression           at most
//!               (loopback by choice)   one deadline        declared length          1 MiB,
//!               no user:password@      no cookies          in bounds                zeroized
//! ```
//!
//! | crate | over | for |
//! |---|---|---|
//! | `entra-transport-hyper` | hyper and rustls, or any tower service | async, small |
//! | `entra-transport-reqwest` | reqwest | async, where reqwest is in the tree already |
//! | `entra-transport-ureq` | ureq | blocking, no runtime |
//!
//! An [`Acquisition`] drives entra-proto's machine over a transport, retries and all: a token request, or a device flow, which shows
//! the user a code on the way.
//!
//! A transport of one's own is a function, and a test needs no socket:
//!
//! ```
//! use entra_transport::{BlockingTransport, Body, Request, Response, blocking_transport_fn};
//!
//! let transport = blocking_transport_fn(|request: Request| {
//!     assert_eq!(request.method(), "POST");
//!     Ok(Response::new(Body::from(r#"{"access_token":"..."}"#.to_owned())))
//! });
//!
//! let request = http::Request::post("https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token")
//!     .body(Body::from("grant_type=client_credentials".to_owned()))?;
//! assert_eq!(transport.send(request)?.status(), 200);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`cloud_from_env`] reads `AZURE_AUTHORITY_HOST`, which sends a program to another cloud, or to an emulator.
//!
//! A transport over another HTTP client finds its parts in [`adapter`], and has to pass the suite of `entra-transport-conformance`.
//!
//! # Features
//! - `tls`, `aws-lc-rs`, `ring`, `native-roots`, `webpki-roots`: [`tls`], what transports over rustls share.
//!
//! # What is not here
//! No HTTP client, no rules for retries (they are protocol, and live with the acquisition machine), no caches.

mod acquire;
mod acquire_error;
pub mod adapter;
mod blocking;
#[cfg(feature = "tls")]
mod builder;
mod collect;
mod environment;
mod error;
mod errors;
mod no_proxy;
mod policy;
mod proxy;
#[cfg(feature = "tls")]
pub mod tls;
mod transport;
mod tunnel;

pub use acquire::{Acquisition, ShownRequest, now, request_id};
pub use acquire_error::AcquireError;
pub use blocking::{BlockingTransport, BlockingTransportFn, blocking_transport_fn};
#[cfg(feature = "tls")]
pub use builder::TransportBuilder;
pub use entra_proto::Body;
pub use environment::cloud_from_env;
pub use error::{TransportError, TransportErrorKind};
pub use errors::Errors;
pub use policy::{MAX_BODY, Policy};
pub use proxy::{Proxies, Proxy};
pub use transport::{Transport, TransportFn, transport_fn};

/// A request as the protocol makes it: an absolute URI, the headers, the body.
pub type Request = http::Request<Body>;

/// An answer with its whole body, whatever its status.
pub type Response = http::Response<Body>;
