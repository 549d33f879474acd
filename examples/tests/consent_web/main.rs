//! `consent_web`, run as a user runs it, against an emulator: by requests made by hand, and in a browser where there is one.

mod browser;
mod chromium;
mod handlers;
mod world;
