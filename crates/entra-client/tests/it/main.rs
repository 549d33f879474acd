//! Public behaviour of entra-client: one binary, a module for each subject.

mod answers;
mod async_credentials;
mod bad_day;
mod blocking;
mod cache;
mod certificates;
mod clocks;
mod consents;
mod device_codes;
mod events;
mod flights;
mod herd;
mod interleavings;
mod memory;
mod misfortunes;
mod on_behalf_of;
mod pace;
mod sign_ins;
mod spans;
mod store;
mod support;
mod users;
