//! Integration tests of the public API.

mod app_service;
mod azd;
mod events;
mod hostile;
mod imds;
mod proxy;
mod server;
mod sidecar;
mod support;
#[cfg(unix)]
mod unix_socket;
