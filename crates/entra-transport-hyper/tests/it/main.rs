//! The hyper transport under the shared suite and beyond it.

mod conformance;
mod connector;
#[cfg(feature = "native-roots")]
mod environment;
mod service;
