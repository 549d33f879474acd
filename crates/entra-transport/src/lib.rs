//! The interface between Microsoft Entra token requests and an HTTP client.
//!
//! Most programs depend on the crate `entra` (or on `entra-client`), which caches tokens, and
//! choose a transport there. Depend on this crate to write a transport over another HTTP client, or
//! to acquire single tokens without a cache.
//!
//! The primary types are [`Transport`], [`BlockingTransport`], [`TransportPolicy`] and
//! [`Acquisition`].
//!
//! A token request is one HTTP request to one host, and its response is a few kilobytes of JSON. A
//! [`Transport`], or a [`BlockingTransport`] for programs without a runtime, sends one such request
//! and returns its response with any status. The layers above know nothing else about HTTP. The
//! rules that protect a client secret in transit are implemented here once, as [`TransportPolicy`]
//! and [`Collector`](adapter::Collector), and every transport applies them.
//!
//! ```text
//!   Request
//!      │
//!      ▼
//!   TransportPolicy::admit      https only (plain http to loopback by choice),
//!      │                        no user:password@ in the URI
//!      ▼
//!   any HTTP client             no redirects, no cookies, one deadline
//!      │
//!      ▼
//!   TransportPolicy::           no compression, declared length within the
//!      │      admit_response    limit
//!      ▼
//!   Collector                   at most 1 MiB, memory is zeroized
//!      │
//!      ▼
//!   Response
//! ```
//!
//! | crate | over | for |
//! |---|---|---|
//! | `entra-transport-hyper` | hyper and rustls, or any tower service | async, few dependencies |
//! | `entra-transport-reqwest` | reqwest | async, beside another use of reqwest |
//! | `entra-transport-ureq` | ureq | blocking, without a runtime |
//!
//! An [`Acquisition`] runs entra-proto's state machine over a transport, including retries, for a
//! token request or for a device flow, which shows the user a code.
//!
//! A closure can be a transport, so a test does not need a socket:
//!
//! ```
//! use entra_transport::{BlockingTransport, Body, Request, Response};
//!
//! let transport = entra_transport::blocking_transport_fn(|request: Request| {
//!     assert_eq!(request.method(), "POST");
//!     Ok(Response::new(Body::from(r#"{"access_token":"..."}"#.to_owned())))
//! });
//!
//! let body = Body::from("grant_type=client_credentials".to_owned());
//! let mut request = Request::new(body);
//! *request.method_mut() = http::Method::POST;
//! *request.uri_mut() = "https://login.example/token".parse().unwrap();
//! assert_eq!(transport.send(request)?.status(), 200);
//! # Ok::<(), entra_transport::TransportError>(())
//! ```
//!
//! [`cloud_from_env`] reads `AZURE_AUTHORITY_HOST`, which directs a program to another cloud or to
//! an emulator.
//!
//! [`find_region`] finds the region of a token endpoint, once for the process.
//!
//! In a Kubernetes cluster with identity bindings, a `TokenProxy` (feature `tls`) sends token
//! requests to the cluster's proxy.
//!
//! [`LocalHost`] is the machine in which entra-proto looks for a managed identity.
//!
//! [`adapter`] has the parts of a transport over another HTTP client. Such a transport has to pass
//! the test suite of `entra-transport-conformance`.
//!
//! # Features
//! None is on by default.
//! - `tls`: the module [`tls`], which the transports over rustls share.
//! - `aws-lc-rs`, `ring`: the cryptography provider of rustls. `aws-lc-rs` takes precedence.
//! - `native-roots`, `webpki-roots`: the trusted certificate authorities.
//!
//! # What is not here
//! No HTTP client; no retry rules, which are part of the protocol and implemented in entra-proto;
//! no cache.

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
mod local_host;
mod no_proxy;
mod policy;
mod proxy;
mod region;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "tls")]
mod token_proxy;
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
pub use errors::{Errors, Report};
pub use local_host::LocalHost;
pub use policy::{MAX_BODY, TransportPolicy};
pub use proxy::{Proxies, Proxy};
pub use region::{detected_region, find_region, find_region_blocking};
#[cfg(feature = "tls")]
pub use token_proxy::TokenProxy;
pub use transport::{Transport, TransportFn, transport_fn};

/// A request of the protocol: an absolute URI, the headers and the body.
pub type Request = http::Request<Body>;

/// A response with its complete body and any status.
pub type Response = http::Response<Body>;
