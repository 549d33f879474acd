//! The APIs that tokens are for: each checks the token of a request, and answers by its own rules.

pub(crate) mod activity;
pub(crate) mod graph;
pub(crate) mod managed_desktop;
