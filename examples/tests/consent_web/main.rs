//! `consent_web`, run as a user runs it, against an emulator: by requests made by hand, and in a browser where there is one.

mod browser;
#[allow(dead_code, reason = "it has what the tests of other pages need, too")]
#[path = "../support/chromium.rs"]
mod chromium;
mod handlers;
mod world;
