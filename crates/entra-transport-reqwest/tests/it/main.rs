//! The reqwest transport under the shared suite and beyond it.

mod beside;
mod conformance;
#[cfg(feature = "native-roots")]
mod environment;
