//! The ureq transport under the shared suite and beyond it.

mod careless;
mod conformance;
#[cfg(feature = "native-roots")]
mod environment;
#[cfg(feature = "native-roots")]
mod logs;
mod open;
