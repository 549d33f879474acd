//! The tests of the ureq transport: the conformance suite, and what is specific to this transport.

mod careless;
mod conformance;
#[cfg(feature = "native-roots")]
mod environment;
#[cfg(feature = "native-roots")]
mod logs;
mod open;
mod token_proxy;
