//! Managed identities: the six sources, over a table in place of a machine.

mod arc;
mod credential;
mod detection;
mod errors;
mod laws;
mod replies;
mod retries;
mod support;
mod vectors;
