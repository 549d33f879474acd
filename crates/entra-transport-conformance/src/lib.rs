//! The conformance suite for transports of Microsoft Entra token requests, over real sockets.
//!
//! A transport sends client secrets, so its contract is strict: see
//! [`Transport`](entra_transport::Transport). This crate tests the contract. The primary functions
//! are [`run`] and [`run_async`]. Each requirement is a [`Case`] with a name: a scripted server on
//! loopback, one or more requests, and an expected outcome. The suite does not depend on the HTTP
//! client under test. It is a dev-dependency of a transport, never a dependency of a program:
//!
//! ```toml
//! [dev-dependencies]
//! entra-transport-conformance = "0.1"
//! ```
//!
//! The complete test of a custom transport:
//!
//! ```no_run
//! use entra_transport::{
//!     BlockingTransport, TransportPolicy, Request, Response, TransportError,
//! };
//! use entra_transport_conformance::{Setup, run};
//!
//! struct MyTransport {
//!     policy: TransportPolicy,
//! }
//!
//! impl MyTransport {
//!     /// Uses the policy, the roots and the proxies of the case.
//!     fn new(setup: &Setup) -> Self {
//!         Self { policy: setup.policy }
//!     }
//! }
//!
//! impl BlockingTransport for MyTransport {
//!     fn send(
//!         &self,
//!         mut request: Request,
//!     ) -> Result<Response, TransportError> {
//!         self.policy.admit(&mut request)?;
//!         unimplemented!("send the request with an HTTP client")
//!     }
//! }
//!
//! // #[test]
//! fn my_transport_conforms() {
//!     run(|setup| Box::new(MyTransport::new(setup))).assert();
//! }
//! ```
//!
//! [`run_async`] takes an async transport and the `block_on` of its runtime, and has a few
//! additional cases. A transport that a [`TransportBuilder`](entra_transport::TransportBuilder)
//! builds applies a [`Setup`] with [`Setup::build`]; [`environment_tests!`] adds its tests of the
//! environment variables for proxies and roots, and [`token_proxy_tests!`] those of the token proxy
//! of a Kubernetes cluster.
//!
//! A transport may reject the requests to local endpoints that managed identities send. The cases
//! that need them are then skipped.
//!
//! The suite searches each error that a transport returns, and each line that is logged during the
//! run, for the secrets of the requests. It installs its own logger for that. A case that hangs
//! fails. A case that this machine cannot run is skipped; that is an error in CI, unless
//! `CI_NOT_INSTALLED` names the missing feature: see [`Report::assert`].
//!
//! # What is not here
//! The contract, and the rules that a transport applies (`entra-transport`); a token service
//! (`entra-emulator`).

mod asynchronous;
mod bench;
mod case;
mod cases;
mod certificate;
#[doc(hidden)]
pub mod environment;
mod exchange;
mod jobs;
mod local;
mod logs;
mod report;
mod server;
mod suite;
#[doc(hidden)]
pub mod token_proxy;

pub use asynchronous::run_async;
pub use bench::Setup;
pub use case::Case;
pub use cases::cases;
pub use certificate::root_pem;
pub use entra_proto::assertion::BoxFuture;
pub use environment::run_with;
pub use local::local_request;
pub use logs::leave_out_of_logs;
pub use report::Report;
pub use suite::run;
