//! Tests of the collector, run as a user runs it, against the emulator.

mod clocks;
mod connect;
mod consent;
mod disk;
mod fake;
mod happy_path;
mod hostile;
mod kills;
mod managed_identity;
mod paging;
mod proof;
mod proxy;
#[cfg(unix)]
mod recordings;
mod running;
mod sinks;
mod surface;
mod tenant_store;
mod throttling;
mod tokens;
mod windows;
mod world;
