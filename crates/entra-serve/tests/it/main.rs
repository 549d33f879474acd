//! Integration tests of the public API.

mod app_service;
mod azd;
mod hostile;
mod imds;
mod proxy;
mod support;
