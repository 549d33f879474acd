//! Public behaviour of entra-azure-core with real clients of the SDK: one binary, a module for each
//! subject.

mod allocations;
mod api;
mod errors;
mod expiry;
mod race;
mod rejections;
mod storage;
mod support;
mod vault;
