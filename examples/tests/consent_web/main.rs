//! `consent_web`, run as a user runs it, against an emulator.

mod handlers;
mod world;
