//! The tests of the reqwest transport: the conformance suite, and what is specific to this
//! transport.

mod beside;
mod conformance;
#[cfg(feature = "native-roots")]
mod environment;
mod over;
mod token_proxy;
