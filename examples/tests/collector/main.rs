//! The collector, run as a user runs it, against an emulator.

mod happy_path;
mod tenant_store;
mod world;
