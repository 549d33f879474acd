//! The suite that every transport of Microsoft Entra token requests has to pass, over real sockets of this machine.
//!
//! A transport carries client secrets, so its contract is strict: see [`Transport`](entra_transport::Transport). This crate proves
//! the contract. Each requirement is a [`Case`] with a name: a scripted server on loopback, one or many requests, and an expected
//! outcome. The suite knows nothing of the HTTP client under test. It is a dev-dependency of a transport, never a dependency of a
//! program:
//!
//! ```toml
//! [dev-dependencies]
//! entra-transport-conformance = "0.1"
//! ```
//!
//! The whole test of a transport of your own, here one over a function:
//!
//! ```no_run
//! use entra_transport::{BlockingTransport, Policy, Request, Response, TransportError};
//! use entra_transport_conformance::{Report, Setup, run};
//!
//! struct MyTransport {
//!     policy: Policy,
//! }
//!
//! impl MyTransport {
//!     /// Builds the transport with the policy, the roots and the proxies of the case.
//!     fn new(setup: &Setup) -> Self {
//!         Self { policy: setup.policy }
//!     }
//! }
//!
//! impl BlockingTransport for MyTransport {
//!     fn send(&self, mut request: Request) -> Result<Response, TransportError> {
//!         self.policy.admit(&mut request)?;
//!         unimplemented!("send the request by an HTTP client")
//!     }
//! }
//!
//! // #[test]
//! fn my_transport_conforms() {
//!     run(|setup| Box::new(MyTransport::new(setup))).assert();
//! }
//! ```
//!
//! [`run_async`] takes an asynchronous transport and the `block_on` of its runtime. Its transport has to pass a few cases more.
//! A transport that is built by a [`TransportBuilder`](entra_transport::TransportBuilder) applies a [`Setup`] by
//! [`Setup::build`], and gets its tests of proxies and roots in the environment from [`environment_tests!`].
//!
//! Every error that a transport returns and every line that is logged meanwhile (through `log`, which the suite takes for itself) is
//! searched for the secrets that the requests carry. A case that hangs fails. A case that this machine cannot run is listed as
//! skipped.
//!
//! # What is not here
//! The contract and the rules that a transport applies (`entra-transport`), and a token service to get tokens from
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
mod logs;
mod report;
mod server;
mod suite;

pub use asynchronous::{BoxFuture, run_async};
pub use bench::Setup;
pub use case::Case;
pub use cases::cases;
pub use certificate::root_pem;
pub use environment::run_with;
pub use logs::leave_out_of_logs;
pub use report::Report;
pub use suite::run;
