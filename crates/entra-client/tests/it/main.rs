//! Public behaviour of entra-client: one binary, a module for each subject.

mod agents;
mod async_credentials;
mod blocking;
mod cache;
mod certificates;
mod chain_environments;
mod chains;
mod clocks;
mod consents;
mod device_codes;
mod events;
mod flights;
mod herd;
mod interleavings;
mod managed_identities;
mod memory;
mod on_behalf_of;
mod outages;
mod pace;
mod races;
mod responses;
mod sign_ins;
mod spans;
mod store;
mod support;
mod users;
