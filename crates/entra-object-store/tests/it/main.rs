//! Public behaviour of entra-object-store with the real store: one binary, a module for each
//! subject.

mod allocations;
mod blob_service;
mod connector;
mod errors;
mod operations;
mod support;
