//! The emulated APIs. Each verifies the token of a request and responds by its own rules.

pub(crate) mod activity;
pub(crate) mod graph;
pub(crate) mod managed_desktop;
