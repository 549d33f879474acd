//! The token cache: a bounded map of slots.
//!
//! A slot holds one token, at most one flight (a request in progress that all its callers share),
//! and the last failure.

mod cell;
mod flight;
mod flight_owner;
mod key;
mod map;
mod size;
mod slot;
mod slots;
mod state;
mod sync;

#[cfg(all(test, entra_loom))]
mod model;

pub(crate) use flight::Waiter;
pub(crate) use flight_owner::{Completion, FlightOwner};
pub(crate) use key::{Key, KeyRef};
pub(crate) use slot::{JoinOutcome, Slot};
pub(crate) use slots::Slots;
