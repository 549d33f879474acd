//! The collector, run as a user runs it, against an emulator.

#[allow(dead_code, reason = "it has what the tests of other pages need, too")]
#[path = "../support/chromium.rs"]
mod chromium;
mod connect;
mod happy_path;
mod tenant_store;
mod world;
