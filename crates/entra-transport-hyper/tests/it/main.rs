//! The tests of the hyper transport: the conformance suite, and what is specific to this transport.

mod conformance;
mod connector;
#[cfg(feature = "native-roots")]
mod environment;
mod service;
mod token_proxy;
