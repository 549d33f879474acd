//! The collector, run as a user runs it, against an emulator.

#[allow(dead_code, reason = "it has what the tests of other pages need, too")]
#[path = "../support/chromium.rs"]
mod chromium;
mod clocks;
mod connect;
mod consent;
mod disk;
mod fake;
mod happy_path;
mod hostile;
mod kills;
mod paging;
mod proof;
mod proxy;
#[cfg(unix)]
mod recordings;
mod running;
mod sinks;
mod surface;
mod tenant_store;
#[cfg(unix)]
#[path = "../../../crates/entra-cli/tests/common/terminal.rs"]
mod terminal;
mod throttling;
mod tokens;
mod windows;
mod world;
