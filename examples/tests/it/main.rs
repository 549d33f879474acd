//! Tests of the examples as users run them, against the emulator: one binary with a module for each
//! subject.

mod collector;
mod landing;
mod managed_desktop;
#[path = "../../../crates/entra-cli/tests/it/common/skips.rs"]
mod skips;
mod stories;
mod support;
#[cfg(unix)]
#[allow(dead_code, reason = "the tests of the command use the rest")]
#[path = "../../../crates/entra-cli/tests/it/common/terminal.rs"]
mod terminal;
mod tower;
